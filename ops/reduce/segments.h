// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the segment reductions share: rows of `data` combined by their ids.
//
//   LS_RETURN_IF_ERROR(CheckSortedIds(ids, rows));
//   CombineRows<SegmentSumFn>(data, nullptr, ids, y, segments, width);

#include <limits>

#include "ops/array/slices.h"
#include "ops/math/elementwise.h"
#include "runtime/graph/gradients.h"
#include "runtime/op/kernel.h"

namespace lockstep {

// A functor has Init<T>(), what a segment begins with, and Step<T>(a, x).
struct SegmentSumFn {
  template <class T>
  static T Init() {
    return T{};
  }
  template <class T>
  static T Step(T a, T x) {
    using C = ArithmeticType<T>;
    return static_cast<T>(static_cast<C>(a) + static_cast<C>(x));
  }
};
struct SegmentProdFn {
  template <class T>
  static T Init() {
    return T(static_cast<ArithmeticType<T>>(1));
  }
  template <class T>
  static T Step(T a, T x) {
    using C = ArithmeticType<T>;
    return static_cast<T>(static_cast<C>(a) * static_cast<C>(x));
  }
};
template <class T>
T LeastOf() {
  if constexpr (std::is_same_v<T, Half>) {
    return T(-65504.0f);
  } else if constexpr (std::is_same_v<T, BFloat16>) {
    BFloat16 least;
    least.bits = 0xff7f;
    return least;
  } else {
    return std::numeric_limits<T>::lowest();
  }
}
template <class T>
T GreatestOf() {
  if constexpr (kIsFloat16<T>) {
    return T(-static_cast<float>(LeastOf<T>()));
  } else {
    return std::numeric_limits<T>::max();
  }
}
struct SegmentMaxFn {
  template <class T>
  static T Init() {
    return LeastOf<T>();
  }
  template <class T>
  static T Step(T a, T x) {
    using V = ValueType<T>;
    return static_cast<V>(a) < static_cast<V>(x) ? x : a;
  }
};
struct SegmentMinFn {
  template <class T>
  static T Init() {
    return GreatestOf<T>();
  }
  template <class T>
  static T Step(T a, T x) {
    using V = ValueType<T>;
    return static_cast<V>(x) < static_cast<V>(a) ? x : a;
  }
};

// y: [segments, width] = the rows of data, [.., width], combined by id; rows
// with a negative id are left out. `from`, when given, says which row of data
// the i-th is. In the order of the ids, for each column by itself: threads
// share no sum.
template <class F, class T>
void CombineRows(const T* data, const Indices* from, const Indices& ids, T* y,
                 int64_t segments, int64_t width) {
  const int64_t rows = ids.size();
  std::fill_n(y, segments * width, F::template Init<T>());
  const int64_t grain = std::max<int64_t>(16, kCheapGrain / (rows + 1));
  ParallelFor(width, grain, [&](int64_t begin, int64_t end) {
    for (int64_t i = 0; i < rows; ++i) {
      if (ids[i] < 0) continue;
      T* to = y + ids[i] * width;
      const T* row = data + (from == nullptr ? i : (*from)[i]) * width;
      for (int64_t j = begin; j < end; ++j) {
        to[j] = F::template Step<T>(to[j], row[j]);
      }
    }
  });
}

// Non-negative and ascending; INVALID_ARGUMENT otherwise.
inline Status CheckSortedIds(const Indices& ids) {
  for (int64_t i = 0; i < ids.size(); ++i) {
    if (ids[i] < 0 || ids[i] == std::numeric_limits<int64_t>::max()) {
      return InvalidArgument("Segment id ", ids[i],
                             " out of range: must be >= ", "0, is segment_ids[",
                             i, "]");
    }
    if (i > 0 && ids[i] < ids[i - 1]) {
      return InvalidArgument("segment ids are not increasing: segment_ids[", i,
                             "] = ", ids[i], " after ", ids[i - 1]);
    }
  }
  return Ok();
}

}  // namespace lockstep
