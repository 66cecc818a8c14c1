// SPDX-License-Identifier: Apache-2.0

// Split: `num_split` equal parts along an axis. SplitV: parts of given sizes,
// one of which may be -1: what is left.
//   Split: split_dim int32 [], value T     SplitV: value T, size_splits
//   int32|int64 [num_split], split_dim int32 []     output: num_split * T
// Gradient: the dys end to end.

#include "ops/array/array.h"
#include "ops/array/axes.h"
#include "ops/array/strided_copy.h"
#include "runtime/graph/gradients.h"
#include "runtime/op/kernel.h"
#include "runtime/op/shape_context.h"

namespace lockstep {
namespace {

Status UnknownParts(ShapeContext& c, const Shape& value) {
  const Shape s =
      value.HasRank() ? Shape::UnknownOfRank(value.rank()) : Shape::Unknown();
  for (int i = 0; i < c.num_outputs(); ++i) {
    LS_RETURN_IF_ERROR(c.SetOutput(i, s));
  }
  return Ok();
}

Result<int> SplitAxis(int64_t given, int rank) {
  const Result<int> axis = ResolveAxis(given, rank);
  if (axis.ok()) return axis;
  return InvalidArgument("-input rank(-", rank, ") <= split_dim < input rank (",
                         rank, "), but got ", given);
}

Status SplitShape(ShapeContext& c) {
  Shape s = c.Input(1);
  LS_ASSIGN_OR_RETURN(std::optional<int64_t> given, InputInt(c, 0));
  if (!s.HasRank() || !given) return UnknownParts(c, s);
  LS_ASSIGN_OR_RETURN(int axis, SplitAxis(*given, s.rank()));
  const int64_t n = s.dim(axis);
  if (n != kUnknownDim) {
    if (n % c.num_outputs() != 0) {
      return InvalidArgument(
          "Number of ways to split should evenly divide the ",
          "split dimension, but got split_dim ", axis, " (size = ", n,
          ") and num_split ", c.num_outputs());
    }
    s.set_dim(axis, n / c.num_outputs());
  }
  for (int i = 0; i < c.num_outputs(); ++i) {
    LS_RETURN_IF_ERROR(c.SetOutput(i, s));
  }
  return Ok();
}

Status SplitVShape(ShapeContext& c) {
  Shape s = c.Input(0);
  LS_ASSIGN_OR_RETURN(std::optional<int64_t> given, InputInt(c, 2));
  LS_ASSIGN_OR_RETURN(auto sizes, c.InputInts(1));
  if (!s.HasRank() || !given || !sizes) return UnknownParts(c, s);
  LS_ASSIGN_OR_RETURN(int axis, SplitAxis(*given, s.rank()));
  if (static_cast<int>(sizes->size()) != c.num_outputs()) {
    return InvalidArgument(
        "size of the split_tensor must be 1-D and have the same elements as "
        "outputs: has ",
        sizes->size(), " elements for ", c.num_outputs(), " outputs");
  }
  int64_t total = 0, open = 0;
  for (size_t i = 0; i < sizes->size(); ++i) {
    const int64_t n = (*sizes)[i];
    if (n < -1) {
      return InvalidArgument("Split size at index ", i,
                             " must be >= 0. Got: ", n);
    }
    (n == -1 ? open : total) += n == -1 ? 1 : n;
  }
  const int64_t n = s.dim(axis);
  if (open > 1) {
    return InvalidArgument("There can only be one -1 in the input: [",
                           Join(*sizes, ","), "]");
  }
  if (n != kUnknownDim && (open ? total > n : total != n)) {
    return InvalidArgument(
        "Determined shape must either match input shape along split_dim "
        "exactly if fully specified, or be less than the size of the input "
        "along split_dim if not fully specified.  Got: ",
        total, " by [", Join(*sizes, ","), "] for ", n);
  }
  for (int i = 0; i < c.num_outputs(); ++i) {
    const int64_t part = (*sizes)[static_cast<size_t>(i)];
    s.set_dim(axis, part >= 0 ? part : n == kUnknownDim ? n : n - total);
    LS_RETURN_IF_ERROR(c.SetOutput(i, s));
  }
  return Ok();
}

struct Part {
  StridedCopy copy;
  int64_t offset;  // bytes into the value
};
struct SplitState {
  int value = 0;  // the input that is split
  std::vector<Part> parts;
};

Status PrepareSplit(PrepareContext& c) {
  const bool v = c.def().name == "SplitV";
  SplitState& state = c.MakeState<SplitState>();
  state.value = v ? 0 : 1;
  const Shape& x = c.input_shape(state.value);
  LS_ASSIGN_OR_RETURN(
      int axis, ResolveAxis(IntAt(*c.input_value(v ? 2 : 0), 0), x.rank()));
  const DType dtype = c.input_dtype(state.value);
  const int64_t row = DimProduct(x, axis, x.rank());
  int64_t at = 0;
  for (int i = 0; i < c.num_outputs(); ++i) {
    const Shape& y = c.output_shape(i);
    const int64_t part = DimProduct(y, axis, y.rank());
    const int64_t dims[] = {DimProduct(y, 0, axis), part};
    const int64_t dst[] = {part, 1}, src[] = {row, 1};
    LS_ASSIGN_OR_RETURN(StridedCopy copy,
                        StridedCopy::Make(dtype, dims, dst, src));
    state.parts.push_back(
        {std::move(copy), at * static_cast<int64_t>(DTypeSize(dtype))});
    at += part;
  }
  return Ok();
}

Status SplitCpu(KernelContext& k) {
  const SplitState& s = k.state<SplitState>();
  const char* x = static_cast<const char*>(k.input(s.value).data());
  for (size_t i = 0; i < s.parts.size(); ++i) {
    LS_RETURN_IF_ERROR(s.parts[i].copy.Run(k.output(static_cast<int>(i)).data(),
                                           x + s.parts[i].offset, k.stream()));
  }
  return Ok();
}

Status JoinGradients(GradContext& g, int value, int axis) {
  std::vector<Output> dys;
  for (int i = 0; i < g.num_outputs(); ++i) dys.push_back(g.dy(i));
  return g.SetDx(value, ops::Concat(g.scope(), dys, g.x(axis)));
}
Status SplitGradient(GradContext& g) { return JoinGradients(g, 1, 0); }
Status SplitVGradient(GradContext& g) { return JoinGradients(g, 0, 2); }

LOCKSTEP_OP("Split")
    .Input("split_dim: int32")
    .Input("value: T")
    .Output("output: num_split * T")
    .Attr("num_split: int >= 1")
    .Attr("T: type")
    .Shape(SplitShape)
    .Gradient(SplitGradient)
    .NeedsValue({0})
    .Kernel(kCpu, {SplitCpu, PrepareSplit, {"split_dim"}});
LOCKSTEP_OP("SplitV")
    .Input("value: T")
    .Input("size_splits: Tlen")
    .Input("split_dim: int32")
    .Output("output: num_split * T")
    .Attr("num_split: int >= 1")
    .Attr("T: type")
    .Attr("Tlen: {int32, int64} = DT_INT64")
    .Shape(SplitVShape)
    .Gradient(SplitVGradient)
    .NeedsValue({1, 2})
    .Kernel(kCpu, {SplitCpu, PrepareSplit, {"size_splits", "split_dim"}});

}  // namespace

namespace ops {

std::vector<Output> Split(const Scope& scope, const Input& axis,
                          const Input& value, int num_split) {
  return scope.Op("Split")
      .In(axis)
      .In(value)
      .Attr("num_split", num_split)
      .Outs();
}
std::vector<Output> SplitV(const Scope& scope, const Input& value,
                           const Input& sizes, const Input& axis,
                           int num_split) {
  return scope.Op("SplitV")
      .In(value)
      .In(sizes)
      .In(axis)
      .Attr("num_split", num_split)
      .Outs();
}

}  // namespace ops
}  // namespace lockstep
