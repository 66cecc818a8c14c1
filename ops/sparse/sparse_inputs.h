// SPDX-License-Identifier: Apache-2.0
#pragma once

// What ops on sparse tensors share: the shapes of indices, values and dense
// shape, and the order of indices.

#include <algorithm>
#include <numeric>
#include <vector>

#include "runtime/op/shape_context.h"

namespace lockstep {

// Input `indices` as [n,rank] with values (unless -1) and a shape that fit.
struct SparseShape {
  int64_t count = kUnknownDim, rank = kUnknownDim;
};
inline Result<SparseShape> SparseInputs(const ShapeContext& c, int indices,
                                        int values, int shape) {
  LS_ASSIGN_OR_RETURN(const Shape index, c.WithRank(indices, 2));
  LS_ASSIGN_OR_RETURN(const Shape dense, c.WithRank(shape, 1));
  SparseShape s{index.dim(0), index.dim(1)};
  if (s.rank == kUnknownDim) s.rank = dense.dim(0);
  if (dense.dim(0) != kUnknownDim && dense.dim(0) != s.rank) {
    return InvalidArgument("indices of shape ", index, " and a shape of ",
                           dense.dim(0), " dimensions do not fit");
  }
  if (values < 0) return s;
  LS_ASSIGN_OR_RETURN(const Shape value, c.WithRank(values, 1));
  if (s.count == kUnknownDim) s.count = value.dim(0);
  if (value.dim(0) != kUnknownDim && value.dim(0) != s.count) {
    return InvalidArgument("The length of `values` (", value.dim(0),
                           ") must match the first dimension of `indices` (",
                           s.count, ").");
  }
  return s;
}

// Outputs 0 to 2 as a sparse tensor: indices [n,rank], values, dense shape.
inline Status SetSparseOutputs(ShapeContext& c, int64_t rank) {
  LS_RETURN_IF_ERROR(c.SetOutput(0, Shape{kUnknownDim, rank}));
  LS_RETURN_IF_ERROR(c.SetOutput(1, Shape{kUnknownDim}));
  return c.SetOutput(2, Shape{rank});
}

// Input `indices` [n,rank]; output `to` is [n].
inline Status GradientOf(ShapeContext& c, int indices, int to) {
  LS_ASSIGN_OR_RETURN(const Shape shape, c.WithRank(indices, 2));
  return c.SetOutput(to, Shape{shape.dim(0)});
}

// The gradients of input 0 and the indices of input `at` are as many.
inline Status CheckPropagated(const ShapeContext& c, int at) {
  LS_ASSIGN_OR_RETURN(const Shape grads, c.WithRank(0, 1));
  LS_ASSIGN_OR_RETURN(const Shape indices, c.WithRank(at, 2));
  const int64_t n = grads.dim(0), m = indices.dim(0);
  if (n == kUnknownDim || m == kUnknownDim || n == m) return Ok();
  return InvalidArgument("# elements of backprop_val_grad and # rows of ",
                         c.InputText(at), " should match: got ", n, " and ", m);
}

// Whether the index of `rank` numbers at `a` comes before that at `b`: -1, 0
// when they are equal, 1.
inline int CompareIndices(const int64_t* a, const int64_t* b, int64_t rank) {
  for (int64_t d = 0; d < rank; ++d) {
    if (a[d] != b[d]) return a[d] < b[d] ? -1 : 1;
  }
  return 0;
}

// The numbers of the n indices in row-major order.
inline std::vector<int64_t> RowMajorOrder(const int64_t* index, int64_t n,
                                          int64_t rank) {
  std::vector<int64_t> order(static_cast<size_t>(n));
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(order, [&](int64_t a, int64_t b) {
    return CompareIndices(index + a * rank, index + b * rank, rank) < 0;
  });
  return order;
}

}  // namespace lockstep
