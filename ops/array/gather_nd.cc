// SPDX-License-Identifier: Apache-2.0

// GatherNd: slices of `params`, each numbered by a vector of positions.
//   params: T, rank >= k   indices: int32|int64 [..., k]
//   output: [indices' shape without k, params' shape behind its first k axes]
// ScatterNd: the other way: slices of `updates` added into zeros.
//   indices: [..., k]   updates: T   shape: int32|int64 [rank]
// A position out of range is INVALID_ARGUMENT. Gradients: of one, the other.

#include <cstring>

#include "ops/array/array.h"
#include "ops/array/axes.h"
#include "ops/math/elementwise.h"
#include "runtime/graph/gradients.h"

namespace lockstep {
namespace {

// The part of `indices`' shape before k, then the part of `whole` behind k.
Result<Shape> SlicesShape(const Shape& indices, const Shape& whole) {
  if (!indices.HasRank() || !whole.HasRank()) return Shape::Unknown();
  if (indices.rank() < 1) {
    return InvalidArgument("indices must be at least a vector, have shape ",
                           indices);
  }
  const int64_t k = indices.dim(indices.rank() - 1);
  if (k == kUnknownDim) return Shape::Unknown();
  if (k > whole.rank()) {
    return InvalidArgument("index innermost dimension length must be <= the ",
                           "rank of ", whole, "; saw: ", k);
  }
  std::vector<int64_t> dims(indices.dims().begin(), indices.dims().end() - 1);
  for (int d = static_cast<int>(k); d < whole.rank(); ++d) {
    dims.push_back(whole.dim(d));
  }
  return Shape::Make(dims);
}

Status GatherNdShape(ShapeContext& c) {
  LS_ASSIGN_OR_RETURN(Shape y, SlicesShape(c.Input(1), c.Input(0)));
  return c.SetOutput(0, y);
}

Status ScatterNdShape(ShapeContext& c) {
  LS_ASSIGN_OR_RETURN(Shape whole, c.InputAsShape(2));
  LS_ASSIGN_OR_RETURN(Shape slices, SlicesShape(c.Input(0), whole));
  if (!slices.IsCompatibleWith(c.Input(1))) {
    return InvalidArgument("updates have shape ", c.Input(1), ", indices ",
                           c.Input(0), " into ", whole, " need ", slices);
  }
  return c.SetOutput(0, whole);
}

// How index vectors become offsets of slices in the whole.
struct NdState {
  int64_t rows = 1, k = 0, slice = 1;
  std::vector<int64_t> dims, strides;  // of the first k axes, in elements
};

NdState MakeNd(const Shape& indices, const Shape& whole) {
  NdState s;
  s.rows = DimProduct(indices, 0, indices.rank() - 1);
  s.k = indices.dim(indices.rank() - 1);
  const int k = static_cast<int>(s.k);
  s.slice = DimProduct(whole, k, whole.rank());
  for (int d = 0; d < k; ++d) {
    s.dims.push_back(whole.dim(d));
    s.strides.push_back(DimProduct(whole, d + 1, whole.rank()));
  }
  return s;
}

Status PrepareGatherNd(PrepareContext& c) {
  c.MakeState<NdState>(MakeNd(c.input_shape(1), c.input_shape(0)));
  return Ok();
}
Status PrepareScatterNd(PrepareContext& c) {
  c.MakeState<NdState>(MakeNd(c.input_shape(0), c.output_shape(0)));
  return Ok();
}

// Element offset of row `row`; -1 when a position is out of range.
template <class I>
int64_t OffsetOf(const NdState& s, const I* index, int64_t row) {
  int64_t at = 0;
  for (int64_t d = 0; d < s.k; ++d) {
    const size_t u = static_cast<size_t>(d);
    const int64_t i = static_cast<int64_t>(index[row * s.k + d]);
    if (i < 0 || i >= s.dims[u]) return -1;
    at += i * s.strides[u];
  }
  return at;
}

template <class I>
Status CheckRows(const NdState& s, const Tensor& indices) {
  const I* index = static_cast<const I*>(indices.data());
  for (int64_t row = 0; row < s.rows; ++row) {
    if (OffsetOf(s, index, row) >= 0) continue;
    return InvalidArgument(
        "indices[", row, "] = [",
        Join(std::vector<int64_t>(index + row * s.k, index + (row + 1) * s.k),
             ", "),
        "] does not index into shape prefix [", Join(s.dims, ","), "]");
  }
  return Ok();
}

template <class I>
Status GatherNdCpu(KernelContext& k) {
  const NdState& s = k.state<NdState>();
  if (k.output(0).NumElements() == 0) return Ok();
  LS_RETURN_IF_ERROR(CheckRows<I>(s, k.input(1)));
  const I* index = k.in<I>(1);
  const Tensor& x = k.input(0);
  Tensor& y = k.output(0);
  if (x.dtype() == kString) {
    for (int64_t row = 0; row < s.rows; ++row) {
      std::copy_n(x.flat<std::string>().data() + OffsetOf(s, index, row),
                  s.slice, y.flat<std::string>().data() + row * s.slice);
    }
    return Ok();
  }
  const int64_t size = static_cast<int64_t>(DTypeSize(x.dtype()));
  const int64_t bytes = s.slice * size;
  ParallelFor(s.rows, std::max<int64_t>(1, 65536 / (bytes + 1)),
              [&](int64_t begin, int64_t end) {
                for (int64_t row = begin; row < end; ++row) {
                  std::memcpy(static_cast<char*>(y.data()) + row * bytes,
                              static_cast<const char*>(x.data()) +
                                  OffsetOf(s, index, row) * size,
                              static_cast<size_t>(bytes));
                }
              });
  return Ok();
}

// One row after the other: equal positions add up in a fixed order.
template <class T, class I>
Status ScatterNdCpu(KernelContext& k) {
  using C = ArithmeticType<T>;
  const NdState& s = k.state<NdState>();
  T* y = k.out<T>(0);
  std::fill_n(y, k.output(0).NumElements(), T{});
  if (k.input(1).NumElements() == 0) return Ok();
  LS_RETURN_IF_ERROR(CheckRows<I>(s, k.input(0)));
  const I* index = k.in<I>(0);
  const T* from = k.in<T>(1);
  for (int64_t row = 0; row < s.rows; ++row, from += s.slice) {
    T* to = y + OffsetOf(s, index, row);
    for (int64_t i = 0; i < s.slice; ++i) {
      to[i] = static_cast<T>(static_cast<C>(to[i]) + static_cast<C>(from[i]));
    }
  }
  return Ok();
}

Status GatherNdGradient(GradContext& g) {
  const Scope& s = g.scope();
  const Output shape = ops::Shape(s, g.x(0), BaseOf(g.x(1).dtype()));
  return g.SetDx(0, ops::ScatterNd(s, g.x(1), g.dy(0), shape));
}
Status ScatterNdGradient(GradContext& g) {
  return g.SetDx(1, ops::GatherNd(g.scope(), g.dy(0), g.x(0)));
}

LOCKSTEP_OP("GatherNd")
    .Input("params: Tparams")
    .Input("indices: Tindices")
    .Output("output: Tparams")
    .Attr("Tparams: type")
    .Attr("Tindices: {int32, int64}")
    .Attr("bad_indices_policy: string = ''")
    .Shape(GatherNdShape)
    .Gradient(GatherNdGradient)
    .Kernel<int32_t>(kCpu, {GatherNdCpu<int32_t>, PrepareGatherNd}, "Tindices")
    .Kernel<int64_t>(kCpu, {GatherNdCpu<int64_t>, PrepareGatherNd}, "Tindices");

OpBuilder ScatterNdOp() {
  OpBuilder b("ScatterNd");
  b.Input("indices: Tindices").Input("updates: T").Input("shape: Tindices");
  b.Output("output: T")
      .Attr("T: realnumbertype")
      .Attr("Tindices: {int32, int64}")
      .Attr("bad_indices_policy: string = ''")
      .Shape(ScatterNdShape)
      .Gradient(ScatterNdGradient)
      .NeedsValue({2});
  auto add = [&b]<class T>() {
    b.Kernel(kCpu, {{"T", DTypeOf<T>::value}, {"Tindices", kInt32}},
             {ScatterNdCpu<T, int32_t>, PrepareScatterNd, {"shape"}});
    b.Kernel(kCpu, {{"T", DTypeOf<T>::value}, {"Tindices", kInt64}},
             {ScatterNdCpu<T, int64_t>, PrepareScatterNd, {"shape"}});
  };
  [&]<class... Ts>(std::type_identity<std::tuple<Ts...>>) {
    (add.template operator()<Ts>(), ...);
  }(std::type_identity<std::tuple<LS_REAL_TYPES>>());
  return b;
}

const OpRegistrar kScatterNd = ScatterNdOp();

}  // namespace

namespace ops {

Output GatherNd(const Scope& scope, const Input& params, const Input& indices) {
  return scope.Op("GatherNd").In(params).In(indices).Out();
}
Output ScatterNd(const Scope& scope, const Input& indices, const Input& updates,
                 const Input& shape) {
  return scope.Op("ScatterNd").In(indices).In(updates).In(shape).Out();
}

}  // namespace ops
}  // namespace lockstep
