// SPDX-License-Identifier: Apache-2.0

// SparseFillEmptyRows: indices: int64 [n,rank], values: T [n], dense_shape:
// int64 [rank], default_value: T [] -> the same with one element more in each
// row that has none; output_indices [m,rank], output_values [m] by rows,
// empty_row_indicator: bool [rows], reverse_index_map: int64 [n]
// SparseFillEmptyRowsGrad: reverse_index_map, grad_values: T [m] -> d_values
// [n], d_default_value []
// SparseReorder: elements in row-major order.   Gradient: put back.
// SparseReshape: input_indices, input_shape, new_shape -> output_indices,
// output_shape

#include <algorithm>

#include "ops/array/array.h"
#include "ops/array/slices.h"
#include "ops/math/elementwise.h"
#include "ops/sparse/sparse.h"
#include "ops/sparse/sparse_inputs.h"
#include "runtime/graph/gradients.h"

namespace lockstep {
namespace {

Status FillShape(ShapeContext& c) {
  LS_ASSIGN_OR_RETURN(const SparseShape in, SparseInputs(c, 0, 1, 2));
  LS_RETURN_IF_ERROR(c.WithRank(3, 0).status());
  LS_ASSIGN_OR_RETURN(const auto dense, c.InputInts(2));
  if (dense && dense->empty()) {
    return InvalidArgument("Dense shape cannot be empty.");
  }
  LS_RETURN_IF_ERROR(c.SetOutput(0, Shape{kUnknownDim, in.rank}));
  LS_RETURN_IF_ERROR(c.SetOutput(1, Shape{kUnknownDim}));
  LS_RETURN_IF_ERROR(c.SetOutput(
      2, Shape{dense && (*dense)[0] >= 0 ? (*dense)[0] : kUnknownDim}));
  return c.SetOutput(3, Shape{in.count});
}

// The element of default_value, or of row i.
template <class T>
Status FillCpu(KernelContext& k) {
  const auto index = k.input(0).flat<int64_t>();
  const auto n = k.input(0).shape().dim(0), rank = k.input(0).shape().dim(1);
  if (rank == 0) return InvalidArgument("Dense shape cannot be empty.");
  const int64_t rows = k.in<int64_t>(2)[0];
  if (rows < 0) return InvalidArgument("dense_shape[0] is ", rows);
  if (rows == 0 && n != 0) {
    return InvalidArgument("Received SparseTensor with dense_shape[0] = 0 but ",
                           "indices.shape[0] = ", n);
  }
  // How many elements rows have; then where each row begins.
  LS_RETURN_IF_ERROR(k.AllocateOutput(2, Shape{rows}));
  LS_RETURN_IF_ERROR(k.AllocateOutput(3, Shape{n}));
  std::vector<int64_t> begin(static_cast<size_t>(rows) + 1, 0);
  for (int64_t i = 0; i < n; ++i) {
    const int64_t row = index[static_cast<size_t>(i * rank)];
    if (row < 0 || row >= rows) {
      return InvalidArgument("indices(", i, ", 0) is invalid: ", row,
                             " >= ", rows);
    }
    ++begin[static_cast<size_t>(row) + 1];
  }
  for (int64_t r = 0; r < rows; ++r) {
    int64_t& size = begin[static_cast<size_t>(r) + 1];
    k.out<bool>(2)[r] = size == 0;
    size = std::max<int64_t>(size, 1) + begin[static_cast<size_t>(r)];
  }
  LS_RETURN_IF_ERROR(k.AllocateOutput(0, Shape{begin.back(), rank}));
  LS_RETURN_IF_ERROR(k.AllocateOutput(1, Shape{begin.back()}));
  int64_t* to = k.out<int64_t>(0);
  for (int64_t r = 0; r < rows; ++r) {
    if (!k.out<bool>(2)[r]) continue;
    const int64_t at = begin[static_cast<size_t>(r)];
    std::fill_n(to + at * rank, rank, 0);
    to[at * rank] = r;
    k.out<T>(1)[at] = k.in<T>(3)[0];
  }
  for (int64_t i = 0; i < n; ++i) {
    const int64_t* from = index.data() + i * rank;
    const int64_t at = begin[static_cast<size_t>(from[0])]++;
    std::copy_n(from, rank, to + at * rank);
    k.out<T>(1)[at] = k.in<T>(1)[i];
    k.out<int64_t>(3)[i] = at;
  }
  return Ok();
}

Status FillGradShape(ShapeContext& c) {
  LS_ASSIGN_OR_RETURN(const Shape map, c.WithRank(0, 1));
  LS_RETURN_IF_ERROR(c.WithRank(1, 1).status());
  LS_RETURN_IF_ERROR(c.SetOutput(0, map));
  return c.SetOutput(1, Shape{});
}

template <class T>
Status FillGradCpu(KernelContext& k) {
  using V = ValueType<T>;
  const int64_t m = k.input(1).NumElements();
  std::vector<bool> used(static_cast<size_t>(m));
  const auto map = k.input(0).flat<int64_t>();
  for (size_t i = 0; i < map.size(); ++i) {
    if (map[i] < 0 || map[i] >= m) {
      return InvalidArgument("Elements in reverse index must be in [0, ", m,
                             ") but got ", map[i]);
    }
    k.out<T>(0)[i] = k.in<T>(1)[map[i]];
    used[static_cast<size_t>(map[i])] = true;
  }
  V rest{};
  for (int64_t j = 0; j < m; ++j) {
    if (!used[static_cast<size_t>(j)]) {
      rest = static_cast<V>(rest + static_cast<V>(k.in<T>(1)[j]));
    }
  }
  k.out<T>(1)[0] = T(rest);
  return Ok();
}

Status FillGradient(GradContext& g) {
  const std::vector<Output> d =
      g.scope().Op("SparseFillEmptyRowsGrad").In(g.y(3)).In(g.dy(1)).Outs();
  if (d.size() != 2) return g.scope().status();
  LS_RETURN_IF_ERROR(g.SetDx(1, d[0]));
  return g.SetDx(3, d[1]);
}

LOCKSTEP_OP("SparseFillEmptyRows")
    .Input("indices: int64")
    .Input("values: T")
    .Input("dense_shape: int64")
    .Input("default_value: T")
    .Output("output_indices: int64")
    .Output("output_values: T")
    .Output("empty_row_indicator: bool")
    .Output("reverse_index_map: int64")
    .Attr("T: type")
    .Shape(FillShape)
    .Gradient(FillGradient)
    .Kernels<LS_NUMBER_TYPES, bool, std::string>(kCpu, []<class T>() {
      return KernelDef{FillCpu<T>};
    });

LOCKSTEP_OP("SparseFillEmptyRowsGrad")
    .Input("reverse_index_map: int64")
    .Input("grad_values: T")
    .Output("d_values: T")
    .Output("d_default_value: T")
    .Attr("T: type")
    .Shape(FillGradShape)
    .NoGradient()
    .Kernels<LS_NUMBER_TYPES>(kCpu, []<class T>() {
      return KernelDef{FillGradCpu<T>};
    });

Status ReorderShape(ShapeContext& c) {
  LS_ASSIGN_OR_RETURN(const SparseShape in, SparseInputs(c, 0, 1, 2));
  LS_RETURN_IF_ERROR(c.SetOutput(0, Shape{in.count, in.rank}));
  return c.SetOutput(1, Shape{in.count});
}

Status ReorderCpu(KernelContext& k) {
  const auto n = k.input(0).shape().dim(0), rank = k.input(0).shape().dim(1);
  const int64_t* index = k.in<int64_t>(0);
  const std::vector<int64_t> order = RowMajorOrder(index, n, rank);
  const Slices rows(kInt64, rank), values(k.input(1).dtype(), 1);
  for (int64_t i = 0; i < n; ++i) {
    rows.Copy(k.output(0).data(), i, index, order[static_cast<size_t>(i)]);
    values.Copy(k.output(1).data(), i, k.input(1).data(),
                order[static_cast<size_t>(i)]);
  }
  return Ok();
}

// The order is found by moving the numbers of the elements.
Status ReorderGradient(GradContext& g) {
  const Scope& s = g.scope();
  const Output numbers = ops::Range(s, 0, ops::Size(s, g.x(1)), 1);
  const Output order = ops::SparseReorder(s, g.x(0), numbers, g.x(2)).values;
  return g.SetDx(1, ops::Gather(s, g.dy(1), ops::InvertPermutation(s, order)));
}

LOCKSTEP_OP("SparseReorder")
    .Input("input_indices: int64")
    .Input("input_values: T")
    .Input("input_shape: int64")
    .Output("output_indices: int64")
    .Output("output_values: T")
    .Attr("T: type")
    .Shape(ReorderShape)
    .Gradient(ReorderGradient)
    .Kernel(kCpu, {ReorderCpu});

// The new shape with its -1, if any, found.
Result<std::vector<int64_t>> ShapeWanted(std::span<const int64_t> old,
                                         std::span<const int64_t> asked) {
  int64_t size = 1, product = 1, missing = -1;
  for (const int64_t d : old) {
    if (d < 0 || __builtin_mul_overflow(size, d, &size)) {
      return InvalidArgument("input_shape is not usable: it has ", d);
    }
  }
  std::vector<int64_t> shape(asked.begin(), asked.end());
  for (size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] == -1 && missing >= 0) {
      return InvalidArgument("only one output dimension may be -1, not both ",
                             missing, " and ", i);
    }
    if (shape[i] == -1) {
      missing = static_cast<int64_t>(i);
    } else if (shape[i] < 0 ||
               __builtin_mul_overflow(product, shape[i], &product)) {
      return InvalidArgument("size ", i, " must be non-negative, not ",
                             shape[i]);
    }
  }
  if (missing >= 0) {
    if (product == 0) {
      return InvalidArgument(
          "reshape cannot infer the missing input size for an empty tensor ",
          "unless all specified input sizes are non-zero");
    }
    shape[static_cast<size_t>(missing)] = size / product;
    product *= size / product;
  }
  if (product != size) {
    return InvalidArgument("Input to reshape is a tensor with ", size,
                           " dense values, but the requested shape has ",
                           product);
  }
  return shape;
}

