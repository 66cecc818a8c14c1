// SPDX-License-Identifier: Apache-2.0

// TopKV2, TopK: the k largest elements of each row (the last dimension), in
// descending order, and their positions; of equal elements the first.
//   input: real numbers [..., n]   k: int32 [] (TopK: an attribute), <= n
//   values: [..., k]   indices: int32|int64, same shape
// Gradient: dvalues back at their positions.

#include <numeric>

#include "ops/array/array.h"
#include "ops/array/axes.h"
#include "ops/array/slices.h"
#include "ops/math/elementwise.h"
#include "ops/math/math.h"
#include "ops/reduce/reduce.h"
#include "runtime/core/per_thread.h"
#include "runtime/graph/gradients.h"
#include "runtime/op/rank_words.h"

namespace lockstep {
namespace {

Status TopKShape(ShapeContext& c) {
  LS_ASSIGN_OR_RETURN(
      Shape y, WithRankAtLeast(c, 0, 1, "input must be >= 1-D, got shape "));
  int64_t k = kUnknownDim;
  if (c.num_inputs() == 1) {
    k = c.Attr<int64_t>("k");
  } else {
    LS_RETURN_IF_ERROR(c.WithRank(1, 0).status());
    if (c.InputValue(1) != nullptr) k = IntAt(*c.InputValue(1), 0);
    if (c.InputValue(1) != nullptr && k < 0) {
      return InvalidArgument("Need k >= 0, got ", k);
    }
  }
  if (y.HasRank()) {
    const int64_t n = y.dim(y.rank() - 1);
    if (n != kUnknownDim && k > n) {
      return InvalidArgument("input must have at least k columns. Had ", n,
                             ", needed ", k);
    }
    y.set_dim(y.rank() - 1, k);
  }
  LS_RETURN_IF_ERROR(c.SetOutput(0, y));
  return c.SetOutput(1, y);
}

// An element of a row and its place there.
template <class T>
struct Placed {
  ValueType<T> value;
  int64_t place;
};

// The first `count` are the largest, in order, of equal ones the first first.
// Both ways keep within the row whatever NaNs make of the order.
template <class T>
void SortTop(std::vector<Placed<T>>* row, int64_t count) {
  const auto n = static_cast<int64_t>(row->size());
  if (count * 4 > n) {
    std::stable_sort(row->begin(), row->end(),
                     [](const Placed<T>& a, const Placed<T>& b) {
                       return a.value > b.value;
                     });
    return;
  }
  std::partial_sort(row->begin(), row->begin() + count, row->end(),
                    [](const Placed<T>& a, const Placed<T>& b) {
                      return a.value > b.value ||
                             (!(b.value > a.value) && a.place < b.place);
                    });
}

template <class T>
Status TopKCpu(KernelContext& k) {
  const Shape& shape = k.input(0).shape();
  const int64_t n = shape.dim(shape.rank() - 1);
  const int64_t count = k.output(0).shape().dim(shape.rank() - 1);
  if (k.output(0).NumElements() == 0) return Ok();
  const int64_t rows = DimProduct(shape, 0, shape.rank() - 1);
  const int64_t grain = std::max<int64_t>(1, kCostlyGrain / n);
  PerThread<std::vector<Placed<T>>> sorted(
      std::vector<Placed<T>>(static_cast<size_t>(n)));
  ParallelFor(rows, grain, [&](int64_t begin, int64_t end) {
    auto& order = sorted.mine();
    for (int64_t row = begin; row < end; ++row) {
      const T* x = k.in<T>(0) + row * n;
      for (int64_t i = 0; i < n; ++i) {
        order[static_cast<size_t>(i)] = {x[i], i};
      }
      SortTop<T>(&order, count);
      for (int64_t i = 0; i < count; ++i) {
        const int64_t place = order[static_cast<size_t>(i)].place;
        k.out<T>(0)[row * count + i] = x[place];
        SetInt(k.output(1), row * count + i, place);
      }
    }
  });
  return Ok();
}

Status TopKGradient(GradContext& g) {
  const Scope& s = g.scope();
  const Output shape = ops::Shape(s, g.x(0), kInt64);
  const Output size = ops::Size(s, g.x(0), kInt64);
  const Output width = ops::Gather(
      s, shape, ops::Sub(s, ops::Rank(s, g.x(0)), 1), 0);  // columns
  const Output taken = ops::Shape(s, g.y(1), kInt64);
  const Output k =
      ops::Gather(s, taken, ops::Sub(s, ops::Rank(s, g.x(0)), 1), 0);
  const Output columns =
      ops::Reshape(s, ops::Cast(s, g.y(1), kInt64),
                   ops::Pack(s, {ops::Const(s, Tensor(int64_t{-1})), k}));
  const Output starts = ops::ExpandDims(
      s, ops::Range(s, int64_t{0}, size, width), -1);  // [rows, 1]
  const Output at = ops::Reshape(s, ops::Add(s, columns, starts), {-1, 1});
  const Output flat = ops::ScatterNd(s, at, ops::Reshape(s, g.dy(0), {-1}),
                                     ops::ExpandDims(s, size, 0));
  return g.SetDx(0, ops::Reshape(s, flat, shape));
}

OpBuilder TopKOp(const char* name, bool v2) {
  OpBuilder b(name);
  b.Input("input: T");
  if (v2) {
    b.Input("k: Tk")
        .Attr("Tk: {int32, int64} = DT_INT32")
        .Attr("index_type: {int32, int64} = DT_INT32")
        .NeedsValue({1});
  } else {
    b.Attr("k: int >= 0");
  }
  b.Output("values: T").Output(v2 ? "indices: index_type" : "indices: int32");
  b.Attr("sorted: bool = true")
      .Attr("T: realnumbertype")
      .Shape(TopKShape)
      .Gradient(TopKGradient);
  b.Kernels<LS_REAL_TYPES>(kCpu, [v2]<class T>() {
    KernelDef def{TopKCpu<T>};
    if (v2) def.host_memory = {"k"};
    return def;
  });
  return b;
}

const OpRegistrar kTopK = TopKOp("TopK", false);
const OpRegistrar kTopKV2 = TopKOp("TopKV2", true);

}  // namespace

ops::TopKOutputs ops::TopK(const Scope& scope, const Input& input,
                           const Input& k, bool sorted) {
  const std::vector<Output> outs =
      scope.Op("TopKV2").In(input).In(k).Attr("sorted", sorted).Outs();
  return outs.size() == 2 ? TopKOutputs{outs[0], outs[1]} : TopKOutputs{};
}

}  // namespace lockstep
