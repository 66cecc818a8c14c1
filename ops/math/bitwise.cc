// SPDX-License-Identifier: Apache-2.0

// BitwiseAnd, BitwiseOr, BitwiseXor, LeftShift, RightShift: with NumPy
// broadcasting; Invert, PopulationCount (uint8): element by element.
//   x, y: integers of one dtype
// Shifts beyond the width act as one by width - 1, negative ones as none;
// RightShift of a signed number keeps its sign.

#include <bit>

#include "ops/math/elementwise.h"
#include "ops/math/math.h"

namespace lockstep {
namespace {

struct AndFn {
  template <class T>
  static T Apply(T a, T b) {
    return static_cast<T>(a & b);
  }
};
struct OrFn {
  template <class T>
  static T Apply(T a, T b) {
    return static_cast<T>(a | b);
  }
};
struct XorFn {
  template <class T>
  static T Apply(T a, T b) {
    return static_cast<T>(a ^ b);
  }
};
template <class T>
int ShiftWidth(T b) {
  constexpr int kLast = 8 * static_cast<int>(sizeof(T)) - 1;
  if constexpr (std::is_signed_v<T>) {
    if (b < 0) return 0;
  }
  return b > static_cast<T>(kLast) ? kLast : static_cast<int>(b);
}
struct LeftShiftFn {
  template <class T>
  static T Apply(T a, T b) {
    return static_cast<T>(static_cast<uint64_t>(a) << ShiftWidth(b));
  }
};
struct RightShiftFn {
  template <class T>
  static T Apply(T a, T b) {
    return static_cast<T>(a >> ShiftWidth(b));
  }
};
struct InvertFn {
  template <class T>
  static T Apply(T x) {
    return static_cast<T>(~x);
  }
};
struct PopulationCountFn {
  template <class T>
  static uint8_t Apply(T x) {
    return static_cast<uint8_t>(
        std::popcount(static_cast<std::make_unsigned_t<T>>(x)));
  }
};

constexpr const char* kIntegers =
    "{int8, int16, int32, int64, uint8, uint16, uint32, uint64}";

template <class F>
OpBuilder BitsOp(const char* name) {
  return BinaryOp(name, kIntegers, nullptr)
      .template Kernels<LS_INTEGER_TYPES>(
          kCpu, []<class T>() { return Binary<F, T>(); });
}

const OpRegistrar kAnd = BitsOp<AndFn>("BitwiseAnd");
const OpRegistrar kOr = BitsOp<OrFn>("BitwiseOr");
const OpRegistrar kXor = BitsOp<XorFn>("BitwiseXor");
const OpRegistrar kLeftShift = BitsOp<LeftShiftFn>("LeftShift");
const OpRegistrar kRightShift = BitsOp<RightShiftFn>("RightShift");
const OpRegistrar kInvert = UnaryOp("Invert", kIntegers, nullptr)
                                .Kernels<LS_INTEGER_TYPES>(kCpu, []<class T>() {
                                  return Unary<InvertFn, T>();
                                });
const OpRegistrar kPopulationCount =
    UnaryOp("PopulationCount", kIntegers, nullptr, "uint8")
        .Kernels<LS_INTEGER_TYPES>(kCpu, []<class T>() {
          return Unary<PopulationCountFn, T, uint8_t>();
        });

}  // namespace

namespace ops {

#define LS_BITS_BUILDER(Name)                                       \
  Output Name(const Scope& scope, const Input& x, const Input& y) { \
    return scope.Op(#Name).InPair(x, y).Out();                      \
  }
LS_BITS_BUILDER(BitwiseAnd)
LS_BITS_BUILDER(BitwiseOr)
LS_BITS_BUILDER(BitwiseXor)
LS_BITS_BUILDER(LeftShift)
LS_BITS_BUILDER(RightShift)
#undef LS_BITS_BUILDER

Output Invert(const Scope& scope, const Input& x) {
  return scope.Op("Invert").In(x).Out();
}
Output PopulationCount(const Scope& scope, const Input& x) {
  return scope.Op("PopulationCount").In(x).Out();
}

}  // namespace ops
}  // namespace lockstep
