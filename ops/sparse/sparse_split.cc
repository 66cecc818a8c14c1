// SPDX-License-Identifier: Apache-2.0

// SparseSplit: split_dim: int64 [], indices, values, shape of a sparse tensor
// -> num_split of them along that dimension, the first ones larger by one
// where it does not divide.   No gradient, as in TensorFlow.

#include "ops/array/slices.h"
#include "ops/math/elementwise.h"
#include "ops/sparse/sparse_inputs.h"

namespace lockstep {
namespace {

// Outputs are all indices, then all values, then all shapes.
Status SplitShape(ShapeContext& c) {
  LS_RETURN_IF_ERROR(c.WithRank(0, 0).status());
  LS_ASSIGN_OR_RETURN(const SparseShape in, SparseInputs(c, 1, 2, 3));
  const int n = c.num_outputs() / 3;
  for (int i = 0; i < n; ++i) {
    LS_RETURN_IF_ERROR(c.SetOutput(i, Shape{kUnknownDim, in.rank}));
    LS_RETURN_IF_ERROR(c.SetOutput(n + i, Shape{kUnknownDim}));
    LS_RETURN_IF_ERROR(c.SetOutput(2 * n + i, Shape{in.rank}));
  }
  return Ok();
}

// Of a dimension in `count` parts, the first `size % count` larger by one.
struct Parts {
  int64_t size, count;
  int64_t begin(int64_t part) const {
    return part * (size / count) + std::min(part, size % count);
  }
  int64_t of(int64_t at) const {
    const int64_t large = size % count, each = size / count;
    const int64_t first = large * (each + 1);  // of those without the one more
    return at < first ? at / (each + 1) : large + (at - first) / each;
  }
};

Status CheckInside(const int64_t* index, int64_t element,
                   std::span<const int64_t> dims) {
  for (size_t d = 0; d < dims.size(); ++d) {
    if (index[d] >= 0 && index[d] < dims[d]) continue;
    return InvalidArgument("Sparse index tuple indices[", element, ", :] = [",
                           Join(std::span(index, dims.size()), ", "),
                           "] is out of bounds");
  }
  return Ok();
}

Status SplitCpu(KernelContext& k) {
  const int n = k.num_outputs() / 3;
  const std::span dims(k.in<int64_t>(3),
                       static_cast<size_t>(k.input(3).NumElements()));
  const auto rank = static_cast<int64_t>(dims.size());
  int64_t axis = *k.in<int64_t>(0);
  if (axis < -rank || axis >= rank) {
    return InvalidArgument("Input axis should be in range [", -rank, ", ", rank,
                           "), got ", axis);
  }
  if (axis < 0) axis += rank;
  const Parts parts{dims[static_cast<size_t>(axis)], n};
  if (n > parts.size) {
    return InvalidArgument("Input num_split should be between 1 and the ",
                           "splitting dimension size (", parts.size, "), got ",
                           n);
  }
  std::vector<std::vector<int64_t>> elements(static_cast<size_t>(n));
  const int64_t* index = k.in<int64_t>(1);
  for (int64_t i = 0; i < k.input(2).NumElements(); ++i) {
    LS_RETURN_IF_ERROR(CheckInside(index + i * rank, i, dims));
    elements[static_cast<size_t>(parts.of(index[i * rank + axis]))].push_back(
        i);
  }
  const Slices values(k.input(2).dtype(), 1);
  for (int part = 0; part < n; ++part) {
    const auto& of = elements[static_cast<size_t>(part)];
    const auto count = static_cast<int64_t>(of.size());
    LS_RETURN_IF_ERROR(k.AllocateOutput(part, Shape{count, rank}));
    LS_RETURN_IF_ERROR(k.AllocateOutput(n + part, Shape{count}));
    for (int64_t i = 0; i < count; ++i) {
      const int64_t from = of[static_cast<size_t>(i)];
      int64_t* to = k.out<int64_t>(part) + i * rank;
      std::copy_n(index + from * rank, rank, to);
      to[axis] -= parts.begin(part);
      values.Copy(k.output(n + part).data(), i, k.input(2).data(), from);
    }
    int64_t* shape = k.out<int64_t>(2 * n + part);
    std::ranges::copy(dims, shape);
    shape[axis] = parts.begin(part + 1) - parts.begin(part);
  }
  return Ok();
}

LOCKSTEP_OP("SparseSplit")
    .Input("split_dim: int64")
    .Input("indices: int64")
    .Input("values: T")
    .Input("shape: int64")
    .Output("output_indices: num_split * int64")
    .Output("output_values: num_split * T")
    .Output("output_shape: num_split * int64")
    .Attr("num_split: int >= 1")
    .Attr("T: type")
    .Shape(SplitShape)
    .NoGradient()
    .Kernel(kCpu, {SplitCpu});

}  // namespace
}  // namespace lockstep
