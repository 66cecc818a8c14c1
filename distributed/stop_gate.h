// SPDX-License-Identifier: Apache-2.0
#pragma once

// StopGate: lets another thread propose a step for the program to stop at, and
// be sure that the program has not passed it. Two stores and a load a step
// when nobody asks.

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <limits>
#include <mutex>

namespace lockstep {

class StopGate {
 public:
  // The program, before each step: true when it is to stop here. Waits while
  // a proposal for this step is undecided, at most `patience`.
  bool StopAt(int64_t step, std::chrono::milliseconds patience) {
    at_.store(step);
    if (step < limit_.load()) [[likely]]
      return false;
    std::unique_lock lock(mu_);
    const bool decided = changed_.wait_for(
        lock, patience, [&] { return stop_ || step < limit_.load(); });
    return decided && stop_ && step >= limit_.load();
  }
  // The other thread. True when the program has not reached `step`: it will
  // wait there until Decide.
  bool HoldAt(int64_t step, int64_t* now_at) {
    const std::lock_guard lock(mu_);
    limit_.store(step);
    *now_at = at_.load();
    return *now_at < step;
  }
  void Decide(int64_t step, bool holds) {
    const std::lock_guard lock(mu_);
    if (limit_.load() != step) return;
    stop_ = holds;
    if (!holds) limit_.store(kNever);
    changed_.notify_all();
  }

 private:
  static constexpr int64_t kNever = std::numeric_limits<int64_t>::max();
  // Both sequentially consistent: either the program sees the limit, or the
  // proposer the step.
  std::atomic<int64_t> limit_{kNever};
  std::atomic<int64_t> at_{-1};
  std::mutex mu_;
  std::condition_variable changed_;
  bool stop_ = false;  // guarded by mu_
};

}  // namespace lockstep
