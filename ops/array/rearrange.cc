// SPDX-License-Identifier: Apache-2.0

// SpaceToDepth, DepthToSpace: blocks of block_size x block_size positions to
// the channels and back; data_format NHWC or NCHW.
//   input: T, rank 4   output: T, [b, h / n, w / n, c n n] and the other way
// Roll: elements moved along axes by `shift`, those pushed out entering at the
// other end.   shift, axis: int32|int64, a scalar or vectors of one length
// Gradients: of one, the other; Roll: rolled back.

#include "ops/array/array.h"
#include "ops/array/axes.h"
#include "ops/array/slices.h"
#include "ops/array/strided_copy.h"
#include "ops/math/math.h"
#include "runtime/core/threads.h"
#include "runtime/graph/gradients.h"
#include "runtime/op/kernel.h"
#include "runtime/op/rank_words.h"

namespace lockstep {
namespace {

template <bool kToDepth>
Status DepthShape(ShapeContext& c) {
  LS_ASSIGN_OR_RETURN(Shape y,
                      WithRank(c, 0, 4, "Input rank should be: 4, shape is "));
  const int64_t n = c.Attr<int64_t>("block_size");
  const std::string& format = c.Attr<std::string>("data_format");
  if (format == "NCHW_VECT_C") {
    return InvalidArgument("data_format NCHW_VECT_C is for GPUs only");
  }
  const int channel = format == "NHWC" ? 3 : 1;
  if (n > 1 << 15) return InvalidArgument("block_size ", n, " is too large");
  for (int d = 1; d < 4; ++d) {
    const int64_t size = y.dim(d);
    if (size == kUnknownDim) continue;
    const bool shrinks = kToDepth != (d == channel);
    const int64_t by = d == channel ? n * n : n;
    int64_t result = size / by;
    if (shrinks && size % by != 0) {
      return InvalidArgument(
          d == channel ? "Input depth dimension "
                       : "Image width and height: dimension ",
          d, " of ", c.Input(0), " should be divisible by: ", by);
    }
    if (!shrinks && __builtin_mul_overflow(size, by, &result)) {
      return InvalidArgument("block_size ", n, " is too large for ", y);
    }
    y.set_dim(d, result);
  }
  return c.SetOutput(0, y);
}

// Both tensors are one with 6 dimensions, of which the deep one has the
// positions within a block at its channels.
template <bool kToDepth>
Status PrepareDepth(PrepareContext& c) {
  const int64_t n = c.Attr<int64_t>("block_size");
  const bool nhwc = c.Attr<std::string>("data_format") == "NHWC";
  const Shape& deep = kToDepth ? c.output_shape(0) : c.input_shape(0);
  const int64_t b = deep.dim(0), h = deep.dim(nhwc ? 1 : 2),
                w = deep.dim(nhwc ? 2 : 3),
                ch = deep.dim(nhwc ? 3 : 1) / (n * n);
  // In order: batch, row, row in block, column, column in block, channel.
  const std::vector<int64_t> dims{b, h, n, w, n, ch};
  const std::vector<int64_t> wide =
      nhwc ? std::vector<int64_t>{h * n * w * n * ch,
                                  n * w * n * ch,
                                  w * n * ch,
                                  n * ch,
                                  ch,
                                  1}
           : std::vector<int64_t>{ch * h * n * w * n, n * w * n, w * n, n, 1,
                                  h * n * w * n};
  const std::vector<int64_t> narrow =
      nhwc ? std::vector<int64_t>{h * w * n * n * ch,
                                  w * n * n * ch,
                                  n * ch,
                                  n * n * ch,
                                  ch,
                                  1}
           : std::vector<int64_t>{n * n * ch * h * w, w,    n * ch * h * w, 1,
                                  ch * h * w,         h * w};
  LS_ASSIGN_OR_RETURN(
      StridedCopy copy,
      StridedCopy::Make(c.input_dtype(0), dims, kToDepth ? narrow : wide,
                        kToDepth ? wide : narrow));
  c.MakeState<StridedCopy>(std::move(copy));
  return Ok();
}

Status CopyCpu(KernelContext& k) {
  k.state<StridedCopy>().Run(k.output(0).data(), k.input(0).data());
  return Ok();
}

Output DepthOp(const Scope& s, const char* op, const Input& x, int64_t n,
               const std::string& format) {
  return s.Op(op).In(x).Attr("block_size", n).Attr("data_format", format).Out();
}
template <bool kToDepth>
Status DepthGradient(GradContext& g) {
  return g.SetDx(
      0, DepthOp(g.scope(), kToDepth ? "DepthToSpace" : "SpaceToDepth", g.dy(0),
                 g.Attr<int64_t>("block_size"),
                 g.Attr<std::string>("data_format")));
}

template <bool kToDepth>
OpBuilder DepthOpBuilder(const char* name) {
  OpBuilder b(name);
  b.Input("input: T")
      .Output("output: T")
      .Attr("T: type")
      .Attr("block_size: int >= 2")
      .Attr("data_format: {'NHWC', 'NCHW', 'NCHW_VECT_C'} = 'NHWC'")
      .Shape(DepthShape<kToDepth>)
      .Gradient(DepthGradient<kToDepth>)
      .Kernel(kCpu, {CopyCpu, PrepareDepth<kToDepth>});
  return b;
}

const OpRegistrar kToDepth = DepthOpBuilder<true>("SpaceToDepth");
const OpRegistrar kToSpace = DepthOpBuilder<false>("DepthToSpace");

// How far each axis is rolled, in [0, size).
using RollState = std::vector<int64_t>;

Status RollShape(ShapeContext& c) {
  LS_RETURN_IF_ERROR(c.WithRankAtLeast(0, 1).status());
  for (const int i : {1, 2}) {
    if (c.Input(i).HasRank() && c.Input(i).rank() > 1) {
      return InvalidArgument(
          i == 1 ? "shift" : "axis",
          " must be a scalar or a 1-D vector. Found: ", c.Input(i));
    }
  }
  if (!c.Input(1).IsCompatibleWith(c.Input(2))) {
    return InvalidArgument("shift and axis must have the same size: ",
                           c.Input(1), ", ", c.Input(2));
  }
  return c.SetOutput(0, c.Input(0));
}

Status PrepareRoll(PrepareContext& c) {
  const Shape& x = c.input_shape(0);
  RollState& s = c.MakeState<RollState>(static_cast<size_t>(x.rank()));
  LS_ASSIGN_OR_RETURN(std::vector<int64_t> shift, ToInt64s(*c.input_value(1)));
  LS_ASSIGN_OR_RETURN(std::vector<int64_t> axes, ToInt64s(*c.input_value(2)));
  for (size_t i = 0; i < axes.size(); ++i) {
    LS_ASSIGN_OR_RETURN(int axis, ResolveAxis(axes[i], x.rank()));
    const int64_t n = std::max<int64_t>(1, x.dim(axis));
    int64_t& total = s[static_cast<size_t>(axis)];
    total = ((total + shift[i] % n) % n + n) % n;
  }
  return Ok();
}

// Where `row`, a place in the dimensions before `last`, comes to be.
int64_t RolledRow(const RollState& s, const Shape& shape, int last,
                  int64_t row) {
  int64_t to = 0, stride = 1;
  for (int d = last - 1; d >= 0; --d) {
    const int64_t n = shape.dim(d);
    to += (row + s[static_cast<size_t>(d)]) % n * stride;
    row /= n;
    stride *= n;
  }
  return to;
}

Status RollCpu(KernelContext& k) {
  const RollState& s = k.state<RollState>();
  const Shape& shape = k.input(0).shape();
  if (k.input(0).NumElements() == 0) return Ok();
  int last = shape.rank() - 1;  // behind it nothing is rolled
  while (last > 0 && s[static_cast<size_t>(last)] == 0) --last;
  const Slices slices(k.input(0).dtype(),
                      DimProduct(shape, last + 1, shape.rank()));
  const int64_t n = shape.dim(last), shift = s[static_cast<size_t>(last)];
  const void* x = k.input(0).data();
  void* y = k.output(0).data();
  ParallelFor(DimProduct(shape, 0, last),
              std::max<int64_t>(1, 65536 / (n * slices.bytes() + 8)),
              [&](int64_t begin, int64_t end) {
                for (int64_t row = begin; row < end; ++row) {
                  const int64_t to = RolledRow(s, shape, last, row) * n;
                  slices.Copy(y, to + shift, x, row * n, n - shift);
                  slices.Copy(y, to, x, row * n + n - shift, shift);
                }
              });
  return Ok();
}

Status RollGradient(GradContext& g) {
  const Scope& s = g.scope();
  return g.SetDx(0, ops::Roll(s, g.dy(0), ops::Neg(s, g.x(1)), g.x(2)));
}

LOCKSTEP_OP("Roll")
    .Input("input: T")
    .Input("shift: Tshift")
    .Input("axis: Taxis")
    .Output("output: T")
    .Attr("T: type")
    .Attr("Tshift: {int32, int64}")
    .Attr("Taxis: {int32, int64}")
    .Shape(RollShape)
    .Gradient(RollGradient)
    .NeedsValue({1, 2})
    .Kernel(kCpu, {RollCpu, PrepareRoll, {"shift", "axis"}});

}  // namespace

namespace ops {

Output SpaceToDepth(const Scope& scope, const Input& input, int block_size,
                    const std::string& data_format) {
  return DepthOp(scope, "SpaceToDepth", input, block_size, data_format);
}
Output DepthToSpace(const Scope& scope, const Input& input, int block_size,
                    const std::string& data_format) {
  return DepthOp(scope, "DepthToSpace", input, block_size, data_format);
}
Output Roll(const Scope& scope, const Input& input, const Input& shift,
            const Input& axis) {
  return scope.Op("Roll").In(input).In(shift).In(axis).Out();
}

}  // namespace ops
}  // namespace lockstep
