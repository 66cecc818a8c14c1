// SPDX-License-Identifier: Apache-2.0

// OneHot: on_value where the new axis' position is the index, off_value
// elsewhere; an index outside [0, depth) gives off_value only.
//   indices: uint8|int8|int32|int64, any shape   depth: int32 []
//   on_value, off_value: T []   output: T, the axis (-1: last) inserted

#include "ops/array/array.h"
#include "ops/array/axes.h"
#include "ops/array/element_unit.h"
#include "ops/math/elementwise.h"
#include "runtime/op/rank_words.h"

namespace lockstep {
namespace {

Status OneHotShape(ShapeContext& c) {
  LS_RETURN_IF_ERROR(
      WithRank(c, 1, 0, "depth must be a scalar, but got: ").status());
  LS_ASSIGN_OR_RETURN(std::optional<int64_t> depth, InputInt(c, 1));
  LS_RETURN_IF_ERROR(c.WithRank(2, 0).status());
  LS_RETURN_IF_ERROR(c.WithRank(3, 0).status());
  if (depth && *depth < 0) {
    return InvalidArgument("depth must be non-negative, got: ", *depth);
  }
  Shape s = c.Input(0);
  if (!s.HasRank()) return c.SetOutput(0, Shape::Unknown());
  if (s.rank() == Shape::kMaxRank) {
    return InvalidArgument("indices have ", s.rank(), " dimensions already");
  }
  LS_ASSIGN_OR_RETURN(int axis,
                      ResolveAxis(c.Attr<int64_t>("axis"), s.rank() + 1));
  s.InsertDim(axis, depth.value_or(kUnknownDim));
  return c.SetOutput(0, s);
}

struct OneHotState {
  int64_t prefix = 1, depth = 0, suffix = 1;
};

Status PrepareOneHot(PrepareContext& c) {
  const Shape& y = c.output_shape(0);
  LS_ASSIGN_OR_RETURN(int axis, ResolveAxis(c.Attr<int64_t>("axis"), y.rank()));
  c.MakeState<OneHotState>(OneHotState{DimProduct(y, 0, axis), y.dim(axis),
                                       DimProduct(y, axis + 1, y.rank())});
  return Ok();
}

template <class U, class I>
Status OneHotCpu(KernelContext& k) {
  const OneHotState& s = k.state<OneHotState>();
  const I* index = k.in<I>(0);  // [prefix, suffix]
  U* y = k.out<U>(0);           // [prefix, depth, suffix]
  const U on = k.in<U>(2)[0], off = k.in<U>(3)[0];
  const int64_t block = s.depth * s.suffix;
  ParallelFor(s.prefix, std::max<int64_t>(1, kCheapGrain / (block + 1)),
              [&](int64_t begin, int64_t end) {
                for (int64_t p = begin; p < end; ++p) {
                  std::fill_n(y + p * block, block, off);
                  for (int64_t i = 0; i < s.suffix; ++i) {
                    const int64_t at =
                        static_cast<int64_t>(index[p * s.suffix + i]);
                    if (at >= 0 && at < s.depth)
                      y[p * block + at * s.suffix + i] = on;
                  }
                }
              });
  return Ok();
}

OpBuilder OneHotOp() {
  OpBuilder b("OneHot");
  b.Input("indices: TI")
      .Input("depth: int32")
      .Input("on_value: T")
      .Input("off_value: T")
      .Output("output: T")
      .Attr("axis: int = -1")
      .Attr("T: type")
      .Attr("TI: {uint8, int8, int32, int64} = DT_INT64")
      .Shape(OneHotShape)
      .NoGradient()
      .NeedsValue({1});
  auto add = [&b]<class T, class I>() {
    b.Kernel(kCpu, {{"T", DTypeOf<T>::value}, {"TI", DTypeOf<I>::value}},
             {OneHotCpu<ElementUnit<T>, I>, PrepareOneHot, {"depth"}});
  };
  [&]<class... Ts>(std::type_identity<std::tuple<Ts...>>) {
    (add.template operator()<Ts, uint8_t>(), ...);
    (add.template operator()<Ts, int8_t>(), ...);
    (add.template operator()<Ts, int32_t>(), ...);
    (add.template operator()<Ts, int64_t>(), ...);
  }(std::type_identity<std::tuple<LS_ANY_TYPES>>());
  return b;
}

const OpRegistrar kOneHot = OneHotOp();

}  // namespace

namespace ops {

Output OneHot(const Scope& scope, const Input& indices, const Input& depth,
              const Input& on_value, const Input& off_value, int axis) {
  return scope.Op("OneHot")
      .In(indices)
      .In(depth)
      .InPair(on_value, off_value)
      .Attr("axis", axis)
      .Out();
}

}  // namespace ops
}  // namespace lockstep
