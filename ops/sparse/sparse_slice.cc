// SPDX-License-Identifier: Apache-2.0

// SparseConcat: indices: N * int64 [n,rank], values: N * T [n], shapes: N *
// int64 [rank] -> the same of them one behind the other along concat_dim, in
// row-major order.   No gradient, as in TensorFlow.
// SparseSlice: indices, values, shape, start: int64 [rank], size: int64 [rank]
// -> what lies there, by its place in the slice, and the slice's shape
// SparseSliceGrad: backprop_val_grad: T [m], input_indices, input_start,
// output_indices: int64 [m,rank] -> val_grad: T [n]

#include "ops/array/slices.h"
#include "ops/math/elementwise.h"
#include "ops/sparse/sparse_inputs.h"
#include "runtime/graph/gradients.h"

namespace lockstep {
namespace {

Status ConcatShape(ShapeContext& c) {
  const int n = c.num_inputs() / 3;
  int64_t rank = kUnknownDim;
  for (int i = 0; i < n; ++i) {
    LS_ASSIGN_OR_RETURN(const SparseShape in,
                        SparseInputs(c, i, n + i, 2 * n + i));
    if (rank == kUnknownDim) rank = in.rank;
    if (in.rank == kUnknownDim || in.rank == rank) continue;
    return InvalidArgument("Ranks of all input tensors must match: expected ",
                           rank, " but got ", in.rank, " at position ", i);
  }
  const int64_t axis = c.Attr<int64_t>("concat_dim");
  if (rank != kUnknownDim && (axis < -rank || axis >= rank)) {
    return InvalidArgument("Concat dimension must be in range [", -rank, ", ",
                           rank, "), got ", axis);
  }
  return SetSparseOutputs(c, rank);
}

// Output 2: the shape of all inputs one behind the other along `axis`.
Status ConcatDims(KernelContext& k, int n, int64_t axis) {
  int64_t* dims = k.out<int64_t>(2);
  const int64_t rank = k.output(2).NumElements();
  std::copy_n(k.in<int64_t>(2 * n), rank, dims);
  for (int i = 1; i < n; ++i) {
    const int64_t* in = k.in<int64_t>(2 * n + i);
    for (int64_t d = 0; d < rank; ++d) {
      if (d == axis) {
        if (__builtin_add_overflow(dims[d], in[d], &dims[d])) {
          return InvalidArgument("the sum of the sizes of dimension ", d,
                                 " is too large");
        }
      } else if (in[d] != dims[d]) {
        return InvalidArgument("Input shapes must match: expected ", dims[d],
                               " for dimension ", d, " but got ", in[d],
                               " at position ", i);
      }
    }
  }
  return Ok();
}

Status ConcatCpu(KernelContext& k) {
  const int n = k.num_inputs() / 3;
  const int64_t rank = k.output(2).NumElements();
  int64_t axis = *GetIf<int64_t>(k.attrs(), "concat_dim");
  if (axis < 0) axis += rank;
  LS_RETURN_IF_ERROR(ConcatDims(k, n, axis));
  std::vector<int64_t> index;
  std::vector<std::pair<int, int64_t>> from;  // input, element
  int64_t offset = 0;
  for (int i = 0; i < n; ++i) {
    const auto in = k.input(i).flat<int64_t>();
    for (size_t e = 0; e < in.size(); ++e) {
      const bool moves = static_cast<int64_t>(e) % rank == axis;
      index.push_back(in[e] + (moves ? offset : 0));
    }
    for (int64_t e = 0; e < k.input(n + i).NumElements(); ++e) {
      from.emplace_back(i, e);
    }
    offset += k.in<int64_t>(2 * n + i)[axis];
  }
  const auto total = static_cast<int64_t>(from.size());
  LS_RETURN_IF_ERROR(k.AllocateOutput(0, Shape{total, rank}));
  LS_RETURN_IF_ERROR(k.AllocateOutput(1, Shape{total}));
  const std::vector<int64_t> order = RowMajorOrder(index.data(), total, rank);
  const Slices rows(kInt64, rank), values(k.output(1).dtype(), 1);
  for (int64_t i = 0; i < total; ++i) {
    const int64_t e = order[static_cast<size_t>(i)];
    const auto [input, element] = from[static_cast<size_t>(e)];
    rows.Copy(k.output(0).data(), i, index.data(), e);
    values.Copy(k.output(1).data(), i, k.input(n + input).data(), element);
  }
  return Ok();
}

LOCKSTEP_OP("SparseConcat")
    .Input("indices: N * int64")
    .Input("values: N * T")
    .Input("shapes: N * int64")
    .Output("output_indices: int64")
    .Output("output_values: T")
    .Output("output_shape: int64")
    .Attr("concat_dim: int")
    .Attr("N: int >= 2")
    .Attr("T: type")
    .Shape(ConcatShape)
    .NoGradient()
    .Kernel(kCpu, {ConcatCpu});

Status SliceShape(ShapeContext& c) {
  LS_ASSIGN_OR_RETURN(SparseShape in, SparseInputs(c, 0, 1, 2));
  for (int i = 3; i < 5; ++i) {
    LS_ASSIGN_OR_RETURN(const Shape part, c.WithRank(i, 1));
    if (in.rank == kUnknownDim) in.rank = part.dim(0);
    if (part.dim(0) == kUnknownDim || part.dim(0) == in.rank) continue;
    return InvalidArgument("Expected ", c.InputText(i),
                           " to be a vector of length ", in.rank,
                           " but got length ", part.dim(0));
  }
  return SetSparseOutputs(c, in.rank);
}

Status SliceCpu(KernelContext& k) {
  const int64_t rank = k.input(2).NumElements(), n = k.input(1).NumElements();
  const int64_t* start = k.in<int64_t>(3);
  int64_t* dims = k.out<int64_t>(2);
  for (int64_t d = 0; d < rank; ++d) {
    const int64_t size = k.in<int64_t>(4)[d], all = k.in<int64_t>(2)[d];
    if (size < 0) {
      return InvalidArgument("Expected a non-negative size, got ", size);
    }
    dims[d] = start[d] < all ? std::min(size, all - start[d]) : 0;
  }
  const int64_t* index = k.in<int64_t>(0);
  std::vector<int64_t> kept;
  for (int64_t i = 0; i < n; ++i) {
    bool inside = true;
    for (int64_t d = 0; d < rank; ++d) {
      const int64_t at = index[i * rank + d];
      inside = inside && at >= start[d] && at - start[d] < dims[d];
    }
    if (inside) kept.push_back(i);
  }
  const auto count = static_cast<int64_t>(kept.size());
  LS_RETURN_IF_ERROR(k.AllocateOutput(0, Shape{count, rank}));
  LS_RETURN_IF_ERROR(k.AllocateOutput(1, Shape{count}));
  const Slices values(k.output(1).dtype(), 1);
  for (int64_t i = 0; i < count; ++i) {
    const int64_t from = kept[static_cast<size_t>(i)];
    for (int64_t d = 0; d < rank; ++d) {
      k.out<int64_t>(0)[i * rank + d] = index[from * rank + d] - start[d];
    }
    values.Copy(k.output(1).data(), i, k.input(1).data(), from);
  }
  return Ok();
}

Status SliceGradient(GradContext& g) {
  return g.SetDx(1, g.scope()
                        .Op("SparseSliceGrad")
                        .In(g.dy(1))
                        .In(g.x(0))
                        .In(g.x(3))
                        .In(g.y(0))
                        .Out());
}

LOCKSTEP_OP("SparseSlice")
    .Input("indices: int64")
    .Input("values: T")
    .Input("shape: int64")
    .Input("start: int64")
    .Input("size: int64")
    .Output("output_indices: int64")
    .Output("output_values: T")
    .Output("output_shape: int64")
    .Attr("T: type")
    .Shape(SliceShape)
    .Gradient(SliceGradient)
    .Kernel(kCpu, {SliceCpu});

Status SliceGradShape(ShapeContext& c) {
  LS_RETURN_IF_ERROR(CheckPropagated(c, 3));
  LS_RETURN_IF_ERROR(c.WithRank(2, 1).status());
  return GradientOf(c, 1, 0);
}

template <class T>
Status SliceGradCpu(KernelContext& k) {
  const int64_t rank = k.input(1).shape().dim(1);
  if (k.input(2).NumElements() != rank || k.input(3).shape().dim(1) != rank) {
    return InvalidArgument("input_indices, input_start and output_indices ",
                           "have elements of ", rank, ", ",
                           k.input(2).NumElements(), " and ",
                           k.input(3).shape().dim(1), " dimensions");
  }
  const int64_t* start = k.in<int64_t>(2);
  const int64_t n = k.output(0).NumElements(), m = k.input(0).NumElements();
  int64_t used = 0;
  for (int64_t i = 0; i < n; ++i) {
    const int64_t* in = k.in<int64_t>(1) + i * rank;
    const int64_t* out = k.in<int64_t>(3) + used * rank;
    bool equal = used < m;
    for (int64_t d = 0; d < rank && equal; ++d) {
      equal = in[d] - start[d] == out[d];
    }
    k.out<T>(0)[i] = equal ? k.in<T>(0)[used++] : T{};
  }
  if (used == m) return Ok();
  return InvalidArgument("Elements of backprop_val_grad aren't all propagated.",
                         " Num elements: ", m, ", used: ", used);
}

LOCKSTEP_OP("SparseSliceGrad")
    .Input("backprop_val_grad: T")
    .Input("input_indices: int64")
    .Input("input_start: int64")
    .Input("output_indices: int64")
    .Output("val_grad: T")
    .Attr("T: numbertype")
    .Shape(SliceGradShape)
    .NoGradient()
    .Kernels<LS_NUMBER_TYPES>(kCpu, []<class T>() {
      return KernelDef{SliceGradCpu<T>};
    });

}  // namespace
}  // namespace lockstep
