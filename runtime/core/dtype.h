// SPDX-License-Identifier: Apache-2.0
#pragma once

// Element types. The numbers are TensorFlow's DataType, so that graphs and
// checkpoints carry them unchanged. A reference type (an output of VariableV2)
// is its base type + 100, as in TensorFlow.

#include <complex>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>

#include "runtime/core/float16.h"
#include "runtime/core/status.h"

namespace lockstep {

enum DType : int32_t {
  kInvalidType = 0,
  kFloat = 1,
  kDouble = 2,
  kInt32 = 3,
  kUint8 = 4,
  kInt16 = 5,
  kInt8 = 6,
  kString = 7,  // elements are std::string
  kComplex64 = 8,
  kInt64 = 9,
  kBool = 10,
  kBfloat16 = 14,
  kUint16 = 17,
  kComplex128 = 18,
  kHalf = 19,
  kResource = 20,  // elements are ObjectRef (runtime/core/object.h)
  kVariant = 21,   // likewise
  kUint32 = 22,
  kUint64 = 23,
};

inline constexpr int kRefOffset = 100;
inline constexpr DType RefOf(DType t) {
  return static_cast<DType>(t + kRefOffset);
}
inline constexpr bool IsRef(DType t) { return t > kRefOffset; }
inline constexpr DType BaseOf(DType t) {
  return IsRef(t) ? static_cast<DType>(t - kRefOffset) : t;
}

// An output of this type stands for a variable (a reference), or may (a
// resource, which can also be another object).
inline constexpr bool IsHandle(DType t) { return IsRef(t) || t == kResource; }

// Bytes of one element: of the std::string or ObjectRef where it is one; 0 when
// the type is unknown.
size_t DTypeSize(DType t);
// TensorFlow's names: "float", "int32", "float_ref", "bfloat16".
std::string DTypeName(DType t);
// From "float", "float32" or "DT_FLOAT"; kInvalidType when unknown.
DType DTypeFromName(std::string_view name);
// Plain bytes: may be copied with memcpy and written to files as they are.
bool IsPod(DType t);
// Elements are ObjectRefs: kResource, kVariant.
bool IsObject(DType t);
bool IsFloating(DType t);  // half, bfloat16, float, double
bool IsComplex(DType t);
bool IsInteger(DType t);  // signed and unsigned, not bool

template <class T>
struct DTypeOf;
#define LS_DTYPE_OF(T, D) \
  template <>             \
  struct DTypeOf<T> : std::integral_constant<DType, D> {};
LS_DTYPE_OF(float, kFloat)
LS_DTYPE_OF(double, kDouble)
LS_DTYPE_OF(int32_t, kInt32)
LS_DTYPE_OF(uint8_t, kUint8)
LS_DTYPE_OF(int16_t, kInt16)
LS_DTYPE_OF(int8_t, kInt8)
LS_DTYPE_OF(std::string, kString)
LS_DTYPE_OF(std::complex<float>, kComplex64)
LS_DTYPE_OF(int64_t, kInt64)
LS_DTYPE_OF(bool, kBool)
LS_DTYPE_OF(BFloat16, kBfloat16)
LS_DTYPE_OF(uint16_t, kUint16)
LS_DTYPE_OF(std::complex<double>, kComplex128)
LS_DTYPE_OF(Half, kHalf)
LS_DTYPE_OF(uint32_t, kUint32)
LS_DTYPE_OF(uint64_t, kUint64)
#undef LS_DTYPE_OF

// Calls f(std::type_identity<T>()) for the C++ type of a plain dtype; returns
// UNIMPLEMENTED naming the dtype otherwise. f returns Status.
template <class F>
Status VisitDType(DType t, F&& f) {
  switch (t) {
    case kFloat: return f(std::type_identity<float>());
    case kDouble: return f(std::type_identity<double>());
    case kInt32: return f(std::type_identity<int32_t>());
    case kUint8: return f(std::type_identity<uint8_t>());
    case kInt16: return f(std::type_identity<int16_t>());
    case kInt8: return f(std::type_identity<int8_t>());
    case kInt64: return f(std::type_identity<int64_t>());
    case kBool: return f(std::type_identity<bool>());
    case kBfloat16: return f(std::type_identity<BFloat16>());
    case kUint16: return f(std::type_identity<uint16_t>());
    case kHalf: return f(std::type_identity<Half>());
    case kUint32: return f(std::type_identity<uint32_t>());
    case kUint64: return f(std::type_identity<uint64_t>());
    default: return Unimplemented("no numeric C++ type for ", DTypeName(t));
  }
}

}  // namespace lockstep
