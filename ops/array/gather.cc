// SPDX-License-Identifier: Apache-2.0

// GatherV2: the slices of `params` along an axis that `indices` number.
//   params: T, rank > axis   indices: int32|int64, any shape
//   axis: int32|int64 []     output: T, params' shape with the axis replaced
//   by the indices' dimensions behind the first batch_dims
// An index out of range is INVALID_ARGUMENT. Gather is GatherV2 with axis 0,
// ResourceGather too, from a resource variable.
// Gradient: dy's slices summed into a zero tensor by index; along axis 0 known
// as IndexedSlices.

#include <cstring>

#include "ops/array/array.h"
#include "ops/array/axes.h"
#include "ops/array/indexed_slices.h"
#include "ops/math/math.h"
#include "ops/reduce/reduce.h"
#include "ops/state/state.h"
#include "ops/state/variable_input.h"
#include "runtime/core/simd.h"
#include "runtime/core/threads.h"
#include "runtime/graph/gradients.h"
#include "runtime/op/kernel.h"
#include "runtime/op/rank_words.h"

namespace lockstep {
namespace {

// params as [batch, outer, n, inner], indices as [batch, count], output as
// [batch, outer, count, inner].
struct GatherState {
  int64_t batch = 1, outer = 1, n = 1, inner = 1, count = 1;
};

// Single elements that are worth a thread.
constexpr int64_t kElementGrain = 16384;

Status GatherShape(ShapeContext& c) {
  const Shape& params = c.Input(0);
  const Shape& indices = c.Input(1);
  const int64_t batch_attr = GetOr<int64_t>(c.attrs(), "batch_dims", 0);
  std::optional<int64_t> given = 0;
  if (c.num_inputs() > 2) {
    LS_ASSIGN_OR_RETURN(given, InputInt(c, 2));
  }
  if (!params.HasRank() || !indices.HasRank()) {
    return c.SetOutput(0, Shape::Unknown());
  }
  LS_RETURN_IF_ERROR(
      WithRankAtLeast(c, 0, 1,
                      "params must be at least 1 dimensional, has shape ")
          .status());
  if (batch_attr < -indices.rank() || batch_attr > indices.rank()) {
    return InvalidArgument("batch_dims ", batch_attr, " is not in [",
                           -indices.rank(), ", ", indices.rank(), "]");
  }
  const int batch = static_cast<int>(
      batch_attr < 0 ? batch_attr + indices.rank() : batch_attr);
  const int rank = params.rank() + indices.rank() - batch - 1;
  if (rank > Shape::kMaxRank || rank < 0) {
    return InvalidArgument("the output would have ", rank, " dimensions");
  }
  if (!given) return c.SetOutput(0, Shape::UnknownOfRank(rank));
  LS_ASSIGN_OR_RETURN(int axis, ResolveAxis(*given, params.rank()));
  if (axis < batch) {
    return InvalidArgument("axis ", axis, " must not be below batch_dims ",
                           batch);
  }
  Shape y;
  for (int d = 0; d < axis; ++d) {
    int64_t n = params.dim(d);
    if (d < batch && indices.dim(d) != kUnknownDim) {
      if (n != kUnknownDim && n != indices.dim(d)) {
        return InvalidArgument("params.shape[", d, "] = ", n,
                               " should be equal to indices.shape[", d,
                               "] = ", indices.dim(d));
      }
      n = indices.dim(d);
    }
    y.AddDim(n);
  }
  for (int d = batch; d < indices.rank(); ++d) y.AddDim(indices.dim(d));
  for (int d = axis + 1; d < params.rank(); ++d) y.AddDim(params.dim(d));
  return c.SetOutput(0, y);
}

Status PrepareGather(PrepareContext& c) {
  if (c.input_dtype(0) == kResource) {
    LS_RETURN_IF_ERROR(RequireVariable(c));
  }
  const Shape& params = c.input_shape(0);
  const Shape& indices = c.input_shape(1);
  const int64_t given = c.num_inputs() > 2 ? IntAt(*c.input_value(2), 0) : 0;
  LS_ASSIGN_OR_RETURN(int axis, ResolveAxis(given, params.rank()));
  const int64_t attr = GetOr<int64_t>(c.attrs(), "batch_dims", 0);
  const int batch = static_cast<int>(attr < 0 ? attr + indices.rank() : attr);
  GatherState& s = c.MakeState<GatherState>();
  s.batch = DimProduct(params, 0, batch);
  s.outer = DimProduct(params, batch, axis);
  s.n = params.dim(axis);
  s.inner = DimProduct(params, axis + 1, params.rank());
  s.count = DimProduct(indices, batch, indices.rank());
  return Ok();
}

// "[1,2]": where element i of a tensor is; nothing of a scalar.
std::string Place(const Shape& shape, int64_t i) {
  if (shape.rank() == 0) return "";
  std::vector<int64_t> at(static_cast<size_t>(shape.rank()));
  for (int d = shape.rank() - 1; d >= 0; --d) {
    at[static_cast<size_t>(d)] = i % shape.dim(d);
    i /= shape.dim(d);
  }
  return StrCat("[", Join(at, ","), "]");
}

template <class I>
Status CheckIndices(const Tensor& t, int64_t n) {
  const I* index = static_cast<const I*>(t.data());
  for (int64_t i = 0; i < t.NumElements(); ++i) {
    if (static_cast<uint64_t>(index[i]) >= static_cast<uint64_t>(n)) {
      return InvalidArgument("indices", Place(t.shape(), i), " = ", index[i],
                             " is not in [0, ", n, ")");
    }
  }
  return Ok();
}

// y[i] = x[index[i]] for single elements: copies of a size that is not known
// are calls.
template <class E, class I>
LS_SIMD_CLONES void PickElements(const E* x, const I* index, int64_t n, E* y) {
  for (int64_t i = 0; i < n; ++i) y[i] = x[index[i]];
}

template <class E, class I>
void GatherElements(const GatherState& s, const void* params, const I* index,
                    void* output) {
  const E* x = static_cast<const E*>(params);
  E* y = static_cast<E*>(output);
  if (s.batch * s.outer == 1) {
    ParallelFor(s.count, kElementGrain, [&](int64_t begin, int64_t end) {
      PickElements(x, index + begin, end - begin, y + begin);
    });
    return;
  }
  const int64_t rows = std::max<int64_t>(1, kElementGrain / s.count);
  ParallelFor(s.batch * s.outer, rows, [&](int64_t begin, int64_t end) {
    for (int64_t block = begin; block < end; ++block) {
      PickElements(x + block * s.n, index + block / s.outer * s.count, s.count,
                   y + block * s.count);
    }
  });
}

// Of elements of 1 to 8 bytes that lie apart; false for others.
template <class I>
bool GatherApart(const GatherState& s, DType dtype, const void* params,
                 const I* index, void* output) {
  if (s.inner != 1 || dtype == kString) return false;
  switch (DTypeSize(dtype)) {
    case 1: GatherElements<uint8_t>(s, params, index, output); return true;
    case 2: GatherElements<uint16_t>(s, params, index, output); return true;
    case 4: GatherElements<uint32_t>(s, params, index, output); return true;
    case 8: GatherElements<uint64_t>(s, params, index, output); return true;
    default: return false;
  }
}

template <class I>
Status GatherCpu(KernelContext& k) {
  const GatherState& s = k.state<GatherState>();
  if (k.output(0).NumElements() == 0) return Ok();
  LS_RETURN_IF_ERROR(CheckIndices<I>(k.input(1), s.n));
  const I* index = k.in<I>(1);
  const Tensor& params = k.input(0);
  Tensor& y = k.output(0);
  if (GatherApart(s, params.dtype(), params.data(), index, y.data())) {
    return Ok();
  }
  const bool strings = params.dtype() == kString;
  const int64_t bytes =
      s.inner * static_cast<int64_t>(DTypeSize(params.dtype()));
  ParallelFor(
      s.batch * s.outer * s.count,
      std::max<int64_t>(1, 65536 / std::max<int64_t>(1, bytes)),
      [&](int64_t begin, int64_t end) {
        for (int64_t row = begin; row < end; ++row) {
          const int64_t block = row / s.count;  // of [batch, outer]
          const int64_t at = block / s.outer * s.count + row % s.count;
          const int64_t from = block * s.n + static_cast<int64_t>(index[at]);
          if (strings) {
            std::copy_n(params.flat<std::string>().data() + from * s.inner,
                        s.inner, y.flat<std::string>().data() + row * s.inner);
          } else {
            std::memcpy(static_cast<char*>(y.data()) + row * bytes,
                        static_cast<const char*>(params.data()) + from * bytes,
                        static_cast<size_t>(bytes));
          }
        }
      });
  return Ok();
}

// Rows of params: dy is rows of the gradient.
Status RowsGradient(GradContext& g, Output shape) {
  const Scope& s = g.scope();
  const Output inner = ops::Slice(s, shape, {1}, {-1});
  const Output rows = ops::Reshape(s, ops::Size(s, g.x(1)), {1});
  const Output values =
      ops::Reshape(s, g.dy(0), ops::Concat(s, {rows, inner}, 0));
  return g.SetDx(0, ops::IndexedSlicesToDense(
                        s, values, ops::Reshape(s, g.x(1), {-1}),
                        ops::Squeeze(s, ops::Slice(s, shape, {0}, {1}))));
}

// For any axis and batch_dims: params as [blocks, n, inner], so that element
// (block, index) becomes row block * n + index of a [blocks * n, inner] sum.
Status GatherGradient(GradContext& g) {
  const Scope& s = g.scope();
  const Shape& params = g.x(0).shape();
  const Shape& indices = g.x(1).shape();
  const bool v2 = g.num_inputs() > 2;
  const bool resource = g.x(0).dtype() == kResource;
  int64_t axis = 0;
  if (v2) {
    const Output a = g.x(2);
    const Tensor& known = a.node->output_value(a.index);
    if (!known.defined()) {
      return Unimplemented("the gradient of GatherV2 needs a constant axis");
    }
    axis = IntAt(known, 0);
  }
  int64_t batch = GetOr<int64_t>(g.node()->attrs(), "batch_dims", 0);
  if (batch < 0 && indices.HasRank()) batch += indices.rank();
  if (axis < 0 && params.HasRank()) axis += params.rank();
  if (axis < 0 || batch < 0) {
    return Unimplemented("the gradient of GatherV2 with negative axis needs ",
                         "inputs of known rank");
  }
  const Output shape =
      resource ? ops::VariableShape(s, g.x(0)) : ops::Shape(s, g.x(0));
  if (axis == 0 && batch == 0) return RowsGradient(g, shape);
  const int32_t at = static_cast<int32_t>(axis);
  const int32_t b = static_cast<int32_t>(batch);
  const auto product = [&](const Output& part) {
    return ops::Reshape(s, ops::Prod(s, part, {0}), {1});
  };
  const Output inner = product(ops::Slice(s, shape, {at + 1}, {-1}));
  const Output n = ops::Slice(s, shape, {at}, {1});
  const Output outer = product(ops::Slice(s, shape, {b}, {at - b}));
  const Output batches = product(ops::Slice(s, shape, {0}, {b}));
  const Output blocks = ops::Mul(s, batches, outer);
  // ids[batch, outer, count] = (batch * outer + outer) * n + index
  const Output none = ops::Const(s, Tensor::Of<int32_t>(Shape{1}, {-1}));
  const Output one = ops::Const(s, Tensor::Of<int32_t>(Shape{1}, {1}));
  const Output index = ops::Reshape(s, ops::Cast(s, g.x(1), kInt32),
                                    ops::Concat(s, {batches, one, none}, 0));
  const Output first = ops::Reshape(
      s, ops::Mul(s, ops::Range(s, 0, ops::Squeeze(s, blocks), 1), n),
      ops::Concat(s, {batches, outer, one}, 0));
  const Output ids = ops::Reshape(s, ops::Add(s, first, index), {-1});
  const Output values = ops::Reshape(
      s, g.dy(0),
      ops::Concat(s, {ops::Reshape(s, ops::Size(s, ids), {1}), inner}, 0));
  const Output sum = ops::UnsortedSegmentSum(
      s, values, ids, ops::Squeeze(s, ops::Mul(s, blocks, n)));
  return g.SetDx(0, ops::Reshape(s, sum, shape));
}

OpBuilder GatherOp(const char* name, bool v2) {
  OpBuilder b(name);
  b.Input("params: Tparams").Input("indices: Tindices");
  if (v2) {
    b.Input("axis: Taxis")
        .Attr("batch_dims: int = 0")
        .Attr("Taxis: {int32, int64}")
        .NeedsValue({2});
  } else {
    b.Attr("validate_indices: bool = true");
  }
  b.Output("output: Tparams")
      .Attr("Tparams: type")
      .Attr("Tindices: {int32, int64}")
      .Shape(GatherShape)
      .Gradient(GatherGradient)
      .Kernel<int32_t>(kCpu, {GatherCpu<int32_t>, PrepareGather, {"axis"}},
                       "Tindices")
      .Kernel<int64_t>(kCpu, {GatherCpu<int64_t>, PrepareGather, {"axis"}},
                       "Tindices");
  return b;
}

OpBuilder ResourceGatherOp() {
  OpBuilder b("ResourceGather");
  b.Input("resource: resource")
      .Input("indices: Tindices")
      .Output("output: dtype")
      .Attr("batch_dims: int = 0")
      .Attr("validate_indices: bool = true")
      .Attr("dtype: type")
      .Attr("Tindices: {int32, int64}")
      .Shape(GatherShape)
      .Gradient(GatherGradient)
      .Stateful()
      .With([](OpTraits& t) { t.only_reads = true; })
      .Kernel<int32_t>(kCpu, {GatherCpu<int32_t>, PrepareGather}, "Tindices")
      .Kernel<int64_t>(kCpu, {GatherCpu<int64_t>, PrepareGather}, "Tindices");
  return b;
}

const OpRegistrar kResourceGather = ResourceGatherOp();
const OpRegistrar kGather = GatherOp("Gather", false);
const OpRegistrar kGatherV2 = GatherOp("GatherV2", true);

}  // namespace

namespace ops {

Output Gather(const Scope& scope, const Input& params, const Input& indices,
              const Input& axis, int batch_dims) {
  return scope.Op("GatherV2")
      .In(params)
      .In(indices)
      .In(axis)
      .Attr("batch_dims", batch_dims)
      .Out();
}

Output ResourceGather(const Scope& scope, const Input& handle,
                      const Input& indices, int batch_dims) {
  const Output variable = handle.Resolve(scope);
  return scope.Op("ResourceGather")
      .In(variable)
      .In(indices)
      .Attr("dtype", VariableDType(variable))
      .Attr("batch_dims", batch_dims)
      .Out();
}

}  // namespace ops
}  // namespace lockstep
