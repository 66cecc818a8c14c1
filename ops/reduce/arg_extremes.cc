// SPDX-License-Identifier: Apache-2.0

// ArgMax, ArgMin: the first index of the largest (smallest) element along one
// axis; NaN is never chosen before a number.
//   input: real numbers or bool   dimension: int32|int64 []
//   output: output_type (int32|int64), the input's shape without the axis
// An axis without elements is INVALID_ARGUMENT.

#include "ops/array/axes.h"
#include "ops/math/elementwise.h"
#include "ops/reduce/reduce.h"
#include "runtime/op/shape_context.h"

namespace lockstep {
namespace {

Status ArgShape(ShapeContext& c) {
  LS_ASSIGN_OR_RETURN(std::optional<int64_t> axis, InputInt(c, 1));
  Shape s = c.Input(0);
  if (!s.HasRank()) return c.SetOutput(0, Shape::Unknown());
  if (!axis && s.rank() > 0)
    return c.SetOutput(0, Shape::UnknownOfRank(s.rank() - 1));
  const Result<int> a = ResolveAxis(axis.value_or(0), s.rank());
  if (!a.ok()) {
    return InvalidArgument("Expected dimension in the range [", -s.rank(), ", ",
                           s.rank(), "), but got ", axis.value_or(0));
  }
  if (s.dim(*a) == 0) {
    return InvalidArgument("Reduction axis ", *a, " is empty in shape ", s);
  }
  s.RemoveDim(*a);
  return c.SetOutput(0, s);
}

struct ArgState {
  int64_t outer, n, inner;
};

Status PrepareArg(PrepareContext& c) {
  const Shape& s = c.input_shape(0);
  LS_ASSIGN_OR_RETURN(int axis,
                      ResolveAxis(IntAt(*c.input_value(1), 0), s.rank()));
  c.MakeState<ArgState>(ArgState{DimProduct(s, 0, axis), s.dim(axis),
                                 DimProduct(s, axis + 1, s.rank())});
  return Ok();
}

// The value that every number beats or equals.
template <class T, bool kMax>
ValueType<T> Worst() {
  using L = std::numeric_limits<ValueType<T>>;
  return kMax ? L::lowest() : L::max();
}

template <class T, bool kMax>
int64_t FirstBest(const T* x, int64_t n, int64_t step) {
  ValueType<T> best = Worst<T, kMax>();
  int64_t at = 0;
  for (int64_t i = 0; i < n; ++i) {
    const ValueType<T> v = x[i * step];
    if (kMax ? v > best : v < best) {
      best = v;
      at = i;
    }
  }
  return at;
}

template <class T, class R, bool kMax>
Status ArgCpu(KernelContext& k) {
  const ArgState& s = k.state<ArgState>();
  const T* x = k.in<T>(0);  // [outer, n, inner]
  R* y = k.out<R>(0);       // [outer, inner]
  ParallelFor(s.outer * s.inner, std::max<int64_t>(1, 16384 / s.n),
              [&](int64_t begin, int64_t end) {
                for (int64_t i = begin; i < end; ++i) {
                  const int64_t o = i / s.inner, in = i % s.inner;
                  y[i] = static_cast<R>(FirstBest<T, kMax>(
                      x + o * s.n * s.inner + in, s.n, s.inner));
                }
              });
  return Ok();
}

template <bool kMax>
OpBuilder ArgOp(const char* name) {
  OpBuilder b(name);
  b.Input("input: T")
      .Input("dimension: Tidx")
      .Output("output: output_type")
      .Attr("T: type")
      .Attr("Tidx: {int32, int64} = DT_INT32")
      .Attr("output_type: {int32, int64} = DT_INT64")
      .Shape(ArgShape)
      .NoGradient()
      .NeedsValue({1});
  auto add = [&b]<class T>() {
    b.Kernel(kCpu, {{"T", DTypeOf<T>::value}, {"output_type", kInt32}},
             {ArgCpu<T, int32_t, kMax>, PrepareArg, {"dimension"}});
    b.Kernel(kCpu, {{"T", DTypeOf<T>::value}, {"output_type", kInt64}},
             {ArgCpu<T, int64_t, kMax>, PrepareArg, {"dimension"}});
  };
  [&]<class... Ts>(std::type_identity<std::tuple<Ts...>>) {
    (add.template operator()<Ts>(), ...);
  }(std::type_identity<std::tuple<LS_REAL_TYPES, bool>>());
  return b;
}

const OpRegistrar kArgMax = ArgOp<true>("ArgMax");
const OpRegistrar kArgMin = ArgOp<false>("ArgMin");

}  // namespace

namespace ops {

Output ArgMax(const Scope& scope, const Input& x, const Input& axis,
              DType output_type) {
  return scope.Op("ArgMax")
      .In(x)
      .In(axis)
      .Attr("output_type", output_type)
      .Out();
}
Output ArgMin(const Scope& scope, const Input& x, const Input& axis,
              DType output_type) {
  return scope.Op("ArgMin")
      .In(x)
      .In(axis)
      .Attr("output_type", output_type)
      .Out();
}

}  // namespace ops
}  // namespace lockstep
