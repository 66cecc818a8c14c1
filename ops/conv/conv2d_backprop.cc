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
#include "ops/conv/conv_flops.h"
#include "ops/conv/conv_op.h"

namespace lockstep {
namespace {

using detail::ConvRoles;
constexpr ConvRoles kInputGradient{.filter = 1, .dy = 2, .sizes = 0};
constexpr ConvRoles kFilterGradient{.image = 0, .dy = 2, .sizes = 1};

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
    .Output("output: T") LS_CONV_ATTRS.Shape(detail::ConvShape<kInputGradient>)
    .Gradient(BackpropInputGradient)
    .NeedsValue({0})
    .Kernels<float, double, int32_t, Half, BFloat16>(kCpu, []<class T>() {
      return detail::ConvKernel<T, kInputGradient>();
    });

LOCKSTEP_OP("Conv2DBackpropFilter")
    .Input("input: T")
    .Input("filter_sizes: int32")
    .Input("out_backprop: T")
    .Output("output: T") LS_CONV_ATTRS.Shape(detail::ConvShape<kFilterGradient>)
    .Gradient(BackpropFilterGradient)
    .NeedsValue({1})
    .Kernels<float, double, int32_t, Half, BFloat16>(kCpu, []<class T>() {
      return detail::ConvKernel<T, kFilterGradient>();
    });
LOCKSTEP_FLOPS("Conv2DBackpropInput", detail::InputGradientFlops<>);
LOCKSTEP_FLOPS("Conv2DBackpropFilter", detail::FilterGradientFlops<>);

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
