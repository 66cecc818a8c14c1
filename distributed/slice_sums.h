// SPDX-License-Identifier: Apache-2.0
#pragma once

// SliceSums: what a rank's divided update wrote to its slice of a variable, as
// a sum of words, to be found again when the next one reads it. No other rank
// has these values to compare: what changes them in between would become
// everybody's. SliceWatch makes the sums of one update, part by part while they
// are in the cache.
//
// A sum does not depend on how the slice is cut in parts. One changed word
// always changes it, several by chance only do not. It holds while nothing
// else writes to the variable: plans that do forget it (_ForgetSums), and no
// update keeps one in a plan that has other writers (`watched`).
//
// SliceSums is a service of the session, used by one run at a time; Around from
// any thread.
//
//   watch.Prepare(sums.Of("w"), /*watched=*/true, kFloat);
//   watch.Begin(division);
//   watch.Around(values, count, [&] { return update.Apply(...); });
//   LS_RETURN_IF_ERROR(watch.End("w", rank));

#include <atomic>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "distributed/slot_slices.h"
#include "runtime/core/dtype.h"
#include "runtime/core/status.h"

namespace lockstep {

struct SliceSum {
  SlotSlices::Division division;
  uint32_t sum = 0;
  bool valid = false;
};

class SliceSums {
 public:
  // Of the variable of that name. Stays where it is.
  SliceSum* Of(std::string_view variable) {
    return &sums_[std::string(variable)];
  }

 private:
  std::map<std::string, SliceSum> sums_;
};

// Of `count` elements, which are words of 4 bytes or half as long.
uint32_t SumOfWords(const void* values, int64_t count, DType dtype);

class SliceWatch {
 public:
  void Prepare(SliceSum* kept, bool watched, DType dtype) {
    kept_ = kept;
    watched_ = watched;
    dtype_ = dtype;
  }
  void Begin(const SlotSlices::Division& division);
  // Around `update` of a part of the slice, which is at `values`.
  template <class Update>
  Status Around(const void* values, int64_t count, const Update& update) {
    if (!watched_) return update();
    read_ += SumOfWords(values, count, dtype_);
    const Status done = update();
    wrote_ += SumOfWords(values, count, dtype_);
    return done;
  }
  // DATA_LOSS when the values read are not those that were written last.
  Status End(std::string_view variable, int rank);

 private:
  SliceSum* kept_ = nullptr;
  bool watched_ = false;
  DType dtype_ = kFloat;
  SliceSum before_;  // of the last update
  std::atomic<uint32_t> read_ = 0, wrote_ = 0;
};

}  // namespace lockstep