Status ReshapeShape(ShapeContext& c) {
  LS_ASSIGN_OR_RETURN(const SparseShape in, SparseInputs(c, 0, -1, 1));
  LS_ASSIGN_OR_RETURN(const Shape wanted, c.WithRank(2, 1));
  LS_RETURN_IF_ERROR(c.SetOutput(0, Shape{in.count, wanted.dim(0)}));
  return c.SetOutput(1, wanted);
}

Status ReshapeCpu(KernelContext& k) {
  const auto old = k.input(1).flat<int64_t>();
  LS_ASSIGN_OR_RETURN(const std::vector<int64_t> shape,
                      ShapeWanted(old, k.input(2).flat<int64_t>()));
  std::ranges::copy(shape, k.out<int64_t>(1));
  const int64_t* from = k.in<int64_t>(0);
  int64_t* to = k.out<int64_t>(0);
  for (int64_t i = 0; i < k.input(0).shape().dim(0); ++i) {
    int64_t at = 0;
    for (const int64_t size : old) {
      if (*from < 0 || *from >= size) {
        return InvalidArgument("index ", *from, " of element ", i,
                               " is out of bounds of a dimension of ", size);
      }
      at = at * size + *from++;
    }
    to += shape.size();
    for (size_t d = shape.size(); d-- > 0;) {
      to[static_cast<int64_t>(d) - static_cast<int64_t>(shape.size())] =
          at % shape[d];
      at /= shape[d];
    }
  }
  return Ok();
}

