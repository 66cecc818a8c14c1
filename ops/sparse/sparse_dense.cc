// SPDX-License-Identifier: Apache-2.0

// SparseTensorDenseAdd: a_indices: Tindices [n,rank], a_values: T [n], a_shape:
// Tindices [rank], b: T of that shape -> b with the values added
// SparseDenseCwiseAdd, ...Mul, ...Div: sp_indices: int64 [n,rank], sp_values: T
// [n], sp_shape: int64 [rank], dense: T, broadcast to that shape -> T [n], each
// value with the element of dense at its place.   Gradients of Mul and Div, as
// in TensorFlow.
// SparseSoftmax: sp_indices, sp_values, sp_shape -> T [n]: softmax over the
// values of each row (equal in all but the last number of the index), in
// row-major order.
//   Gradient: y * (dy - the sum of y * dy over the row).

#include <cmath>

#include "ops/array/array.h"
#include "ops/array/slices.h"
#include "ops/math/elementwise.h"
#include "ops/math/functors.h"
#include "ops/math/math.h"
#include "ops/math/quotients.h"
#include "ops/sparse/sparse.h"
#include "ops/sparse/sparse_inputs.h"
#include "runtime/graph/gradients.h"

namespace lockstep {
namespace {

Status DenseAddShape(ShapeContext& c) {
  LS_RETURN_IF_ERROR(SparseInputs(c, 0, 1, 2).status());
  LS_ASSIGN_OR_RETURN(const Shape a, c.InputAsShape(2));
  const Shape& b = c.Input(3);
  if (!a.HasRank() || !b.HasRank()) return c.SetOutput(0, b);
  if (a.rank() != b.rank()) {
    return InvalidArgument("Two operands have different ranks; received: ",
                           a.rank(), " and ", b.rank());
  }
  for (int d = 0; d < a.rank(); ++d) {
    if (a.dim(d) == kUnknownDim || b.dim(d) == kUnknownDim ||
        a.dim(d) == b.dim(d)) {
      continue;
    }
    return InvalidArgument(
        "Dimension ", d,
        " does not equal (no broadcasting is supported): sparse side ",
        a.dim(d), " vs dense side ", b.dim(d));
  }
  return c.SetOutput(0, b);
}

template <class T>
Status DenseAddCpu(KernelContext& k) {
  using V = ValueType<T>;
  const Shape& dims = k.output(0).shape();
  T* y = k.out<T>(0);
  if (y != k.in<T>(3)) {
    std::copy_n(k.in<T>(3), k.output(0).NumElements(), y);
  }
  const Indices index(k.input(0));
  for (int64_t e = 0; e < k.input(1).NumElements(); ++e) {
    int64_t at = 0;
    for (int d = 0; d < dims.rank(); ++d) {
      const int64_t i = index[e * dims.rank() + d];
      if (i < 0 || i >= dims.dim(d)) {
        return InvalidArgument("Sparse tensor has an invalid index on ",
                               "dimension ", d, ": a_indices(", e, ",", d,
                               ") = ", i, ", dense tensor shape: ", dims);
      }
      at = at * dims.dim(d) + i;
    }
    y[at] = T(
        static_cast<V>(static_cast<V>(y[at]) + static_cast<V>(k.in<T>(1)[e])));
  }
  return Ok();
}

Status DenseAddGradient(GradContext& g) {
  LS_RETURN_IF_ERROR(g.SetDx(1, ops::GatherNd(g.scope(), g.dy(0), g.x(0))));
  return g.SetDx(3, g.dy(0));
}

LOCKSTEP_OP("SparseTensorDenseAdd")
    .Input("a_indices: Tindices")
    .Input("a_values: T")
    .Input("a_shape: Tindices")
    .Input("b: T")
    .Output("output: T")
    .Attr("T: numbertype")
    .Attr("Tindices: {int32, int64}")
    .Shape(DenseAddShape)
    .Gradient(DenseAddGradient)
    .NeedsValue({2})
    .InPlace(0, 3)
    .Kernels<LS_NUMBER_TYPES>(kCpu, []<class T>() {
      return KernelDef{DenseAddCpu<T>};
    });

Status ValuesShape(ShapeContext& c) {
  LS_ASSIGN_OR_RETURN(const SparseShape in, SparseInputs(c, 0, 1, 2));
  return c.SetOutput(0, Shape{in.count});
}

// How far apart the elements of `dense` are for each dimension of the sparse
// shape; 0 where it is broadcast.
Result<std::vector<int64_t>> DenseSteps(std::span<const int64_t> sparse,
                                        const Shape& dense) {
  const auto rank = static_cast<int>(sparse.size());
  std::vector<int64_t> steps(sparse.size());
  bool fits = dense.rank() <= rank;
  int64_t step = 1;
  for (int d = dense.rank() - 1; d >= 0 && fits; --d) {
    const auto to = static_cast<size_t>(rank - dense.rank() + d);
    fits = dense.dim(d) == 1 || dense.dim(d) == sparse[to];
    steps[to] = dense.dim(d) == 1 ? 0 : step;
    step *= dense.dim(d);
  }
  if (fits) return steps;
  Shape shape;
  for (const int64_t d : sparse) shape.AddDim(d);
  return InvalidArgument(
      "SparseDenseBinaryOpShared broadcasts dense to sparse only; got ",
      "incompatible shapes: ", shape, " vs. ", dense);
}

template <class F, class T>
Status CwiseCpu(KernelContext& k) {
  const auto dims = k.input(2).flat<int64_t>();
  LS_ASSIGN_OR_RETURN(const std::vector<int64_t> steps,
                      DenseSteps(dims, k.input(3).shape()));
  const int64_t* index = k.in<int64_t>(0);
  for (int64_t e = 0; e < k.input(1).NumElements(); ++e) {
    int64_t at = 0;
    for (size_t d = 0; d < dims.size(); ++d, ++index) {
      if (*index < 0 || *index >= dims[d]) {
        return InvalidArgument("Provided indices are out-of-bounds w.r.t. ",
                               "dense side with broadcasted shape: indices[", e,
                               ",", d, "] = ", *index, " of ", dims[d]);
      }
      at += *index * steps[d];
    }
    const T* dense = k.in<T>(3) + at;
    if constexpr (requires { F::Check(dense, 1); }) {
      LS_RETURN_IF_ERROR(F::Check(dense, 1));
    }
    k.out<T>(0)[e] = F::Apply(k.in<T>(1)[e], *dense);
  }
  return Ok();
}

// The places in `dense` that the elements meet: their indices without the
// dimensions that dense lacks, 0 where it is broadcast.
Output PlacesInDense(const Scope& s, GradContext& g,
                     const Output& dense_shape) {
  const Output lacks = ops::ExpandDims(
      s, ops::Sub(s, ops::Size(s, g.x(2)), ops::Size(s, dense_shape)),
      int32_t{0});
  const Output ones = ops::Fill(s, lacks, int64_t{1});
  const Output scale =
      ops::FloorDiv(s, g.x(2), ops::Concat(s, {ones, dense_shape}, int32_t{0}));
  const Output begin =
      ops::Concat(s, {ops::ZerosLike(s, lacks), lacks}, int32_t{0});
  return ops::Slice(s, ops::FloorDiv(s, g.x(0), scale), begin, {-1, -1});
}

template <bool kDivides>
Status CwiseGradient(GradContext& g) {
  const Scope& s = g.scope();
  const Output shape = ops::Shape(s, g.x(3), kInt64);
  const Output places = PlacesInDense(s, g, shape);
  // GatherNd takes no scalars: with one more axis, along which all are at 0.
  const Output dense = ops::GatherNd(
      s, ops::ExpandDims(s, g.x(3), int32_t{0}),
      ops::Pad(s, places, Tensor::Of<int32_t>({2, 2}, {0, 0, 1, 0})));
  const Output value =
      kDivides ? ops::Div(s, ops::Neg(s, g.x(1)), ops::Square(s, dense))
               : g.x(1);
  LS_RETURN_IF_ERROR(g.SetDx(
      1, kDivides ? ops::Div(s, g.dy(0), dense) : ops::Mul(s, g.dy(0), dense)));
  return g.SetDx(3,
                 ops::ScatterNd(s, places, ops::Mul(s, g.dy(0), value), shape));
}

Status NoCwiseAddGradient(GradContext&) {
  return Unimplemented("SparseDenseCwiseAdd has no gradient, as in TensorFlow");
}

OpBuilder CwiseOp(std::string name, GradientFn gradient) {
  OpBuilder b(std::move(name));
  b.Input("sp_indices: int64")
      .Input("sp_values: T")
      .Input("sp_shape: int64")
      .Input("dense: T")
      .Output("output: T")
      .Attr("T: numbertype")
      .Shape(ValuesShape)
      .Gradient(gradient);
  return b;
}

template <class F>
OpRegistrar RegisterCwise(const char* name, GradientFn gradient) {
  OpBuilder b = CwiseOp(name, gradient);
  return b.Kernels<LS_NUMBER_TYPES>(
      kCpu, []<class T>() { return KernelDef{CwiseCpu<F, T>}; });
}
const OpRegistrar kAdd =
    RegisterCwise<AddFn>("SparseDenseCwiseAdd", NoCwiseAddGradient);
const OpRegistrar kMul =
    RegisterCwise<MulFn>("SparseDenseCwiseMul", CwiseGradient<false>);
const OpRegistrar kDiv =
    RegisterCwise<DivFn>("SparseDenseCwiseDiv", CwiseGradient<true>);

Status SoftmaxShape(ShapeContext& c) {
  LS_ASSIGN_OR_RETURN(const SparseShape in, SparseInputs(c, 0, 1, 2));
  if (in.rank != kUnknownDim && in.rank < 2) {
    return InvalidArgument("Input should have rank >= 2, but has rank ",
                           in.rank);
  }
  return c.SetOutput(0, Shape{in.count});
}

template <class T>
Status SoftmaxCpu(KernelContext& k) {
  using V = ValueType<T>;
  const int64_t n = k.input(1).NumElements(), rank = k.input(2).NumElements();
  const int64_t* index = k.in<int64_t>(0);
  const T* x = k.in<T>(1);
  T* y = k.out<T>(0);
  const std::vector<int64_t> order = RowMajorOrder(index, n, rank);
  const auto at = [&](int64_t i) { return order[static_cast<size_t>(i)]; };
  const auto value = [&](int64_t i) { return static_cast<V>(x[at(i)]); };
  for (int64_t begin = 0, end = 0; begin < n; begin = end) {
    const int64_t* row = index + at(begin) * rank;
    V largest = value(begin), sum{};
    for (;
         end < n && CompareIndices(row, index + at(end) * rank, rank - 1) == 0;
         ++end) {
      largest = std::max(largest, value(end));
    }
    for (int64_t i = begin; i < end; ++i) sum += std::exp(value(i) - largest);
    for (int64_t i = begin; i < end; ++i) {
      y[i] = T(std::exp(value(i) - largest) / sum);
    }
  }
  return Ok();
}

Status SoftmaxGradient(GradContext& g) {
  const Scope& s = g.scope();
  const Output product = ops::Mul(s, g.y(0), g.dy(0));
  const Output sums =
      ops::SparseReduceSum(s, g.x(0), product, g.x(2), {int32_t{-1}}, true);
  const Output rest = s.Op("SparseDenseCwiseAdd")
                          .In(g.x(0))
                          .In(g.dy(0))
                          .In(g.x(2))
                          .In(ops::Neg(s, sums))
                          .Out();
  return g.SetDx(1, ops::Mul(s, rest, g.y(0)));
}

LOCKSTEP_OP("SparseSoftmax")
    .Input("sp_indices: int64")
    .Input("sp_values: T")
    .Input("sp_shape: int64")
    .Output("output: T")
    .Attr("T: {half, float, double}")
    .Shape(SoftmaxShape)
    .Gradient(SoftmaxGradient)
    .Kernels<Half, float, double>(kCpu, []<class T>() {
      return KernelDef{SoftmaxCpu<T>};
    });

}  // namespace
}  // namespace lockstep
