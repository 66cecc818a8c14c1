// SPDX-License-Identifier: Apache-2.0

// SparseSegmentSum, -Mean, -SqrtN (and ...WithNumSegments): the rows of `data`
// named by `indices`, combined by their ids: summed, divided by their number or
// by its root.
//   data: numbers [rows, rest] (Mean, SqrtN: floats)   indices: int32|int64 [n]
//   segment_ids: int32|int64 [n], ascending   num_segments: int32|int64 []
//   output: [last id + 1 or num_segments, rest], 0 where there is no row
// ...Grad: the gradient to `data`, whose first dimension is output_dim0.
// ...GradV2: its rows that are not zero, and sorted_unique_indices: their
// numbers, of dense_output_dim0 rows.

#include "ops/array/array.h"
#include "ops/array/axes.h"
#include "ops/reduce/reduce.h"
#include "ops/reduce/segments.h"

namespace lockstep {
namespace {

enum class Scale { kSum, kMean, kSqrtN };

Status CheckIds(const ShapeContext& c) {
  LS_ASSIGN_OR_RETURN(Shape indices, c.WithRank(1, 1));
  LS_ASSIGN_OR_RETURN(Shape ids, c.WithRank(2, 1));
  if (indices.IsCompatibleWith(ids)) return Ok();
  return InvalidArgument("segment_ids and indices should have same size: ", ids,
                         ", ", indices);
}

Status SparseSegmentShape(ShapeContext& c) {
  LS_RETURN_IF_ERROR(CheckIds(c));
  LS_ASSIGN_OR_RETURN(Shape y, c.WithRankAtLeast(0, 1));
  int64_t rows = kUnknownDim;
  if (c.num_inputs() == 4) {
    LS_ASSIGN_OR_RETURN(std::optional<int64_t> n, InputInt(c, 3));
    rows = n.value_or(kUnknownDim);
    if (n && *n < 0) {
      return InvalidArgument(c.def().inputs[3].name,
                             " must be non-negative, got ", *n);
    }
  } else if (const Tensor* ids = c.InputValue(2)) {
    const int64_t n = ids->NumElements();
    const int64_t last = n == 0 ? -1 : IntAt(*ids, n - 1);
    if (last >= -1 && last < std::numeric_limits<int64_t>::max()) {
      rows = last + 1;
    }
  }
  if (y.HasRank()) y.set_dim(0, rows);
  return c.SetOutput(0, y);
}

// The factor of a segment of `n` rows.
template <Scale kScale>
double Factor(int64_t n) {
  if (kScale == Scale::kMean) return 1.0 / static_cast<double>(n);
  if (kScale == Scale::kSqrtN) return 1.0 / std::sqrt(static_cast<double>(n));
  return 1.0;
}

// Calls f(first, end, id) for each run of equal ids.
template <class F>
void ForSegments(const Indices& ids, const F& f) {
  for (int64_t i = 0, next; i < ids.size(); i = next) {
    next = i + 1;
    while (next < ids.size() && ids[next] == ids[i]) ++next;
    f(i, next, ids[i]);
  }
}

Status CheckIndices(const Indices& indices, int64_t rows) {
  for (int64_t i = 0; i < indices.size(); ++i) {
    if (indices[i] < 0 || indices[i] >= rows) {
      return InvalidArgument("Bad: indices[", i, "] == ", indices[i],
                             " out of range [0, ", rows, ")");
    }
  }
  return Ok();
}

Status CheckSegment(const Indices& ids, int64_t segments) {
  const int64_t n = ids.size();
  if (n == 0 || ids[n - 1] < segments) return Ok();
  return InvalidArgument("segment id ", ids[n - 1], " out of range [0, ",
                         segments, ")");
}

template <Scale kScale, class T>
Status SparseSegmentCpu(KernelContext& k) {
  const Shape& data = k.input(0).shape();
  const Indices indices(k.input(1)), ids(k.input(2));
  LS_RETURN_IF_ERROR(CheckSortedIds(ids));
  LS_RETURN_IF_ERROR(CheckIndices(indices, data.dim(0)));
  const int64_t n = ids.size();
  const int64_t segments = k.num_inputs() == 4 ? IntAt(k.input(3), 0)
                           : n == 0            ? 0
                                               : ids[n - 1] + 1;
  LS_RETURN_IF_ERROR(CheckSegment(ids, segments));
  Shape shape = data;
  shape.set_dim(0, segments);
  LS_RETURN_IF_ERROR(k.AllocateOutput(0, shape));
  const int64_t width = DimProduct(data, 1, data.rank());
  T* y = k.out<T>(0);
  CombineRows<SegmentSumFn>(k.in<T>(0), &indices, ids, y, segments, width);
  if constexpr (kScale != Scale::kSum) {
    using V = ValueType<T>;
    ForSegments(ids, [&](int64_t first, int64_t end, int64_t id) {
      const V factor = static_cast<V>(Factor<kScale>(end - first));
      for (int64_t j = id * width; j < (id + 1) * width; ++j) {
        y[j] = T(static_cast<V>(y[j]) * factor);
      }
    });
  }
  return Ok();
}

// to[row(i)] += factor * dy[ids[i]], rows of `width`, for all i.
template <Scale kScale, class T, class Row>
void SpreadRows(const T* dy, const Indices& ids, int64_t width, const Row& row,
                T* to) {
  using V = ValueType<T>;
  ForSegments(ids, [&](int64_t first, int64_t end, int64_t id) {
    const V factor = static_cast<V>(Factor<kScale>(end - first));
    for (int64_t i = first; i < end; ++i) {
      for (int64_t j = 0; j < width; ++j) {
        T& v = to[row(i) * width + j];
        v = T(static_cast<V>(v) + static_cast<V>(dy[id * width + j]) * factor);
      }
    }
  });
}

template <Scale kScale, class T>
Status SparseSegmentGradCpu(KernelContext& k) {
  const Indices indices(k.input(1)), ids(k.input(2));
  const Shape& dx = k.output(0).shape();
  LS_RETURN_IF_ERROR(CheckSortedIds(ids));
  LS_RETURN_IF_ERROR(CheckIndices(indices, dx.dim(0)));
  LS_RETURN_IF_ERROR(CheckSegment(ids, k.input(0).shape().dim(0)));
  std::fill_n(k.out<T>(0), k.output(0).NumElements(), T{});
  SpreadRows<kScale>(
      k.in<T>(0), ids, DimProduct(dx, 1, dx.rank()),
      [&](int64_t i) { return indices[i]; }, k.out<T>(0));
  return Ok();
}

template <Scale kScale, class T>
Status SparseSegmentGradV2Cpu(KernelContext& k) {
  const Indices indices(k.input(1)), ids(k.input(2));
  Shape dx = k.input(0).shape();
  LS_RETURN_IF_ERROR(CheckSortedIds(ids));
  LS_RETURN_IF_ERROR(CheckIndices(indices, IntAt(k.input(3), 0)));
  LS_RETURN_IF_ERROR(CheckSegment(ids, dx.dim(0)));
  std::vector<int64_t> rows;
  for (int64_t i = 0; i < indices.size(); ++i) rows.push_back(indices[i]);
  std::ranges::sort(rows);
  rows.erase(std::ranges::unique(rows).begin(), rows.end());
  dx.set_dim(0, static_cast<int64_t>(rows.size()));
  LS_RETURN_IF_ERROR(k.AllocateOutput(0, dx));
  LS_RETURN_IF_ERROR(k.AllocateOutput(1, Shape{dx.dim(0)}));
  for (size_t i = 0; i < rows.size(); ++i) {
    SetInt(k.output(1), static_cast<int64_t>(i), rows[i]);
  }
  std::fill_n(k.out<T>(0), k.output(0).NumElements(), T{});
  const auto place = [&](int64_t i) {
    return std::ranges::lower_bound(rows, indices[i]) - rows.begin();
  };
  SpreadRows<kScale>(k.in<T>(0), ids, DimProduct(dx, 1, dx.rank()), place,
                     k.out<T>(0));
  return Ok();
}

template <Scale kScale>
constexpr const char* kGradName =
    kScale == Scale::kSum    ? "SparseSegmentSumGrad"
    : kScale == Scale::kMean ? "SparseSegmentMeanGrad"
                             : "SparseSegmentSqrtNGrad";

template <Scale kScale>
Status SparseSegmentGradient(GradContext& g) {
  const Scope& s = g.scope();
  const Output rows =
      ops::Reshape(s, ops::Slice(s, ops::Shape(s, g.x(0)), {0}, {1}),
                   Tensor(kInt32, lockstep::Shape{0}));
  return g.SetDx(
      0,
      s.Op(kGradName<kScale>).In(g.dy(0)).In(g.x(1)).In(g.x(2)).In(rows).Out());
}

template <Scale kScale>
OpBuilder SparseSegmentOp(const char* name, bool with_segments) {
  OpBuilder b(name);
  b.Input("data: T").Input("indices: Tidx").Input("segment_ids: Tsegmentids");
  if (with_segments) b.Input("num_segments: Tnumsegments").NeedsValue({3});
  b.Output("output: T")
      .Attr(kScale == Scale::kSum ? "T: realnumbertype" : "T: floattype")
      .Attr("Tidx: {int32, int64} = DT_INT32")
      .Attr("Tsegmentids: {int32, int64} = DT_INT32")
      .Attr("sparse_gradient: bool = false");
  if (with_segments) b.Attr("Tnumsegments: {int32, int64} = DT_INT32");
  b.Shape(SparseSegmentShape).Gradient(SparseSegmentGradient<kScale>);
  const auto kernel = []<class T>() {
    return KernelDef{SparseSegmentCpu<kScale, T>};
  };
  b.Kernels<LS_FLOAT_TYPES>(kCpu, kernel);
  if constexpr (kScale == Scale::kSum)
    b.Kernels<LS_INTEGER_TYPES>(kCpu, kernel);
  return b;
}

Status SparseSegmentGradV2Shape(ShapeContext& c) {
  LS_RETURN_IF_ERROR(CheckIds(c));
  LS_ASSIGN_OR_RETURN(Shape y, c.WithRankAtLeast(0, 1));
  LS_RETURN_IF_ERROR(c.WithRank(3, 0).status());
  if (y.HasRank()) y.set_dim(0, kUnknownDim);
  LS_RETURN_IF_ERROR(c.SetOutput(0, y));
  return c.SetOutput(1, Shape{kUnknownDim});
}

template <Scale kScale>
OpBuilder SparseSegmentGradV2Op() {
  OpBuilder b(std::string(kGradName<kScale>) + "V2");
  b.Input("grad: T")
      .Input("indices: Tidx")
      .Input("segment_ids: Tsegmentids")
      .Input("dense_output_dim0: int32")
      .Output("output: T")
      .Output("sorted_unique_indices: Tidx")
      .Attr("T: floattype")
      .Attr("Tidx: {int32, int64} = DT_INT32")
      .Attr("Tsegmentids: {int32, int64} = DT_INT32")
      .Shape(SparseSegmentGradV2Shape)
      .NoGradient();
  b.Kernels<LS_FLOAT_TYPES>(kCpu, []<class T>() {
    return KernelDef{
        SparseSegmentGradV2Cpu<kScale, T>, nullptr, {"dense_output_dim0"}};
  });
  return b;
}

template <Scale kScale>
OpBuilder SparseSegmentGradOp() {
  OpBuilder b(kGradName<kScale>);
  b.Input("grad: T")
      .Input("indices: Tidx")
      .Input("segment_ids: Tsegmentids")
      .Input("output_dim0: int32")
      .Output("output: T")
      .Attr("T: floattype")
      .Attr("Tidx: {int32, int64} = DT_INT32")
      .Attr("Tsegmentids: {int32, int64} = DT_INT32")
      .Shape(SparseSegmentShape)
      .NeedsValue({3})
      .NoGradient();
  b.Kernels<LS_FLOAT_TYPES>(kCpu, []<class T>() {
    return KernelDef{SparseSegmentGradCpu<kScale, T>, nullptr, {"output_dim0"}};
  });
  return b;
}

const OpRegistrar kSum =
    SparseSegmentOp<Scale::kSum>("SparseSegmentSum", false);
const OpRegistrar kMean =
    SparseSegmentOp<Scale::kMean>("SparseSegmentMean", false);
const OpRegistrar kSqrtN =
    SparseSegmentOp<Scale::kSqrtN>("SparseSegmentSqrtN", false);
const OpRegistrar kSumN =
    SparseSegmentOp<Scale::kSum>("SparseSegmentSumWithNumSegments", true);
const OpRegistrar kMeanN =
    SparseSegmentOp<Scale::kMean>("SparseSegmentMeanWithNumSegments", true);
const OpRegistrar kSqrtNN =
    SparseSegmentOp<Scale::kSqrtN>("SparseSegmentSqrtNWithNumSegments", true);
const OpRegistrar kSumGrad = SparseSegmentGradOp<Scale::kSum>();
const OpRegistrar kMeanGrad = SparseSegmentGradOp<Scale::kMean>();
const OpRegistrar kSqrtNGrad = SparseSegmentGradOp<Scale::kSqrtN>();
const OpRegistrar kSumGradV2 = SparseSegmentGradV2Op<Scale::kSum>();
const OpRegistrar kMeanGradV2 = SparseSegmentGradV2Op<Scale::kMean>();
const OpRegistrar kSqrtNGradV2 = SparseSegmentGradV2Op<Scale::kSqrtN>();

}  // namespace

namespace ops {

#define LS_SEGMENT_BUILDER(Name)                                           \
  Output Name(const Scope& scope, const Input& data, const Input& indices, \
              const Input& segment_ids) {                                  \
    return scope.Op(#Name).In(data).In(indices).In(segment_ids).Out();     \
  }
LS_SEGMENT_BUILDER(SparseSegmentSum)
LS_SEGMENT_BUILDER(SparseSegmentMean)
LS_SEGMENT_BUILDER(SparseSegmentSqrtN)
#undef LS_SEGMENT_BUILDER

}  // namespace ops
}  // namespace lockstep