LOCKSTEP_OP("SparseReshape")
    .Input("input_indices: int64")
    .Input("input_shape: int64")
    .Input("new_shape: int64")
    .Output("output_indices: int64")
    .Output("output_shape: int64")
    .Shape(ReshapeShape)
    .NoGradient()
    .Kernel(kCpu, {ReshapeCpu});

ops::SparseOutputs Pair(const std::vector<Output>& outs) {
  return outs.size() < 2 ? ops::SparseOutputs{}
                         : ops::SparseOutputs{outs[0], outs[1]};
}

}  // namespace

namespace ops {

FilledRows SparseFillEmptyRows(const Scope& scope, const Input& indices,
                               const Input& values, const Input& dense_shape,
                               const Input& default_value) {
  const std::vector<Output> outs = scope.Op("SparseFillEmptyRows")
                                       .In(indices)
                                       .In(values)
                                       .In(dense_shape)
                                       .In(default_value)
                                       .Outs();
  if (outs.size() < 4) return {};
  return {outs[0], outs[1], outs[2], outs[3]};
}
SparseOutputs SparseReshape(const Scope& scope, const Input& indices,
                            const Input& shape, const Input& new_shape) {
  return Pair(
      scope.Op("SparseReshape").In(indices).In(shape).In(new_shape).Outs());
}
SparseOutputs SparseReorder(const Scope& scope, const Input& indices,
                            const Input& values, const Input& shape) {
  return Pair(
      scope.Op("SparseReorder").In(indices).In(values).In(shape).Outs());
}

}  // namespace ops
}  // namespace lockstep
