// SPDX-License-Identifier: Apache-2.0
#pragma once

// Ops that only move elements are compiled for their sizes, not their dtypes.
// ElementUnit<T> is what stands for T; strings stand for themselves.
//
//   .Kernels<LS_ANY_TYPES>(kCpu, []<class T>() {
//     return KernelDef{TakeCpu<ElementUnit<T>>}; })
//   VisitUnit(dtype, [&]<class U>(std::type_identity<U>) { ...; return Ok();
//   });

#include <complex>
#include <cstdint>
#include <string>
#include <type_traits>

#include "runtime/core/dtype.h"

// Every C++ type that an element may have, but for handles.
#define LS_ANY_TYPES                                                         \
  float, double, Half, BFloat16, int8_t, int16_t, int32_t, int64_t, uint8_t, \
      uint16_t, uint32_t, uint64_t, bool, std::string, std::complex<float>,  \
      std::complex<double>

namespace lockstep {

struct Unit128 {
  uint64_t words[2];
  bool operator==(const Unit128&) const = default;
};

namespace detail {
template <size_t kSize>
struct UnitOfSize;
template <>
struct UnitOfSize<1> {
  using type = uint8_t;
};
template <>
struct UnitOfSize<2> {
  using type = uint16_t;
};
template <>
struct UnitOfSize<4> {
  using type = uint32_t;
};
template <>
struct UnitOfSize<8> {
  using type = uint64_t;
};
template <>
struct UnitOfSize<16> {
  using type = Unit128;
};
template <class T>
struct UnitOf : UnitOfSize<sizeof(T)> {};
template <>
struct UnitOf<std::string> {
  using type = std::string;
};
}  // namespace detail

template <class T>
using ElementUnit = typename detail::UnitOf<T>::type;

// Calls f(std::type_identity<U>()) for the unit of a dtype.
template <class F>
Status VisitUnit(DType t, F&& f) {
  if (t == kString) return f(std::type_identity<std::string>());
  switch (IsPod(t) ? DTypeSize(t) : 0) {
    case 1: return f(std::type_identity<uint8_t>());
    case 2: return f(std::type_identity<uint16_t>());
    case 4: return f(std::type_identity<uint32_t>());
    case 8: return f(std::type_identity<uint64_t>());
    case 16: return f(std::type_identity<Unit128>());
    default: return Unimplemented("cannot move elements of ", DTypeName(t));
  }
}

}  // namespace lockstep
