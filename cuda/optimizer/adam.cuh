// One step of Adam, bounds and a moving average for one number; everything is read once and written once.
//     m <- m + (1 - beta_1) (g - m)          v <- beta_2 v + (1 - beta_2) g^2
//     p <- clamp(p - rate m / (sqrt(v) / root + epsilon))          average <- average + share (p - average)
// with rate = lr / (1 - beta_1^t) and root = sqrt(1 - beta_2^t), which the caller keeps in memory so that a recorded launch follows
// the schedule.
#pragma once
#include "../runtime/lanes.cuh"

namespace hp {

struct adam {
  real first, second, epsilon, lower, upper, share, rate, root;

  HP_INLINE void step(real g, real &p, real &m, real &v) const {
    m += first * (g - m);
    v += second * (g * g - v);
    p -= rate * m / (sqrt(v) / root + epsilon);
    p = p < lower ? lower : p > upper ? upper : p; // not a number stays what it is
  }
  HP_INLINE real averaged(real average, real p) const { return average + share * (p - average); }
};

} // namespace hp
