// Threads for the host kernels: tasks 0 .. count-1 are handed out in order to at most `threads` threads.
#pragma once
#include <pthread.h>
#include <stdint.h>

namespace hp {

template <class Task> void parallel(int threads, int64_t count, const Task &task) {
  struct queue {
    const Task &task;
    int64_t count, next;

    static void *work(void *shared) {
      queue &q = *static_cast<queue *>(shared);
      for (int64_t i; (i = __atomic_fetch_add(&q.next, 1, __ATOMIC_RELAXED)) < q.count;) q.task(i);
      return nullptr;
    }
  } tasks{task, count, 0};
  if (threads > count) threads = (int)count;
  pthread_t *const others = threads > 1 ? new pthread_t[threads - 1] : nullptr;
  int started = 0; // where no further thread is to be had, the ones that run do all tasks
  while (started < threads - 1 && pthread_create(others + started, nullptr, queue::work, &tasks) == 0) ++started;
  queue::work(&tasks);
  for (int i = 0; i < started; ++i) pthread_join(others[i], nullptr);
  delete[] others;
}

} // namespace hp
