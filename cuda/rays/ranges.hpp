// Tasks of neighbouring numbers for the threads of a CPU.
#pragma once
#include "../runtime/parallel.hpp"

namespace hp {

template <class Task> void each(int threads, int64 count, int64 chunk, const Task &task) {
  parallel(threads, (count + chunk - 1) / chunk, [&](int64 part) {
    const int64 end = (part + 1) * chunk < count ? (part + 1) * chunk : count;
    for (int64 i = part * chunk; i < end; ++i) task(i);
  });
}

} // namespace hp
