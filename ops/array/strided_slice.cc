// SPDX-License-Identifier: Apache-2.0

// StridedSlice: x[begin:end:stride, ...] with TensorFlow's masks.
//   input: T, any rank   begin, end, strides: int32|int64 [n], n <= rank
//   bit i of a mask concerns index i: begin_mask, end_mask: from the start, to
//   the end; ellipsis_mask: `...`; new_axis_mask; shrink_axis_mask: x[i]
// StridedSliceGrad: dy put back where StridedSlice took it, zeros around.
// Gradients: of one, the other.

#include "ops/array/strided_slice.h"

#include <algorithm>
#include <cstring>

#include "ops/array/array.h"
#include "ops/array/strided_copy.h"
#include "runtime/device/stream.h"
#include "runtime/graph/gradients.h"
#include "runtime/op/kernel.h"

namespace lockstep {

StridedMasks StridedMasks::From(const AttrMap& attrs) {
  return {GetOr<int64_t>(attrs, "begin_mask", 0),
          GetOr<int64_t>(attrs, "end_mask", 0),
          GetOr<int64_t>(attrs, "ellipsis_mask", 0),
          GetOr<int64_t>(attrs, "new_axis_mask", 0),
          GetOr<int64_t>(attrs, "shrink_axis_mask", 0)};
}

namespace {

bool Bit(int64_t mask, size_t i) { return (mask >> i & 1) != 0; }

// One index on an axis of `n` elements, appended to `r`.
Status AddIndex(int64_t n, int64_t begin, int64_t end, int64_t stride,
                bool from_start, bool to_end, bool shrink, StridedRange* r) {
  if (stride == 0) return InvalidArgument("strides must be non-zero");
  if (shrink) {
    if (stride < 0) {
      return InvalidArgument("only stride 1 allowed on non-range indexing");
    }
    const int64_t at = begin < 0 && n >= 0 ? begin + n : begin;
    if (n >= 0 && (at < 0 || at >= n)) {
      return InvalidArgument("slice index ", begin, " of dimension ",
                             r->begin.size(), " out of bounds");
    }
    r->begin.push_back(at);
    r->stride.push_back(1);
    r->count.push_back(1);
    r->output_axis.push_back(-1);
    return Ok();
  }
  r->stride.push_back(stride);
  r->output_axis.push_back(r->output.rank());
  if (n < 0) {
    r->begin.push_back(begin);
    r->count.push_back(kUnknownDim);
    r->output.AddDim(kUnknownDim);
    return Ok();
  }
  // Where a walk may begin and end: [0, n] forwards, [-1, n - 1] backwards.
  const int64_t low = stride > 0 ? 0 : -1;
  const int64_t high = stride > 0 ? n : n - 1;
  const auto clamp = [&](int64_t i) {
    return std::clamp(i < 0 ? i + n : i, low, high);
  };
  const int64_t first = from_start ? (stride > 0 ? low : high) : clamp(begin);
  const int64_t last = to_end ? (stride > 0 ? high : low) : clamp(end);
  const int64_t distance = last - first;
  int64_t count = 0;
  if (distance != 0 && (distance < 0) == (stride < 0)) {
    count = distance / stride + (distance % stride != 0 ? 1 : 0);
  }
  r->begin.push_back(first);
  r->count.push_back(count);
  r->output.AddDim(count);
  return Ok();
}

}  // namespace

Result<StridedRange> ResolveStrides(const Shape& input,
                                    std::span<const int64_t> begin,
                                    std::span<const int64_t> end,
                                    std::span<const int64_t> strides,
                                    const StridedMasks& masks) {
  const size_t n = begin.size();
  if (end.size() != n || strides.size() != n || n > 2 * Shape::kMaxRank) {
    return InvalidArgument("Expected begin, end, and strides to be 1D equal ",
                           "size tensors, but got sizes ", n, ", ", end.size(),
                           " and ", strides.size());
  }
  // How many axes `...` stands for: one at the end when there is none.
  int ellipses = 0, named = 0, added = 0;
  for (size_t i = 0; i < n; ++i) {
    if (Bit(masks.ellipsis, i)) {
      ++ellipses;
    } else if (Bit(masks.new_axis, i)) {
      ++added;
    } else {
      ++named;
    }
  }
  if (ellipses > 1) {
    return InvalidArgument("Multiple ellipses in slice spec not allowed");
  }
  const int rest = input.rank() - named;
  if (rest < 0 && input.rank() == 0) {
    return InvalidArgument("Attempting to slice scalar input.");
  }
  if (rest < 0) {
    return InvalidArgument("Index out of range using input dim ", input.rank(),
                           "; input has only ", input.rank(), " dims");
  }
  if (input.rank() + added > Shape::kMaxRank) {
    return InvalidArgument("the output would have ", input.rank() + added,
                           " dimensions");
  }
  StridedRange r;
  int axis = 0;
  const auto take_all = [&](int axes) {
    for (int a = 0; a < axes; ++a, ++axis) {
      const int64_t size = input.dim(axis);
      r.begin.push_back(0);
      r.stride.push_back(1);
      r.count.push_back(size);
      r.output_axis.push_back(r.output.rank());
      r.output.AddDim(size);
    }
  };
  for (size_t i = 0; i < n; ++i) {
    if (Bit(masks.ellipsis, i)) {
      take_all(rest);
    } else if (Bit(masks.new_axis, i)) {
      r.output.AddDim(1);
    } else {
      LS_RETURN_IF_ERROR(AddIndex(input.dim(axis), begin[i], end[i], strides[i],
                                  Bit(masks.begin, i), Bit(masks.end, i),
                                  Bit(masks.shrink_axis, i), &r));
      ++axis;
    }
  }
  if (ellipses == 0) take_all(rest);
  return r;
}

namespace {

Status SliceShape(ShapeContext& c) {
  LS_ASSIGN_OR_RETURN(auto begin, c.InputInts(1));
  LS_ASSIGN_OR_RETURN(auto end, c.InputInts(2));
  LS_ASSIGN_OR_RETURN(auto strides, c.InputInts(3));
  if (!c.Input(0).HasRank() || !begin || !end || !strides) {
    return c.SetOutput(0, Shape::Unknown());
  }
  LS_ASSIGN_OR_RETURN(StridedRange r,
                      ResolveStrides(c.Input(0), *begin, *end, *strides,
                                     StridedMasks::From(c.attrs())));
  return c.SetOutput(0, r.output);
}

Status GradShape(ShapeContext& c) {
  LS_ASSIGN_OR_RETURN(Shape x, c.InputAsShape(0));
  return c.SetOutput(0, x);
}

struct SliceState {
  StridedCopy copy;
  int64_t offset = 0;  // bytes, of the first element in the whole
};

// The block of `whole` that is taken, copied to (`back`: from) a dense one.
// Inputs first .. first + 2 are begin, end, strides.
Result<SliceState> MakeSlice(const PrepareContext& c, const Shape& whole,
                             DType dtype, int first, bool back) {
  LS_ASSIGN_OR_RETURN(auto begin, ToInt64s(*c.input_value(first)));
  LS_ASSIGN_OR_RETURN(auto end, ToInt64s(*c.input_value(first + 1)));
  LS_ASSIGN_OR_RETURN(auto strides, ToInt64s(*c.input_value(first + 2)));
  LS_ASSIGN_OR_RETURN(StridedRange r,
                      ResolveStrides(whole, begin, end, strides,
                                     StridedMasks::From(c.attrs())));
  std::vector<int64_t> in_whole = RowMajorStrides(whole);
  int64_t at = 0;
  for (size_t d = 0; d < in_whole.size(); ++d) {
    at += r.begin[d] * in_whole[d];
    if (r.count[d] > 1) in_whole[d] *= r.stride[d];
  }
  const std::vector<int64_t> dense = RowMajorStrides(Shape(r.count));
  LS_ASSIGN_OR_RETURN(StridedCopy copy,
                      StridedCopy::Make(dtype, r.count, back ? in_whole : dense,
                                        back ? dense : in_whole));
  return SliceState{std::move(copy),
                    at * static_cast<int64_t>(DTypeSize(dtype))};
}

Status PrepareSlice(PrepareContext& c) {
  LS_ASSIGN_OR_RETURN(
      SliceState s, MakeSlice(c, c.input_shape(0), c.input_dtype(0), 1, false));
  c.MakeState<SliceState>(std::move(s));
  return Ok();
}

Status SliceCpu(KernelContext& k) {
  const SliceState& s = k.state<SliceState>();
  if (s.copy.size() == 0) return Ok();
  return s.copy.Run(k.output(0).data(),
                    static_cast<const char*>(k.input(0).data()) + s.offset,
                    k.stream());
}

Status PrepareGrad(PrepareContext& c) {
  LS_ASSIGN_OR_RETURN(
      SliceState s, MakeSlice(c, c.output_shape(0), c.input_dtype(4), 1, true));
  if (s.copy.size() != c.input_shape(4).NumElements()) {
    return InvalidArgument("shape of dy was ", c.input_shape(4),
                           ", which has not the ", s.copy.size(),
                           " elements that were taken");
  }
  c.MakeState<SliceState>(std::move(s));
  return Ok();
}

Status GradCpu(KernelContext& k) {
  const SliceState& s = k.state<SliceState>();
  Tensor& y = k.output(0);
  LS_RETURN_IF_ERROR(ClearBytes(y.data(), y.bytes(), k.stream()));
  if (y.bytes() == 0 || s.copy.size() == 0) return Ok();
  return s.copy.Run(static_cast<char*>(y.data()) + s.offset, k.input(4).data(),
                    k.stream());
}

NodeBuilder WithMasks(NodeBuilder node, GradContext& g) {
  for (const char* mask : {"begin_mask", "end_mask", "ellipsis_mask",
                           "new_axis_mask", "shrink_axis_mask"}) {
    node.Attr(mask, g.Attr<int64_t>(mask));
  }
  return node;
}

Status SliceGradient(GradContext& g) {
  const Scope& s = g.scope();
  const Output shape = ops::Shape(s, g.x(0), BaseOf(g.x(1).dtype()));
  NodeBuilder node = s.Op("StridedSliceGrad");
  node.In(shape).In(g.x(1)).In(g.x(2)).In(g.x(3)).In(g.dy(0));
  return g.SetDx(0, WithMasks(std::move(node), g).Out());
}

Status GradGradient(GradContext& g) {
  NodeBuilder node = g.scope().Op("StridedSlice");
  node.In(g.dy(0)).In(g.x(1)).In(g.x(2)).In(g.x(3));
  return g.SetDx(4, WithMasks(std::move(node), g).Out());
}

OpBuilder& Masks(OpBuilder& b) {
  return b.Attr("begin_mask: int = 0")
      .Attr("end_mask: int = 0")
      .Attr("ellipsis_mask: int = 0")
      .Attr("new_axis_mask: int = 0")
      .Attr("shrink_axis_mask: int = 0");
}

OpBuilder SliceOp() {
  OpBuilder b("StridedSlice");
  b.Input("input: T").Input("begin: Index").Input("end: Index");
  b.Input("strides: Index").Output("output: T").Attr("T: type");
  Masks(b.Attr("Index: {int32, int64}"))
      .Shape(SliceShape)
      .Gradient(SliceGradient)
      .NeedsValue({1, 2, 3})
      .Kernel(kCpu, {SliceCpu, PrepareSlice, {"begin", "end", "strides"}});
  return b;
}
OpBuilder GradOp() {
  OpBuilder b("StridedSliceGrad");
  b.Input("shape: Index").Input("begin: Index").Input("end: Index");
  b.Input("strides: Index").Input("dy: T").Output("output: T");
  Masks(b.Attr("T: type").Attr("Index: {int32, int64}"))
      .Shape(GradShape)
      .Gradient(GradGradient)
      .NeedsValue({0, 1, 2, 3})
      .Kernel(kCpu,
              {GradCpu, PrepareGrad, {"shape", "begin", "end", "strides"}});
  return b;
}

const OpRegistrar kStridedSlice = SliceOp();
const OpRegistrar kStridedSliceGrad = GradOp();

}  // namespace

namespace ops {

Output StridedSlice(const Scope& scope, const Input& input, const Input& begin,
                    const Input& end, const Input& strides,
                    const StridedSliceMasks& masks) {
  return scope.Op("StridedSlice")
      .In(input)
      .In(begin)
      .In(end)
      .In(strides)
      .Attr("begin_mask", masks.begin)
      .Attr("end_mask", masks.end)
      .Attr("ellipsis_mask", masks.ellipsis)
      .Attr("new_axis_mask", masks.new_axis)
      .Attr("shrink_axis_mask", masks.shrink_axis)
      .Out();
}

}  // namespace ops
}  // namespace lockstep
