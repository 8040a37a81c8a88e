// Threads for the host kernels: tasks 0 .. count-1 are handed out in order to at most `threads` threads.
//
// They are those of PyTorch's OpenMP runtime, where there is one (threads.py): between two calls its threads spin, and threads of
// our own would share the cores with them.
#pragma once
#include <pthread.h>
#include <stdint.h>

extern "C" {
typedef void (*hp_start)(void (*work)(void *), void *shared, unsigned threads, unsigned flags); // GOMP_parallel
hp_start *hp_team = nullptr; // where the process says how its threads are started
}

namespace hp {

template <class Task> void parallel(int threads, int64_t count, const Task &task) {
  struct queue {
    const Task &task;
    int64_t count, next;

    static void work(void *shared) {
      queue &q = *static_cast<queue *>(shared);
      for (int64_t i; (i = __atomic_fetch_add(&q.next, 1, __ATOMIC_RELAXED)) < q.count;) q.task(i);
    }
    static void *body(void *shared) {
      work(shared);
      return nullptr;
    }
  } tasks{task, count, 0};
  if (threads <= 1 || count <= 1) return queue::work(&tasks);
  if (hp_team && *hp_team) return (*hp_team)(queue::work, &tasks, (unsigned)threads, 0); // a smaller team would end threads of the larger one
  if (threads > count) threads = (int)count;
  pthread_t *const others = new pthread_t[threads - 1];
  int started = 0; // where no further thread is to be had, the ones that run do all tasks
  while (started < threads - 1 && pthread_create(others + started, nullptr, queue::body, &tasks) == 0) ++started;
  queue::work(&tasks);
  for (int i = 0; i < started; ++i) pthread_join(others[i], nullptr);
  delete[] others;
}

} // namespace hp
