// SPDX-License-Identifier: Apache-2.0

// DepthwiseConv2dNative: a convolution of each channel by itself.
//   input: [N,H,W,C] or, NCHW, [N,C,H,W]   filter: [h,w,C,M]
//   output: [N,H',W',C M] or [N,C M,H',W']
// DepthwiseConv2dNativeBackpropInput, ...BackpropFilter: its gradients, as
// Conv2D's (conv2d_backprop.cc). All three are linear in their two tensors;
// the gradients of each are the other two.

#include "ops/array/array.h"
#include "ops/conv/conv.h"
#include "ops/conv/conv_attrs.h"
#include "ops/conv/conv_flops.h"
#include "ops/conv/conv_op.h"

namespace lockstep {
namespace {

using detail::ConvRoles;
constexpr ConvRoles kForward{.image = 0, .filter = 1, .depthwise = true};
constexpr ConvRoles kInputGradient{
    .filter = 1, .dy = 2, .sizes = 0, .depthwise = true};
constexpr ConvRoles kFilterGradient{
    .image = 0, .dy = 2, .sizes = 1, .depthwise = true};

Output Forward(GradContext& g, Output image, Output filter) {
  return WithConvAttrs(
             g.scope().Op("DepthwiseConv2dNative").In(image).In(filter), g)
      .Out();
}
Output BackpropInput(GradContext& g, Output image, Output filter, Output dy) {
  const Scope& s = g.scope();
  return WithConvAttrs(s.Op("DepthwiseConv2dNativeBackpropInput")
                           .In(ops::Shape(s, image))
                           .In(filter)
                           .In(dy),
                       g)
      .Out();
}
Output BackpropFilter(GradContext& g, Output image, Output filter, Output dy) {
  const Scope& s = g.scope();
  return WithConvAttrs(s.Op("DepthwiseConv2dNativeBackpropFilter")
                           .In(image)
                           .In(ops::Shape(s, filter))
                           .In(dy),
                       g)
      .Out();
}

Status ForwardGradient(GradContext& g) {
  LS_RETURN_IF_ERROR(g.SetDx(0, BackpropInput(g, g.x(0), g.x(1), g.dy(0))));
  return g.SetDx(1, BackpropFilter(g, g.x(0), g.x(1), g.dy(0)));
}
// Of inputs (sizes, filter, dy): g.dy(0) is shaped like the image.
Status BackpropInputGradient(GradContext& g) {
  LS_RETURN_IF_ERROR(g.SetDx(1, BackpropFilter(g, g.dy(0), g.x(1), g.x(2))));
  return g.SetDx(2, Forward(g, g.dy(0), g.x(1)));
}
// Of inputs (image, sizes, dy): g.dy(0) is shaped like the filter.
Status BackpropFilterGradient(GradContext& g) {
  LS_RETURN_IF_ERROR(g.SetDx(0, BackpropInput(g, g.x(0), g.dy(0), g.x(2))));
  return g.SetDx(2, Forward(g, g.x(0), g.dy(0)));
}

#define LS_DEPTHWISE_ATTRS .Attr("T: floattype") LS_CONV_WINDOW_ATTRS

LOCKSTEP_OP("DepthwiseConv2dNative")
    .Input("input: T")
    .Input("filter: T")
    .Output("output: T") LS_DEPTHWISE_ATTRS.Shape(detail::ConvShape<kForward>)
    .Gradient(ForwardGradient)
    .Kernels<float, double, Half, BFloat16>(kCpu, []<class T>() {
      return detail::ConvKernel<T, kForward>();
    });

LOCKSTEP_OP("DepthwiseConv2dNativeBackpropInput")
    .Input("input_sizes: int32")
    .Input("filter: T")
    .Input("out_backprop: T")
    .Output("output: T") LS_DEPTHWISE_ATTRS
    .Shape(detail::ConvShape<kInputGradient>)
    .Gradient(BackpropInputGradient)
    .NeedsValue({0})
    .Kernels<float, double, Half, BFloat16>(kCpu, []<class T>() {
      return detail::ConvKernel<T, kInputGradient>();
    });

LOCKSTEP_OP("DepthwiseConv2dNativeBackpropFilter")
    .Input("input: T")
    .Input("filter_sizes: int32")
    .Input("out_backprop: T")
    .Output("output: T") LS_DEPTHWISE_ATTRS
    .Shape(detail::ConvShape<kFilterGradient>)
    .Gradient(BackpropFilterGradient)
    .NeedsValue({1})
    .Kernels<float, double, Half, BFloat16>(kCpu, []<class T>() {
      return detail::ConvKernel<T, kFilterGradient>();
    });
LOCKSTEP_FLOPS("DepthwiseConv2dNative", detail::ForwardFlops<true>);
LOCKSTEP_FLOPS("DepthwiseConv2dNativeBackpropInput",
               detail::InputGradientFlops<true>);
LOCKSTEP_FLOPS("DepthwiseConv2dNativeBackpropFilter",
               detail::FilterGradientFlops<true>);

}  // namespace

namespace ops {

Output DepthwiseConv2dNative(const Scope& scope, const Input& input,
                             const Input& filter,
                             const std::vector<int64_t>& strides,
                             const std::string& padding,
                             const Conv2DOptions& options) {
  NodeBuilder node = scope.Op("DepthwiseConv2dNative");
  node.InPair(input, filter);
  return WithConvAttrs(node, strides, padding, options).Out();
}

Output DepthwiseConv2dNativeBackpropInput(
    const Scope& scope, const Input& input_sizes, const Input& filter,
    const Input& out_backprop, const std::vector<int64_t>& strides,
    const std::string& padding, const Conv2DOptions& options) {
  NodeBuilder node = scope.Op("DepthwiseConv2dNativeBackpropInput");
  node.In(input_sizes).InPair(filter, out_backprop);
  return WithConvAttrs(node, strides, padding, options).Out();
}

Output DepthwiseConv2dNativeBackpropFilter(
    const Scope& scope, const Input& input, const Input& filter_sizes,
    const Input& out_backprop, const std::vector<int64_t>& strides,
    const std::string& padding, const Conv2DOptions& options) {
  NodeBuilder node = scope.Op("DepthwiseConv2dNativeBackpropFilter");
  node.In(input).In(filter_sizes).In(out_backprop);
  return WithConvAttrs(node, strides, padding, options).Out();
}

}  // namespace ops
}  // namespace lockstep
