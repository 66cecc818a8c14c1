// SPDX-License-Identifier: Apache-2.0

// SegmentSum, -Mean, -Prod, -Max, -Min: row i of the output combines the rows
// of `data` whose id is i; as many rows as the last id says.
//   data: real numbers [n, rest]   segment_ids: int32|int64 [n], ascending
//   output: [last id + 1, rest]; 0 where there is no row, Prod: 1
// Gradients: Sum: dy's rows by id; Mean: divided by the number of rows; Max,
// Min: shared by the elements that equal the extreme; Prod: times the product
// of the segment's other elements.

#include "ops/array/array.h"
#include "ops/math/math.h"
#include "ops/reduce/reduce.h"
#include "ops/reduce/segments.h"
#include "runtime/op/shape_context.h"

namespace lockstep {
namespace {

Status SegmentShape(ShapeContext& c) {
  LS_ASSIGN_OR_RETURN(Shape ids, c.WithRank(1, 1));
  LS_ASSIGN_OR_RETURN(Shape y, c.WithRankAtLeast(0, 1));
  if (!y.HasRank()) return c.SetOutput(0, y);
  if (!Shape{y.dim(0)}.IsCompatibleWith(ids)) {
    return InvalidArgument(
        "segment_ids should be the same size as dimension 0 of input: ", ids,
        " for ", y);
  }
  y.set_dim(0, kUnknownDim);
  if (const Tensor* v = c.InputValue(1)) {
    const int64_t n = v->NumElements();
    const int64_t last = n == 0 ? -1 : IntAt(*v, n - 1);
    if (last >= -1 && last < std::numeric_limits<int64_t>::max()) {
      y.set_dim(0, last + 1);
    }
  }
  return c.SetOutput(0, y);
}

struct SegmentMeanFn : SegmentSumFn {};

template <class T>
void DivideByCounts(const Indices& ids, T* y, int64_t width) {
  using V = ValueType<T>;
  for (int64_t i = 0, next; i < ids.size(); i = next) {
    next = i + 1;
    while (next < ids.size() && ids[next] == ids[i]) ++next;
    for (int64_t j = 0; j < width; ++j) {
      T& v = y[ids[i] * width + j];
      v = static_cast<T>(static_cast<V>(v) / static_cast<V>(next - i));
    }
  }
}

template <class F, class T>
Status SegmentCpu(KernelContext& k) {
  const Indices ids(k.input(1));
  LS_RETURN_IF_ERROR(CheckSortedIds(ids));
  const int64_t n = ids.size();
  const int64_t segments = n == 0 ? 0 : ids[n - 1] + 1;
  Shape shape = k.input(0).shape();
  shape.set_dim(0, segments);
  LS_RETURN_IF_ERROR(k.AllocateOutput(0, shape));
  if (n == 0) return Ok();
  const int64_t width = k.input(0).NumElements() / n;
  T* y = k.out<T>(0);
  CombineRows<F>(k.in<T>(0), nullptr, ids, y, segments, width);
  if constexpr (std::is_same_v<F, SegmentMeanFn>) {
    DivideByCounts(ids, y, width);
  }
  if constexpr (std::is_same_v<F, SegmentMaxFn> ||
                std::is_same_v<F, SegmentMinFn>) {
    for (int64_t i = 0, row = 0; i < n; row = ids[i++] + 1) {
      if (ids[i] > row) std::fill(y + row * width, y + ids[i] * width, T{});
    }
  }
  return Ok();
}

Output RowsById(GradContext& g, Output rows) {
  return ops::Gather(g.scope(), rows, g.x(1), 0);
}

Status SumGradient(GradContext& g) { return g.SetDx(0, RowsById(g, g.dy(0))); }

Status MeanGradient(GradContext& g) {
  const Scope& s = g.scope();
  const Output counts = ops::SegmentSum(s, ops::OnesLike(s, g.x(0)), g.x(1));
  return g.SetDx(0, RowsById(g, ops::RealDiv(s, g.dy(0), counts)));
}

Status ExtremeGradient(GradContext& g) {
  const Scope& s = g.scope();
  const Output chosen = ops::Equal(s, g.x(0), RowsById(g, g.y(0)));
  const Output count =
      ops::SegmentSum(s, ops::Cast(s, chosen, BaseOf(g.dy(0).dtype())), g.x(1));
  const Output share = RowsById(g, ops::RealDiv(s, g.dy(0), count));
  return g.SetDx(0, ops::SelectV2(s, chosen, share, ops::ZerosLike(s, share)));
}

Status ProdGradient(GradContext& g) {
  const Scope& s = g.scope();
  const Output x = g.x(0);
  const Output is_zero = ops::Equal(s, x, ops::ZerosLike(s, x));
  const Output zeros =
      ops::SegmentSum(s, ops::Cast(s, is_zero, kInt32), g.x(1));
  const Output dy = ops::SelectV2(s, ops::Greater(s, zeros, 1),
                                  ops::ZerosLike(s, g.dy(0)), g.dy(0));
  const Output others = ops::SegmentProd(
      s, ops::SelectV2(s, is_zero, ops::OnesLike(s, x), x), g.x(1));
  const Output slope = ops::SelectV2(s, is_zero, RowsById(g, others),
                                     ops::RealDiv(s, RowsById(g, g.y(0)), x));
  return g.SetDx(0, ops::Mul(s, RowsById(g, dy), slope));
}

template <class F, class... Ts>
OpBuilder SegmentOp(const char* name, GradientFn gradient) {
  OpBuilder b(name);
  b.Input("data: T")
      .Input("segment_ids: Tindices")
      .Output("output: T")
      .Attr(sizeof...(Ts) > 12 ? "T: numbertype" : "T: realnumbertype")
      .Attr("Tindices: {int32, int64}")
      .Shape(SegmentShape)
      .Gradient(gradient);
  b.template Kernels<Ts...>(
      kCpu, []<class T>() { return KernelDef{SegmentCpu<F, T>}; });
  return b;
}

const OpRegistrar kSum =
    SegmentOp<SegmentSumFn, LS_NUMBER_TYPES>("SegmentSum", SumGradient);
const OpRegistrar kMean =
    SegmentOp<SegmentMeanFn, LS_NUMBER_TYPES>("SegmentMean", MeanGradient);
const OpRegistrar kProd =
    SegmentOp<SegmentProdFn, LS_NUMBER_TYPES>("SegmentProd", ProdGradient);
const OpRegistrar kMax =
    SegmentOp<SegmentMaxFn, LS_REAL_TYPES>("SegmentMax", ExtremeGradient);
const OpRegistrar kMin =
    SegmentOp<SegmentMinFn, LS_REAL_TYPES>("SegmentMin", ExtremeGradient);

}  // namespace

namespace ops {

#define LS_SEGMENT_BUILDER(Name)                           \
  Output Name(const Scope& scope, const Input& data,       \
              const Input& segment_ids) {                  \
    return scope.Op(#Name).In(data).In(segment_ids).Out(); \
  }
LS_SEGMENT_BUILDER(SegmentSum)
LS_SEGMENT_BUILDER(SegmentMean)
LS_SEGMENT_BUILDER(SegmentProd)
LS_SEGMENT_BUILDER(SegmentMax)
LS_SEGMENT_BUILDER(SegmentMin)
#undef LS_SEGMENT_BUILDER

}  // namespace ops
}  // namespace lockstep
