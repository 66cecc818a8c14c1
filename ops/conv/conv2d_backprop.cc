// SPDX-License-Identifier: Apache-2.0

// Conv2DBackpropInput: the gradient of Conv2D by its input.
//   input_sizes: [4] int32   filter: [h,w,C/groups,K]
//   out_backprop: [N,H',W',K] -> output: input_sizes   (NHWC; NCHW likewise)
// Conv2DBackpropFilter: the gradient by its filter.
//   input: [N,H,W,C]   filter_sizes: [4] int32   out_backprop -> filter_sizes
// Both are linear in two tensors; their gradients are each other and Conv2D.

#include "ops/array/array.h"
#include "ops/conv/conv.h"
#include "ops/conv/conv_attrs.h"
#include "ops/conv/conv_kernel.h"

namespace lockstep {
namespace {

using detail::ConvDims;
using detail::ConvKind;

// Which of the op's inputs is what; -1 for the one it computes.
struct Roles {
  int sizes, image, filter;
};
constexpr Roles kInputGradient{0, -1, 1};
constexpr Roles kFilterGradient{1, 0, -1};

// Checks that out_backprop is shaped like the output of the convolution.
Result<ConvDims> CheckedDims(const AttrMap& attrs, const Shape& image,
                             const Shape& filter, const Shape& dy) {
  LS_ASSIGN_OR_RETURN(const ConvDims dims,
                      ConvDims::From(attrs, image, filter));
  const Shape wanted = dims.OutputShape();
  if (!wanted.IsCompatibleWith(dy)) {
    return InvalidArgument("out_backprop has shape ", dy,
                           ", the convolution of ", image, " with filter ",
                           filter, " gives ", wanted);
  }
  return dims;
}

template <const Roles& kRoles>
Status BackpropShape(ShapeContext& c) {
  LS_ASSIGN_OR_RETURN(const Shape given, c.InputAsShape(kRoles.sizes));
  auto sizes = Shape::Merge(given, Shape::UnknownOfRank(4));
  if (!sizes.ok()) {
    return InvalidArgument("sizes must have 4 numbers, are ", given);
  }
  LS_ASSIGN_OR_RETURN(const Shape dy, c.WithRank(2, 4));
  Shape image = *sizes, filter = *sizes;
  if (kRoles.image >= 0) {
    LS_ASSIGN_OR_RETURN(image, c.WithRank(kRoles.image, 4));
  } else {
    LS_ASSIGN_OR_RETURN(filter, c.WithRank(kRoles.filter, 4));
  }
  LS_RETURN_IF_ERROR(CheckedDims(c.attrs(), image, filter, dy).status());
  return c.SetOutput(0, *sizes);
}

template <class T, const Roles& kRoles>
Status BackpropPrepare(PrepareContext& p) {
  const Shape& made = p.output_shape(0);
  const Shape& image = kRoles.image < 0 ? made : p.input_shape(kRoles.image);
  const Shape& filter = kRoles.filter < 0 ? made : p.input_shape(kRoles.filter);
  LS_ASSIGN_OR_RETURN(const ConvDims dims,
                      CheckedDims(p.attrs(), image, filter, p.input_shape(2)));
  return detail::PrepareConv<T>(
      p,
      kRoles.image < 0 ? ConvKind::kBackwardInput : ConvKind::kBackwardFilter,
      dims);
}
template <class T, const Roles& kRoles>
Status BackpropRun(KernelContext& k) {
  return detail::RunConv<T>(k, std::max(kRoles.image, kRoles.filter), 2);
}

// y = d(conv)/d(input) applied to (filter, out_backprop).
Status BackpropInputGradient(GradContext& g) {
  const Scope& s = g.scope();
  LS_RETURN_IF_ERROR(g.SetDx(1, WithConvAttrs(s.Op("Conv2DBackpropFilter")
                                                  .In(g.dy(0))
                                                  .In(ops::Shape(s, g.x(1)))
                                                  .In(g.x(2)),
                                              g)
                                    .Out()));
  return g.SetDx(2,
                 WithConvAttrs(s.Op("Conv2D").In(g.dy(0)).In(g.x(1)), g).Out());
}

// y = d(conv)/d(filter) applied to (input, out_backprop).
Status BackpropFilterGradient(GradContext& g) {
  const Scope& s = g.scope();
  LS_RETURN_IF_ERROR(g.SetDx(0, WithConvAttrs(s.Op("Conv2DBackpropInput")
                                                  .In(ops::Shape(s, g.x(0)))
                                                  .In(g.dy(0))
                                                  .In(g.x(2)),
                                              g)
                                    .Out()));
  return g.SetDx(2,
                 WithConvAttrs(s.Op("Conv2D").In(g.x(0)).In(g.dy(0)), g).Out());
}

LOCKSTEP_OP("Conv2DBackpropInput")
    .Input("input_sizes: int32")
    .Input("filter: T")
    .Input("out_backprop: T")
    .Output("output: T") LS_CONV_ATTRS.Shape(BackpropShape<kInputGradient>)
    .Gradient(BackpropInputGradient)
    .NeedsValue({0})
    .Kernels<float, double, int32_t, Half, BFloat16>(kCpu, []<class T>() {
      return KernelDef{BackpropRun<T, kInputGradient>,
                       BackpropPrepare<T, kInputGradient>};
    });

LOCKSTEP_OP("Conv2DBackpropFilter")
    .Input("input: T")
    .Input("filter_sizes: int32")
    .Input("out_backprop: T")
    .Output("output: T") LS_CONV_ATTRS.Shape(BackpropShape<kFilterGradient>)
    .Gradient(BackpropFilterGradient)
    .NeedsValue({1})
    .Kernels<float, double, int32_t, Half, BFloat16>(kCpu, []<class T>() {
      return KernelDef{BackpropRun<T, kFilterGradient>,
                       BackpropPrepare<T, kFilterGradient>};
    });

}  // namespace

Output ops::Conv2DBackpropInput(const Scope& scope, const Input& input_sizes,
                                const Input& filter, const Input& out_backprop,
                                const std::vector<int64_t>& strides,
                                const std::string& padding,
                                const Conv2DOptions& options) {
  NodeBuilder node = scope.Op("Conv2DBackpropInput");
  node.In(input_sizes).InPair(filter, out_backprop);
  return WithConvAttrs(node, strides, padding, options).Out();
}

Output ops::Conv2DBackpropFilter(const Scope& scope, const Input& input,
                                 const Input& filter_sizes,
                                 const Input& out_backprop,
                                 const std::vector<int64_t>& strides,
                                 const std::string& padding,
                                 const Conv2DOptions& options) {
  NodeBuilder node = scope.Op("Conv2DBackpropFilter");
  node.In(input).In(filter_sizes).In(out_backprop);
  return WithConvAttrs(node, strides, padding, options).Out();
}

}  // namespace lockstep
