// SPDX-License-Identifier: Apache-2.0
#pragma once

// Functors that choose an element or make it another type, for kernels of the
// CPU and of GPUs. Local to each file, so that its loops are its own.
//
// CastTo<D>: floats to integers truncate; what does not fit becomes what an x86
// processor makes of it: the least integer for int32 and int64 (NaN too), the
// low bits of that for narrower ones. To bool: whether it is not 0 (NaN is
// true). 16-bit floats go by way of float.

#include <limits>

#include "ops/math/elementwise.h"
#include "runtime/core/host_device.h"

namespace lockstep {
namespace {

template <class I, class F>
LS_HOST_DEVICE I Truncate(F x) {
  constexpr F kEnd = sizeof(I) == 4 ? F(0x1p31) : F(0x1p63);
  const bool fits = static_cast<int>(x >= -kEnd) & static_cast<int>(x < kEnd);
  return fits ? static_cast<I>(x) : std::numeric_limits<I>::min();
}

template <class D, class S>
LS_HOST_DEVICE D Convert(S s) {
  const ValueType<S> x = s;
  if constexpr (kIsComplex<S> && kIsComplex<D>) {
    return D(x);
  } else if constexpr (kIsComplex<S> && !std::is_same_v<D, bool>) {
    return Convert<D>(x.real());
  } else if constexpr (kIsComplex<D>) {
    return D(static_cast<typename D::value_type>(x));
  } else if constexpr (std::is_same_v<D, bool>) {
    return x != ValueType<S>{0};
  } else if constexpr (kIsFloat16<D>) {
    return D(static_cast<float>(x));
  } else if constexpr (!kIsFloat<S> || kIsFloat<D>) {
    return static_cast<D>(x);
  } else if constexpr (std::is_same_v<D, uint64_t>) {
    using F = ValueType<S>;
    if (!(x >= F(0x1p63))) return static_cast<D>(Truncate<int64_t>(x));
    return x < F(0x1p64) ? static_cast<D>(x) : D{0};
  } else if constexpr (sizeof(D) == 8 || std::is_same_v<D, uint32_t>) {
    return static_cast<D>(Truncate<int64_t>(x));
  } else {
    return static_cast<D>(Truncate<int32_t>(x));
  }
}

struct SelectFn {
  template <class T>
  LS_HOST_DEVICE static T Apply(bool condition, T a, T b) {
    return condition ? a : b;
  }
};

template <class D>
struct CastTo {
  template <class S>
  LS_HOST_DEVICE static D Apply(S x) {
    return Convert<D, S>(x);
  }
};

}  // namespace
}  // namespace lockstep
