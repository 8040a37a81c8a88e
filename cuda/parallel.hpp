// Threads for the host kernels: tasks 0 .. count-1 are handed out in order to at most `threads` threads.
#pragma once
#include <atomic>
#include <cstdint>
#include <system_error>
#include <thread>
#include <vector>

namespace hp {

template <class Task> void parallel(int threads, std::int64_t count, const Task &task) {
  if (threads > count) threads = (int)count;
  if (threads <= 1) {
    for (std::int64_t i = 0; i < count; ++i) task(i);
    return;
  }
  std::atomic<std::int64_t> next{0};
  auto work = [&] {
    for (std::int64_t i; (i = next.fetch_add(1)) < count;) task(i);
  };
  std::vector<std::thread> others;
  others.reserve(threads - 1);
  for (int i = 1; i < threads; ++i) {
    try {
      others.emplace_back(work);
    } catch (const std::system_error &) {
      break; // no further thread to be had: the ones that run do all tasks
    }
  }
  work();
  for (auto &t : others) t.join();
}

} // namespace hp
