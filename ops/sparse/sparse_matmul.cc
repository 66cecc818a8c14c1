// SPDX-License-Identifier: Apache-2.0

// SparseTensorDenseMatMul: a by b, a sparse and b dense, each transposed (and
// conjugated) first when its `adjoint` says so.
//   a_indices: Tindices [n,2]   a_values: T [n]   a_shape: int64 [2]
//   b: T [k,m]   product: T [rows of a, m]
// Gradients: a_values: dy's row by b's column; b: adjoint(a) by dy.
// SparseReduceSum: the sum of a sparse tensor over axes, dense.
//   reduction_axes: int32; none: the elements alone, dense
// Gradient: of each element, dy where it was added.
// SparseReduceMax: the largest instead, of the elements that there are.
//   No gradient, as in TensorFlow.

#include "ops/array/array.h"
#include "ops/array/axes.h"
#include "ops/array/slices.h"
#include "ops/math/elementwise.h"
#include "ops/math/math.h"
#include "ops/reduce/reduce.h"
#include "ops/sparse/sparse.h"
#include "runtime/graph/gradients.h"

namespace lockstep {
namespace {

Status ProductShape(ShapeContext& c) {
  LS_ASSIGN_OR_RETURN(const Shape index, c.WithRank(0, 2));
  LS_ASSIGN_OR_RETURN(const Shape values, c.WithRank(1, 1));
  LS_ASSIGN_OR_RETURN(const Shape b, c.WithRank(3, 2));
  LS_ASSIGN_OR_RETURN(const Shape a, c.InputAsShape(2));
  if ((index.dim(1) != kUnknownDim && index.dim(1) != 2) ||
      (a.HasRank() && a.rank() != 2)) {
    return InvalidArgument("a must be a matrix, a_indices have shape ", index,
                           ", a_shape is ", a);
  }
  if (index.dim(0) != kUnknownDim && values.dim(0) != kUnknownDim &&
      index.dim(0) != values.dim(0)) {
    return InvalidArgument("Number of rows of a_indices does not match number ",
                           "of entries in a_values: ", index, ", ", values);
  }
  const int adjoint_a = c.Attr<bool>("adjoint_a");
  const int adjoint_b = c.Attr<bool>("adjoint_b");
  const int64_t inner_a = a.HasRank() ? a.dim(1 - adjoint_a) : kUnknownDim;
  const int64_t inner_b = b.dim(adjoint_b);
  if (inner_a != kUnknownDim && inner_b != kUnknownDim && inner_a != inner_b) {
    return InvalidArgument(
        "Cannot multiply A and B because inner dimension does not match: ",
        inner_a, " vs. ", inner_b,
        ".  Did you forget a transpose?  Dimensions of A: ", a,
        ".  Dimensions of B: ", b);
  }
  return c.SetOutput(0, Shape{a.HasRank() ? a.dim(adjoint_a) : kUnknownDim,
                              b.dim(1 - adjoint_b)});
}

template <class T>
Status ProductCpu(KernelContext& k) {
  using V = ValueType<T>;
  const int adjoint_a = GetOr<bool>(k.attrs(), "adjoint_a", false);
  const bool adjoint_b = GetOr<bool>(k.attrs(), "adjoint_b", false);
  const Indices index(k.input(0));
  const int64_t rows = k.output(0).shape().dim(0);
  const int64_t columns = k.output(0).shape().dim(1);
  const int64_t width = k.input(3).shape().dim(1);
  const int64_t inner = k.input(3).shape().dim(adjoint_b ? 1 : 0);
  std::vector<V> y(static_cast<size_t>(rows * columns));
  for (int64_t e = 0; e < k.input(1).NumElements(); ++e) {
    const int64_t i = index[2 * e + adjoint_a];
    const int64_t j = index[2 * e + 1 - adjoint_a];
    if (j < 0 || j >= inner) {
      return InvalidArgument("k (", j, ") from index[", e, ",", 1 - adjoint_a,
                             "] out of bounds (>=", inner, ")");
    }
    if (i < 0 || i >= rows) {
      return InvalidArgument("m (", i, ") from index[", e, ",", adjoint_a,
                             "] out of bounds (>=", rows, ")");
    }
    V a = static_cast<V>(k.in<T>(1)[e]);
    if (adjoint_a) a = ConjOf(a);
    for (int64_t m = 0; m < columns; ++m) {
      const V b =
          static_cast<V>(k.in<T>(3)[adjoint_b ? m * width + j : j * width + m]);
      V& to = y[static_cast<size_t>(i * columns + m)];
      to = static_cast<V>(to + a * (adjoint_b ? ConjOf(b) : b));
    }
  }
  for (size_t i = 0; i < y.size(); ++i) k.out<T>(0)[i] = T(y[i]);
  return Ok();
}

Status ProductGradient(GradContext& g) {
  const Scope& s = g.scope();
  const bool adjoint_a = g.Attr<bool>("adjoint_a");
  const bool adjoint_b = g.Attr<bool>("adjoint_b");
  if (IsComplex(g.x(3).dtype())) {
    return Unimplemented("SparseTensorDenseMatMul has no gradient for complex");
  }
  const auto turned = [&](const Output& m) {
    return ops::Transpose(s, m, {1, 0});
  };
  const auto column = [&](int32_t i) {
    return ops::Squeeze(s, ops::Slice(s, g.x(0), {0, i}, {-1, 1}), {1});
  };
  const Output rows = column(adjoint_a ? 1 : 0);
  const Output inner = column(adjoint_a ? 0 : 1);
  const Output b = adjoint_b ? turned(g.x(3)) : g.x(3);
  LS_RETURN_IF_ERROR(
      g.SetDx(1, ops::Sum(s,
                          ops::Mul(s, ops::Gather(s, g.dy(0), rows),
                                   ops::Gather(s, b, inner)),
                          int32_t{1})));
  const Output db = ops::SparseTensorDenseMatMul(s, g.x(0), g.x(1), g.x(2),
                                                 g.dy(0), !adjoint_a);
  return g.SetDx(3, adjoint_b ? turned(db) : db);
}

LOCKSTEP_OP("SparseTensorDenseMatMul")
    .Input("a_indices: Tindices")
    .Input("a_values: T")
    .Input("a_shape: int64")
    .Input("b: T")
    .Output("product: T")
    .Attr("T: type")
    .Attr("Tindices: {int32, int64} = DT_INT64")
    .Attr("adjoint_a: bool = false")
    .Attr("adjoint_b: bool = false")
    .Shape(ProductShape)
    .Gradient(ProductGradient)
    .NeedsValue({2})
    .Kernels<LS_FLOAT_TYPES, int32_t, LS_COMPLEX_TYPES>(kCpu, []<class T>() {
      return KernelDef{ProductCpu<T>};
    });

Status ReduceShape(ShapeContext& c) {
  LS_RETURN_IF_ERROR(c.WithRank(0, 2).status());
  LS_RETURN_IF_ERROR(c.WithRank(1, 1).status());
  LS_ASSIGN_OR_RETURN(const Shape x, c.InputAsShape(2));
  LS_ASSIGN_OR_RETURN(const auto axes, c.InputInts(3));
  if (!axes || !x.HasRank()) return c.SetOutput(0, Shape::Unknown());
  LS_ASSIGN_OR_RETURN(const AxisSet summed, ResolveAxes(*axes, x.rank()));
  Shape y;
  for (int d = 0; d < x.rank(); ++d) {
    if (!summed.test(static_cast<size_t>(d))) {
      y.AddDim(x.dim(d));
    } else if (c.Attr<bool>("keep_dims")) {
      y.AddDim(1);
    }
  }
  return c.SetOutput(0, y);
}

// The sum or, with kMax, the largest of the elements; 0 where there are none.
template <class T, bool kMax>
Status ReduceCpu(KernelContext& k) {
  using V = ValueType<T>;
  const auto dims = k.input(2).flat<int64_t>();
  const Indices given(k.input(3)), index(k.input(0));
  std::vector<int64_t> axes;
  for (int64_t i = 0; i < given.size(); ++i) axes.push_back(given[i]);
  LS_ASSIGN_OR_RETURN(const AxisSet summed,
                      ResolveAxes(axes, static_cast<int>(dims.size())));
  const auto rank = static_cast<int64_t>(dims.size());
  if (k.input(0).shape().dim(1) != rank ||
      k.input(0).shape().dim(0) != k.input(1).NumElements()) {
    return InvalidArgument("indices of shape ", k.input(0).shape(), ", ",
                           k.input(1).NumElements(), " values and ", rank,
                           " dimensions do not fit");
  }
  std::vector<V> y(static_cast<size_t>(k.output(0).NumElements()));
  std::vector<bool> seen(kMax ? y.size() : 0);
  for (int64_t e = 0; e < k.input(1).NumElements(); ++e) {
    int64_t at = 0;
    for (int64_t d = 0; d < rank; ++d) {
      const int64_t i = index[e * rank + d],
                    size = dims[static_cast<size_t>(d)];
      if (i < 0 || i >= size) {
        return InvalidArgument("indices[", e, ",", d, "] = ", i,
                               " is out of bounds: need 0 <= index < ", size);
      }
      if (!summed.test(static_cast<size_t>(d))) at = at * size + i;
    }
    V& to = y[static_cast<size_t>(at)];
    const V value = static_cast<V>(k.in<T>(1)[e]);
    if constexpr (kMax) {
      to = seen[static_cast<size_t>(at)] ? std::max(to, value) : value;
      seen[static_cast<size_t>(at)] = true;
    } else {
      to = static_cast<V>(to + value);
    }
  }
  for (size_t i = 0; i < y.size(); ++i) k.out<T>(0)[i] = T(y[i]);
  return Ok();
}

Status SumGradient(GradContext& g) {
  const Scope& s = g.scope();
  const Output kept = ops::Shape(
      s, ops::SparseReduceSum(s, g.x(0), g.x(1), g.x(2), g.x(3), true), kInt64);
  const Output scale = ops::FloorDiv(s, g.x(2), kept);
  return g.SetDx(1, ops::GatherNd(s, ops::Reshape(s, g.dy(0), kept),
                                  ops::FloorDiv(s, g.x(0), scale)));
}

// But for its types, kernels and gradient.
OpBuilder SparseReduction(const char* name, const char* types) {
  OpBuilder op(name);
  return op.Input("input_indices: int64")
      .Input("input_values: T")
      .Input("input_shape: int64")
      .Input("reduction_axes: int32")
      .Output("output: T")
      .Attr("keep_dims: bool = false")
      .Attr(StrCat("T: ", types))
      .Shape(ReduceShape)
      .NeedsValue({2, 3});
}

const OpRegistrar kReduceSum =
    SparseReduction("SparseReduceSum", "numbertype")
        .Gradient(SumGradient)
        .Kernels<LS_NUMBER_TYPES>(
            kCpu, []<class T>() { return KernelDef{ReduceCpu<T, false>}; });
const OpRegistrar kReduceMax =
    SparseReduction("SparseReduceMax", "realnumbertype")
        .NoGradient()
        .Kernels<LS_REAL_TYPES>(
            kCpu, []<class T>() { return KernelDef{ReduceCpu<T, true>}; });

}  // namespace

namespace ops {

Output SparseTensorDenseMatMul(const Scope& scope, const Input& a_indices,
                               const Input& a_values, const Input& a_shape,
                               const Input& b, bool adjoint_a, bool adjoint_b) {
  return scope.Op("SparseTensorDenseMatMul")
      .In(a_indices)
      .In(a_values)
      .In(a_shape)
      .In(b)
      .Attr("adjoint_a", adjoint_a)
      .Attr("adjoint_b", adjoint_b)
      .Out();
}
Output SparseReduceSum(const Scope& scope, const Input& indices,
                       const Input& values, const Input& shape,
                       const Input& axes, bool keep_dims) {
  return scope.Op("SparseReduceSum")
      .In(indices)
      .In(values)
      .In(shape)
      .In(axes)
      .Attr("keep_dims", keep_dims)
      .Out();
}

}  // namespace ops
}  // namespace lockstep
