// SPDX-License-Identifier: Apache-2.0

// Equal, NotEqual, Less, LessEqual, Greater, GreaterEqual: with NumPy
// broadcasting; comparisons with NaN are false, but for NotEqual.
//   x, y: one dtype; Equal and NotEqual also bool and string   z: bool
// With incompatible_shape_error=false, operands of Equal and NotEqual that
// cannot be broadcast are all unequal: z is a scalar.

#include "ops/math/elementwise.h"
#include "ops/math/functors.h"
#include "ops/math/math.h"
#include "runtime/op/shape_context.h"

namespace lockstep {
namespace {

Status EqualityShape(ShapeContext& c) {
  if (c.Attr<bool>("incompatible_shape_error")) return BroadcastShape(c);
  Result<Shape> z = Shape::Broadcast(c.Input(0), c.Input(1));
  return c.SetOutput(0, z.ok() ? *z : Shape{});
}

struct EqualityState {
  BroadcastWalk walk;
  bool comparable;
};

Status PrepareEquality(PrepareContext& c) {
  const Shape shapes[] = {c.input_shape(0), c.input_shape(1)};
  if (Shape::Broadcast(shapes[0], shapes[1]).ok()) {
    c.MakeState<EqualityState>(BroadcastWalk(shapes, c.output_shape(0)), true);
  } else {
    const Shape none[] = {Shape{}, Shape{}};
    c.MakeState<EqualityState>(BroadcastWalk(none, Shape{}), false);
  }
  return Ok();
}

template <class F, class T>
Status RunEquality(KernelContext& k) {
  const EqualityState& s = k.state<EqualityState>();
  const T* a = k.in<T>(0);
  const T* b = k.in<T>(1);
  bool* z = k.out<bool>(0);
  if (!s.comparable) {
    z[0] = std::is_same_v<F, NotEqualFn>;
    return Ok();
  }
  s.walk.ForRuns(kCheapGrain, [&](int64_t at, const int64_t* from, int64_t n) {
    if constexpr (std::is_same_v<T, std::string>) {
      for (int64_t i = 0; i < n; ++i) {
        z[at + i] = F::Apply(a[from[0] + i * s.walk.step(0)],
                             b[from[1] + i * s.walk.step(1)]);
      }
    } else {
      detail::BinaryRun<F, T, bool>(a + from[0], s.walk.step(0), b + from[1],
                                    s.walk.step(1), z + at, n);
    }
  });
  return Ok();
}

template <class F, class T>
KernelDef Equality() {
  return {RunEquality<F, T>, PrepareEquality};
}

template <class F>
OpBuilder EqualityOp(const char* name) {
  return BinaryOp(name, "type", nullptr, "bool")
      .Attr("incompatible_shape_error: bool = true")
      .Shape(EqualityShape)
      .template Kernels<LS_NUMBER_TYPES, bool, std::string>(
          kCpu, []<class T>() { return Equality<F, T>(); });
}
template <class F>
OpBuilder OrderOp(const char* name) {
  return BinaryOp(name, "realnumbertype", nullptr, "bool")
      .template Kernels<LS_REAL_TYPES>(
          kCpu, []<class T>() { return Binary<F, T, bool>(); });
}

const OpRegistrar kEqual = EqualityOp<EqualFn>("Equal");
const OpRegistrar kNotEqual = EqualityOp<NotEqualFn>("NotEqual");
const OpRegistrar kLess = OrderOp<LessFn>("Less");
const OpRegistrar kLessEqual = OrderOp<LessEqualFn>("LessEqual");
const OpRegistrar kGreater = OrderOp<GreaterFn>("Greater");
const OpRegistrar kGreaterEqual = OrderOp<GreaterEqualFn>("GreaterEqual");

}  // namespace

namespace ops {

Output Equal(const Scope& scope, const Input& x, const Input& y) {
  return scope.Op("Equal").InPair(x, y).Out();
}
Output NotEqual(const Scope& scope, const Input& x, const Input& y) {
  return scope.Op("NotEqual").InPair(x, y).Out();
}
Output Less(const Scope& scope, const Input& x, const Input& y) {
  return scope.Op("Less").InPair(x, y).Out();
}
Output LessEqual(const Scope& scope, const Input& x, const Input& y) {
  return scope.Op("LessEqual").InPair(x, y).Out();
}
Output Greater(const Scope& scope, const Input& x, const Input& y) {
  return scope.Op("Greater").InPair(x, y).Out();
}
Output GreaterEqual(const Scope& scope, const Input& x, const Input& y) {
  return scope.Op("GreaterEqual").InPair(x, y).Out();
}

}  // namespace ops
}  // namespace lockstep
