// SPDX-License-Identifier: Apache-2.0

// Pad, PadV2: the input with elements put before and after it along each axis,
// zeros or `constant_values`.
//   input: T, any rank   paddings: [rank, 2] int32|int64, not negative
//   constant_values (PadV2): T []
// Gradients: the Slice of dy where the input stood; PadV2: the rest, summed,
// to the constant.

#include "ops/array/pad.h"

#include "ops/array/array.h"
#include "ops/array/element_unit.h"
#include "ops/array/gpu.h"
#include "ops/array/strided_copy.h"
#include "ops/math/elementwise.h"
#include "ops/math/math.h"
#include "ops/reduce/reduce.h"
#include "runtime/device/stream.h"
#include "runtime/graph/gradients.h"
#include "runtime/op/rank_words.h"
#include "runtime/op/shape_context.h"

namespace lockstep {

constexpr const char* kPaddings = "paddings must be a matrix with 2 columns: ";

Status PaddedShape(ShapeContext& c, int64_t sign) {
  LS_ASSIGN_OR_RETURN(Shape pads, WithRank(c, 1, 2, kPaddings));
  if (pads.dim(1) != 2 && pads.dim(1) != kUnknownDim) {
    return InvalidArgument(kPaddings, pads);
  }
  const Tensor* value = c.InputValue(1);
  if (value == nullptr) {
    if (c.Input(0).HasRank()) {
      return c.SetOutput(0, Shape::UnknownOfRank(c.Input(0).rank()));
    }
    return c.SetOutput(0, Shape::Unknown());
  }
  if (pads.dim(0) > Shape::kMaxRank) {
    return InvalidArgument("paddings has shape ", pads);
  }
  if (c.Input(0).HasRank() && c.Input(0).rank() != pads.dim(0)) {
    return InvalidArgument("The first dimension of paddings must be the rank ",
                           "of inputs: ", pads, " for ", c.Input(0));
  }
  LS_ASSIGN_OR_RETURN(Shape x, c.WithRank(0, static_cast<int>(pads.dim(0))));
  std::vector<int64_t> dims;
  for (int d = 0; d < x.rank(); ++d) {
    const int64_t before = IntAt(*value, 2 * d),
                  after = IntAt(*value, 2 * d + 1);
    if (before < 0 || after < 0) {
      return InvalidArgument("Paddings must be non-negative: ", before, " ",
                             after);
    }
    int64_t n = x.dim(d);
    if (n != kUnknownDim &&
        (__builtin_add_overflow(n, sign * before, &n) ||
         __builtin_add_overflow(n, sign * after, &n) || n < 0)) {
      return InvalidArgument("Paddings are too large: ", before, " ", after,
                             " for dimension ", d, " of ", x);
    }
    dims.push_back(n);
  }
  LS_ASSIGN_OR_RETURN(Shape y, Shape::Make(dims));
  return c.SetOutput(0, y);
}

namespace {

struct PadState {
  StridedCopy copy;
  int64_t offset = 0;  // bytes into the output
};

Status PreparePad(PrepareContext& c) {
  const Shape& x = c.input_shape(0);
  const std::vector<int64_t> dst = RowMajorStrides(c.output_shape(0));
  int64_t at = 0;
  for (int d = 0; d < x.rank(); ++d) {
    at += IntAt(*c.input_value(1), 2 * d) * dst[static_cast<size_t>(d)];
  }
  LS_ASSIGN_OR_RETURN(
      StridedCopy copy,
      StridedCopy::Make(c.input_dtype(0), x.dims(), dst, RowMajorStrides(x)));
  c.MakeState<PadState>(PadState{
      std::move(copy), at * static_cast<int64_t>(DTypeSize(c.input_dtype(0)))});
  return Ok();
}

template <class U>
Status PadCpu(KernelContext& k) {
  const PadState& s = k.state<PadState>();
  U* y = k.out<U>(0);
  const int64_t n = k.output(0).NumElements();
  char* const at = reinterpret_cast<char*>(y) + s.offset;
  if (s.copy.size() == n) return s.copy.Run(at, k.input(0).data(), k.stream());
  if (k.stream() != nullptr) {
    LS_RETURN_IF_ERROR(
        k.num_inputs() > 2
            ? gpu::FillWith(k.input(2).data(), k.output(0), k.stream())
            : ClearBytes(y, k.output(0).bytes(), k.stream()));
    return s.copy.Run(at, k.input(0).data(), k.stream());
  }
  const U around = k.num_inputs() > 2 ? k.in<U>(2)[0] : U{};
  ParallelFor(n, kCheapGrain, [&](int64_t begin, int64_t end) {
    std::fill(y + begin, y + end, around);
  });
  s.copy.Run(at, k.input(0).data());
  return Ok();
}

int PadsNothing(ShapeContext& c) {
  return c.Input(0).IsFullyKnown() && c.outputs()[0] == c.Input(0) ? 0 : -1;
}

// Where the input stands in the output: column 0 of the paddings.
Output Inside(GradContext& g) {
  const Scope& s = g.scope();
  const DType t = BaseOf(g.x(1).dtype());
  const Output rank =
      ops::Pack(s, {ops::Rank(s, g.x(0)), ops::Const(s, Tensor(int32_t{1}))});
  const Output column =
      ops::Slice(s, g.x(1), {0, 0}, t == kInt32 ? rank : ops::Cast(s, rank, t));
  const Output begin = ops::Reshape(s, column, {-1});
  return ops::Slice(s, g.dy(0), begin, ops::Shape(s, g.x(0), t));
}

Status PadGradient(GradContext& g) { return g.SetDx(0, Inside(g)); }

Status PadV2Gradient(GradContext& g) {
  const Scope& s = g.scope();
  const Output inside = Inside(g);
  LS_RETURN_IF_ERROR(g.SetDx(0, inside));
  return g.SetDx(2,
                 ops::Sub(s, ops::Sum(s, g.dy(0), ops::ReduceAll(s, g.dy(0))),
                          ops::Sum(s, inside, ops::ReduceAll(s, inside))));
}

LOCKSTEP_OP("Pad")
    .Input("input: T")
    .Input("paddings: Tpaddings")
    .Output("output: T")
    .Attr("T: type")
    .Attr("Tpaddings: {int32, int64} = DT_INT32")
    .Shape(PadShape)
    .Gradient(PadGradient)
    .IdentityWhen(PadsNothing)
    .NeedsValue({1})
    .Kernels<LS_ANY_TYPES>(kCpu, []<class T>() {
      return KernelDef{PadCpu<ElementUnit<T>>, PreparePad, {"paddings"}};
    });
LOCKSTEP_OP("PadV2")
    .Input("input: T")
    .Input("paddings: Tpaddings")
    .Input("constant_values: T")
    .Output("output: T")
    .Attr("T: type")
    .Attr("Tpaddings: {int32, int64} = DT_INT32")
    .Shape(PadShape)
    .Gradient(PadV2Gradient)
    .IdentityWhen(PadsNothing)
    .NeedsValue({1})
    .Kernels<LS_ANY_TYPES>(kCpu, []<class T>() {
      return KernelDef{PadCpu<ElementUnit<T>>, PreparePad, {"paddings"}};
    });

}  // namespace

namespace ops {

Output Pad(const Scope& scope, const Input& input, const Input& paddings) {
  return scope.Op("Pad").In(input).In(paddings).Out();
}
Output PadV2(const Scope& scope, const Input& input, const Input& paddings,
             const Input& value) {
  return scope.Op("PadV2")
      .In(input)
      .In(paddings)
      .In(value.Resolve(scope, input.dtype()))
      .Out();
}

}  // namespace ops
}  // namespace lockstep
