// SPDX-License-Identifier: Apache-2.0

// UnsortedSegmentSum, -Prod, -Max, -Min: row i of the output combines the
// slices of `data` whose id is i; negative ids are left out. A row without any
// is 0, 1, the least or the greatest value of the type.
//   data: real numbers [ids' shape, rest]   segment_ids: int32|int64
//   num_segments: int32|int64 []   output: [num_segments, rest]
// An id beyond num_segments is INVALID_ARGUMENT.
// Gradients: Sum: dy's rows by id, 0 for negative ids. Max, Min: the same,
// shared by the elements that equal the extreme. Prod: that times the product
// of the other elements.

#include "ops/array/array.h"
#include "ops/array/axes.h"
#include "ops/math/elementwise.h"
#include "ops/math/math.h"
#include "ops/reduce/reduce.h"
#include "ops/reduce/segments.h"
#include "runtime/graph/gradients.h"

namespace lockstep {
namespace {

Status SegmentShape(ShapeContext& c) {
  LS_ASSIGN_OR_RETURN(std::optional<int64_t> count, InputInt(c, 2));
  if (count && *count < 0) {
    return InvalidArgument("Input num_segments == ", *count,
                           " must not be negative");
  }
  const Shape& data = c.Input(0);
  const Shape& ids = c.Input(1);
  if (!data.HasRank() || !ids.HasRank()) {
    return c.SetOutput(0, Shape::Unknown());
  }
  if (data.rank() < ids.rank()) {
    return InvalidArgument("data.shape = ", data, " does not start with ",
                           "segment_ids.shape = ", ids);
  }
  Shape y{count.value_or(kUnknownDim)};
  for (int d = 0; d < data.rank(); ++d) {
    if (d >= ids.rank()) {
      y.AddDim(data.dim(d));
    } else if (data.dim(d) != ids.dim(d) && data.dim(d) >= 0 &&
               ids.dim(d) >= 0) {
      return InvalidArgument("data.shape = ", data, " does not start with ",
                             "segment_ids.shape = ", ids);
    }
  }
  return c.SetOutput(0, y);
}

template <class F, class T>
Status UnsortedSegmentCpu(KernelContext& k) {
  const Indices ids(k.input(1));
  const int64_t segments = k.output(0).shape().dim(0);
  const int64_t width = segments > 0 ? k.output(0).NumElements() / segments : 0;
  for (int64_t i = 0; i < ids.size(); ++i) {
    if (ids[i] >= segments) {
      return InvalidArgument("segment_ids[", i, "] = ", ids[i],
                             " is out of range [0, ", segments, ")");
    }
  }
  CombineRows<F>(k.in<T>(0), nullptr, ids, k.out<T>(0), segments, width);
  return Ok();
}

// `rows`' rows by id, zeros for negative ids; *valid, if given, becomes where
// ids are not negative, under the rows' rank.
Output RowsById(GradContext& g, Output rows, Output* valid = nullptr) {
  const Scope& s = g.scope();
  const Output ids = g.x(1);
  const Output by_id =
      ops::Gather(s, rows, ops::Maximum(s, ids, ops::ZerosLike(s, ids)), 0);
  const Output rest = ops::Sub(s, ops::Rank(s, by_id), ops::Rank(s, ids));
  const Output ones =
      ops::Fill(s, ops::Reshape(s, rest, {1}), Tensor(int32_t{1}));
  const Output mask =
      ops::Reshape(s, ops::GreaterEqual(s, ids, 0),
                   ops::Concat(s, {ops::Shape(s, ids), ones}, 0));
  if (valid != nullptr) *valid = mask;
  return ops::SelectV2(s, mask, by_id, ops::ZerosLike(s, by_id));
}

Output Combine(GradContext& g, const char* op, Output data) {
  return g.scope().Op(op).In(data).In(g.x(1)).In(g.x(2)).Out();
}

Status SumGradient(GradContext& g) { return g.SetDx(0, RowsById(g, g.dy(0))); }

Status ExtremeGradient(GradContext& g) {
  const Scope& s = g.scope();
  const DType t = BaseOf(g.dy(0).dtype());
  Output valid;
  const Output extreme = RowsById(g, g.y(0), &valid);
  const Output chosen =
      ops::LogicalAnd(s, ops::Equal(s, g.x(0), extreme), valid);
  const Output count =
      Combine(g, "UnsortedSegmentSum", ops::Cast(s, chosen, t));
  const Output share = RowsById(g, ops::RealDiv(s, g.dy(0), count));
  return g.SetDx(0, ops::SelectV2(s, chosen, share, ops::ZerosLike(s, share)));
}

// With one zero in a segment only that element has a gradient, with two none.
Status ProdGradient(GradContext& g) {
  const Scope& s = g.scope();
  const Output x = g.x(0);
  const Output zeros = ops::ZerosLike(s, x);
  const Output is_zero = ops::Equal(s, x, zeros);
  const Output count =
      Combine(g, "UnsortedSegmentSum", ops::Cast(s, is_zero, kInt32));
  const Output dy = ops::SelectV2(s, ops::Greater(s, count, 1),
                                  ops::ZerosLike(s, g.dy(0)), g.dy(0));
  const Output others =
      Combine(g, "UnsortedSegmentProd",
              ops::SelectV2(s, is_zero, ops::OnesLike(s, x), x));
  const Output slope = ops::SelectV2(s, is_zero, RowsById(g, others),
                                     ops::RealDiv(s, RowsById(g, g.y(0)), x));
  return g.SetDx(0, ops::Mul(s, RowsById(g, dy), slope));
}

template <class F, class... Ts>
OpBuilder UnsortedSegmentOp(const char* name, GradientFn gradient) {
  OpBuilder b(name);
  b.Input("data: T")
      .Input("segment_ids: Tindices")
      .Input("num_segments: Tnumsegments")
      .Output("output: T")
      .Attr(sizeof...(Ts) > 12 ? "T: numbertype" : "T: realnumbertype")
      .Attr("Tindices: {int32, int64}")
      .Attr("Tnumsegments: {int32, int64} = DT_INT32")
      .Shape(SegmentShape)
      .Gradient(gradient)
      .NeedsValue({2});
  b.template Kernels<Ts...>(kCpu, []<class T>() {
    return KernelDef{UnsortedSegmentCpu<F, T>, nullptr, {"num_segments"}};
  });
  return b;
}

const OpRegistrar kSum = UnsortedSegmentOp<SegmentSumFn, LS_NUMBER_TYPES>(
    "UnsortedSegmentSum", SumGradient);
const OpRegistrar kProd = UnsortedSegmentOp<SegmentProdFn, LS_NUMBER_TYPES>(
    "UnsortedSegmentProd", ProdGradient);
const OpRegistrar kMax = UnsortedSegmentOp<SegmentMaxFn, LS_REAL_TYPES>(
    "UnsortedSegmentMax", ExtremeGradient);
const OpRegistrar kMin = UnsortedSegmentOp<SegmentMinFn, LS_REAL_TYPES>(
    "UnsortedSegmentMin", ExtremeGradient);

}  // namespace

namespace ops {

#define LS_SEGMENT_BUILDER(Name)                                               \
  Output Name(const Scope& scope, const Input& data, const Input& segment_ids, \
              const Input& num_segments) {                                     \
    return scope.Op(#Name).In(data).In(segment_ids).In(num_segments).Out();    \
  }
LS_SEGMENT_BUILDER(UnsortedSegmentSum)
LS_SEGMENT_BUILDER(UnsortedSegmentProd)
LS_SEGMENT_BUILDER(UnsortedSegmentMax)
LS_SEGMENT_BUILDER(UnsortedSegmentMin)
#undef LS_SEGMENT_BUILDER

}  // namespace ops
}  // namespace lockstep
