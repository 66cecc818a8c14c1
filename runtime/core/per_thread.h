// SPDX-License-Identifier: Apache-2.0
#pragma once

// PerThread: a value for each thread of a ParallelFor that is begun by the
// thread that makes it. Made before, where running out of memory is an error.
//
//   PerThread<std::vector<float>> rows(std::vector<float>(width));
//   ParallelFor(n, grain, [&](int64_t begin, int64_t end) {
//     std::vector<float>& row = rows.mine();
//   });

#include <vector>

#include "runtime/core/threads.h"

namespace lockstep {

template <class T>
class PerThread {
 public:
  explicit PerThread(const T& value)
      : nested_(omp_in_parallel()),
        values_(static_cast<size_t>(nested_ ? 1 : Threads()), value) {}

  T& mine() { return values_[static_cast<size_t>(Number())]; }
  int count() const { return static_cast<int>(values_.size()); }

 private:
  // Within another region the calling thread does everything, whatever its
  // number there.
  int Number() const { return nested_ ? 0 : omp_get_thread_num(); }

  bool nested_;
  std::vector<T> values_;
};

}  // namespace lockstep
