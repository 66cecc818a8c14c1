// SPDX-License-Identifier: Apache-2.0

// UnsortedSegmentSum: row i of the output is the sum of the slices of `data`
// whose id is i; negative ids are left out, zero where there is none.
//   data: real numbers [ids' shape, rest]   segment_ids: int32|int64
//   num_segments: int32|int64 []   output: [num_segments, rest]
// An id beyond num_segments is INVALID_ARGUMENT.
// Gradient: ddata = dy's rows by id, 0 for negative ids.

#include "ops/array/array.h"
#include "ops/array/axes.h"
#include "ops/math/elementwise.h"
#include "ops/math/math.h"
#include "ops/reduce/reduce.h"
#include "runtime/graph/gradients.h"

namespace lockstep {
namespace {

Status SegmentShape(ShapeContext& c) {
  LS_ASSIGN_OR_RETURN(std::optional<int64_t> count, InputInt(c, 2));
  if (count && *count < 0) {
    return InvalidArgument("num_segments must be non-negative, got: ", *count);
  }
  const Shape& data = c.Input(0);
  const Shape& ids = c.Input(1);
  if (!data.HasRank() || !ids.HasRank()) {
    return c.SetOutput(0, Shape::Unknown());
  }
  if (data.rank() < ids.rank()) {
    return InvalidArgument("data.shape ", data, " does not start with ",
                           "segment_ids.shape ", ids);
  }
  Shape y{count.value_or(kUnknownDim)};
  for (int d = 0; d < data.rank(); ++d) {
    if (d >= ids.rank()) {
      y.AddDim(data.dim(d));
    } else if (data.dim(d) != ids.dim(d) && data.dim(d) >= 0 &&
               ids.dim(d) >= 0) {
      return InvalidArgument("data.shape ", data, " does not start with ",
                             "segment_ids.shape ", ids);
    }
  }
  return c.SetOutput(0, y);
}

// In the order of the ids, for each column by itself: threads share no sum.
template <class T, class I>
Status SegmentSumCpu(KernelContext& k) {
  using C = ArithmeticType<T>;
  const int64_t rows = k.input(1).NumElements();
  const int64_t segments = k.output(0).shape().dim(0);
  const int64_t width = segments > 0 ? k.output(0).NumElements() / segments : 0;
  const I* ids = k.in<I>(1);
  for (int64_t i = 0; i < rows; ++i) {
    if (static_cast<int64_t>(ids[i]) >= segments) {
      return InvalidArgument("segment_ids[", i, "] = ", ids[i],
                             " is out of range [0, ", segments, ")");
    }
  }
  const T* data = k.in<T>(0);  // [rows, width]
  T* y = k.out<T>(0);          // [segments, width]
  std::fill_n(y, k.output(0).NumElements(), T{});
  const int64_t grain = std::max<int64_t>(16, kCheapGrain / (rows + 1));
  ParallelFor(width, grain, [&](int64_t begin, int64_t end) {
    for (int64_t i = 0; i < rows; ++i) {
      if (ids[i] < 0) continue;
      T* to = y + static_cast<int64_t>(ids[i]) * width;
      const T* from = data + i * width;
      for (int64_t j = begin; j < end; ++j) {
        to[j] = static_cast<T>(static_cast<C>(to[j]) + static_cast<C>(from[j]));
      }
    }
  });
  return Ok();
}

Status SegmentGradient(GradContext& g) {
  const Scope& s = g.scope();
  const Output ids = g.x(1);
  const Output valid = ops::GreaterEqual(s, ids, 0);
  const Output rows =
      ops::Gather(s, g.dy(0), ops::Maximum(s, ids, ops::ZerosLike(s, ids)), 0);
  // `valid` under the rows' rank: [ids' shape, 1, 1 ...].
  const Output rest = ops::Sub(s, ops::Rank(s, rows), ops::Rank(s, ids));
  const Output ones =
      ops::Fill(s, ops::Reshape(s, rest, {1}), Tensor(int32_t{1}));
  const Output mask =
      ops::Reshape(s, valid, ops::Concat(s, {ops::Shape(s, ids), ones}, 0));
  return g.SetDx(0, ops::SelectV2(s, mask, rows, ops::ZerosLike(s, rows)));
}

OpBuilder SegmentOp() {
  OpBuilder b("UnsortedSegmentSum");
  b.Input("data: T")
      .Input("segment_ids: Tindices")
      .Input("num_segments: Tnumsegments")
      .Output("output: T")
      .Attr("T: realnumbertype")
      .Attr("Tindices: {int32, int64}")
      .Attr("Tnumsegments: {int32, int64} = DT_INT32")
      .Shape(SegmentShape)
      .Gradient(SegmentGradient)
      .NeedsValue({2});
  auto add = [&b]<class T>() {
    b.Kernel(kCpu, {{"T", DTypeOf<T>::value}, {"Tindices", kInt32}},
             {SegmentSumCpu<T, int32_t>, nullptr, {"num_segments"}});
    b.Kernel(kCpu, {{"T", DTypeOf<T>::value}, {"Tindices", kInt64}},
             {SegmentSumCpu<T, int64_t>, nullptr, {"num_segments"}});
  };
  [&]<class... Ts>(std::type_identity<std::tuple<Ts...>>) {
    (add.template operator()<Ts>(), ...);
  }(std::type_identity<std::tuple<LS_REAL_TYPES>>());
  return b;
}

const OpRegistrar kUnsortedSegmentSum = SegmentOp();

}  // namespace

namespace ops {

Output UnsortedSegmentSum(const Scope& scope, const Input& data,
                          const Input& segment_ids, const Input& num_segments) {
  return scope.Op("UnsortedSegmentSum")
      .In(data)
      .In(segment_ids)
      .In(num_segments)
      .Out();
}

}  // namespace ops
}  // namespace lockstep
