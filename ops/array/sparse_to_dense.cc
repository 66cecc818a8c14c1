// SPDX-License-Identifier: Apache-2.0

// SparseToDense: `default_value` everywhere but at the given positions.
//   sparse_indices: int32|int64, [] or [n] (of a vector) or [n, rank]
//   output_shape: [rank]   sparse_values: T, [] for all or [n]
//   default_value: T []   dense: T
// With validate_indices they must ascend and not repeat.
// Gradients: dy's elements at the positions; the sum of the others.
// UnravelIndex: the positions, [rank, ...], of flat indices in a tensor of
// shape `dims`.
// NthElement: of each row the element that is n-th when sorted (reverse: from
// the largest).   Gradient: shared by the elements that equal it.

#include <algorithm>

#include "ops/array/array.h"
#include "ops/array/axes.h"
#include "ops/array/element_unit.h"
#include "ops/array/slices.h"
#include "ops/math/elementwise.h"
#include "ops/math/math.h"
#include "ops/reduce/reduce.h"
#include "runtime/graph/gradients.h"

namespace lockstep {
namespace {

Status DenseShape(ShapeContext& c) {
  LS_ASSIGN_OR_RETURN(Shape y, c.InputAsShape(1));
  const Shape& index = c.Input(0);
  if (index.HasRank() && index.rank() > 2) {
    return InvalidArgument("sparse_indices should be a scalar, vector, or ",
                           "matrix, got shape ", index);
  }
  if (index.HasRank() && y.HasRank()) {
    const int64_t k = index.rank() < 2 ? 1 : index.dim(1);
    if (k != kUnknownDim && k != y.rank()) {
      return InvalidArgument("output_shape ", y, " has ", y.rank(),
                             " dimensions, sparse_indices address ", k);
    }
  }
  LS_RETURN_IF_ERROR(c.WithRank(3, 0).status());
  if (index.IsFullyKnown() && c.Input(2).IsFullyKnown() &&
      !c.Input(2).IsScalar()) {
    const int64_t n = index.rank() == 0 ? 1 : index.dim(0);
    if (!(c.Input(2) == Shape{n})) {
      return InvalidArgument("sparse_values has incorrect shape ", c.Input(2),
                             ", should be [] or [", n, "]");
    }
  }
  return c.SetOutput(0, y);
}

template <class U>
Status DenseCpu(KernelContext& k) {
  const Shape& y = k.output(0).shape();
  const Indices index(k.input(0));
  const int64_t rank = y.rank();
  const int64_t n =
      k.input(0).shape().rank() == 0 ? 1 : k.input(0).shape().dim(0);
  const bool one = k.input(2).shape().IsScalar();
  const bool ascending = GetOr<bool>(k.attrs(), "validate_indices", true);
  U* dense = k.out<U>(0);
  std::fill_n(dense, k.output(0).NumElements(), k.in<U>(3)[0]);
  int64_t before = -1;
  for (int64_t i = 0; i < n; ++i) {
    int64_t at = 0;
    for (int64_t d = 0; d < rank; ++d) {
      const int64_t p = index[i * rank + d];
      if (p < 0 || p >= y.dim(static_cast<int>(d))) {
        return InvalidArgument("sparse_indices[", i, "] has ", p,
                               ", which is out of bounds of ", y);
      }
      at = at * y.dim(static_cast<int>(d)) + p;
    }
    if (ascending && at <= before) {
      return InvalidArgument("sparse_indices[", i, "] is ",
                             at == before ? "repeated" : "out of order");
    }
    before = at;
    dense[at] = k.in<U>(2)[one ? 0 : i];
  }
  return Ok();
}

Status DenseGradient(GradContext& g) {
  const Scope& s = g.scope();
  const Output index = g.x(0);
  const Output rows = index.shape().HasRank() && index.shape().rank() == 2
                          ? index
                          : ops::Reshape(s, index, {-1, 1});
  const Output taken = ops::GatherNd(s, g.dy(0), rows);
  const Output own = ops::Sum(s, taken, ops::ReduceAll(s, taken));
  const bool scalar = g.x(2).shape().HasRank() && g.x(2).shape().IsScalar();
  LS_RETURN_IF_ERROR(g.SetDx(2, scalar ? own : taken));
  const Output all = ops::Sum(s, g.dy(0), ops::ReduceAll(s, g.dy(0)));
  return g.SetDx(3, ops::Sub(s, all, own));
}

LOCKSTEP_OP("SparseToDense")
    .Input("sparse_indices: Tindices")
    .Input("output_shape: Tindices")
    .Input("sparse_values: T")
    .Input("default_value: T")
    .Output("dense: T")
    .Attr("validate_indices: bool = true")
    .Attr("T: type")
    .Attr("Tindices: {int32, int64}")
    .Shape(DenseShape)
    .Gradient(DenseGradient)
    .NeedsValue({1})
    .Kernels<LS_ANY_TYPES>(kCpu, []<class T>() {
      return KernelDef{DenseCpu<ElementUnit<T>>, nullptr, {"output_shape"}};
    });

Status UnravelShape(ShapeContext& c) {
  LS_ASSIGN_OR_RETURN(Shape dims, c.WithRank(1, 1));
  const Shape& index = c.Input(0);
  if (!index.HasRank()) return Ok();
  if (index.rank() > 1) {
    return InvalidArgument("The indices can only be scalar or vector, got ",
                           "shape ", index);
  }
  Shape y{dims.dim(0)};
  if (index.rank() == 1) y.AddDim(index.dim(0));
  return c.SetOutput(0, y);
}

Status UnravelCpu(KernelContext& k) {
  const Indices index(k.input(0)), dims(k.input(1));
  int64_t size = 1;
  for (int64_t d = 0; d < dims.size(); ++d) {
    if (dims[d] <= 0 || __builtin_mul_overflow(size, dims[d], &size)) {
      return InvalidArgument("dims[", d, "] = ", dims[d], " is not usable");
    }
  }
  for (int64_t i = 0; i < index.size(); ++i) {
    int64_t rest = index[i];
    if (rest < 0 || rest >= size) {
      return InvalidArgument("index ", rest, " is out of bound as with dims");
    }
    for (int64_t d = dims.size(); d-- > 0;) {
      SetInt(k.output(0), d * index.size() + i, rest % dims[d]);
      rest /= dims[d];
    }
  }
  return Ok();
}

LOCKSTEP_OP("UnravelIndex")
    .Input("indices: Tidx")
    .Input("dims: Tidx")
    .Output("output: Tidx")
    .Attr("Tidx: {int32, int64} = DT_INT32")
    .Shape(UnravelShape)
    .NoGradient()
    .Kernel(kCpu, {UnravelCpu});

Status NthShape(ShapeContext& c) {
  LS_ASSIGN_OR_RETURN(Shape y, c.WithRankAtLeast(0, 1));
  LS_RETURN_IF_ERROR(c.WithRank(1, 0).status());
  if (!y.HasRank()) return c.SetOutput(0, y);
  const int64_t width = y.dim(y.rank() - 1);
  const Tensor* n = c.InputValue(1);
  if (n != nullptr &&
      (IntAt(*n, 0) < 0 || (width != kUnknownDim && IntAt(*n, 0) >= width))) {
    return InvalidArgument("Input must have last dimension > n = ",
                           IntAt(*n, 0), ", has shape ", y);
  }
  y.RemoveDim(y.rank() - 1);
  return c.SetOutput(0, y);
}

template <class T>
Status NthCpu(KernelContext& k) {
  const Shape& x = k.input(0).shape();
  const int64_t width = x.dim(x.rank() - 1);
  const bool reverse = GetOr<bool>(k.attrs(), "reverse", false);
  const int64_t n = IntAt(k.input(1), 0);
  std::vector<T> row(static_cast<size_t>(width));
  const auto less = [](const T& a, const T& b) {
    return static_cast<ValueType<T>>(a) < static_cast<ValueType<T>>(b);
  };
  for (int64_t i = 0; i < k.output(0).NumElements(); ++i) {
    std::copy_n(k.in<T>(0) + i * width, width, row.begin());
    const auto at = row.begin() + (reverse ? width - 1 - n : n);
    std::nth_element(row.begin(), at, row.end(), less);
    k.out<T>(0)[i] = *at;
  }
  return Ok();
}

Status NthGradient(GradContext& g) {
  const Scope& s = g.scope();
  const Output y = ops::ExpandDims(s, g.y(0), -1);
  const Output hits =
      ops::Cast(s, ops::Equal(s, g.x(0), y), BaseOf(g.dy(0).dtype()));
  const Output share =
      ops::RealDiv(s, hits, ops::Sum(s, hits, {-1}, /*keep_dims=*/true));
  return g.SetDx(0, ops::Mul(s, share, ops::ExpandDims(s, g.dy(0), -1)));
}

LOCKSTEP_OP("NthElement")
    .Input("input: T")
    .Input("n: int32")
    .Output("values: T")
    .Attr("reverse: bool = false")
    .Attr("T: realnumbertype")
    .Shape(NthShape)
    .Gradient(NthGradient)
    .NeedsValue({1})
    .Kernels<LS_REAL_TYPES>(kCpu, []<class T>() {
      return KernelDef{NthCpu<T>, nullptr, {"n"}};
    });

}  // namespace

namespace ops {

Output SparseToDense(const Scope& scope, const Input& indices,
                     const Input& output_shape, const Input& values,
                     const Input& default_value, bool validate_indices) {
  return scope.Op("SparseToDense")
      .In(indices)
      .In(output_shape)
      .InPair(values, default_value)
      .Attr("validate_indices", validate_indices)
      .Out();
}
Output UnravelIndex(const Scope& scope, const Input& indices,
                    const Input& dims) {
  return scope.Op("UnravelIndex").InPair(indices, dims).Out();
}
Output NthElement(const Scope& scope, const Input& input, const Input& n,
                  bool reverse) {
  return scope.Op("NthElement").In(input).In(n).Attr("reverse", reverse).Out();
}

}  // namespace ops
}  // namespace lockstep
