// SPDX-License-Identifier: Apache-2.0

// Conv2D: cross-correlation of images with filters.
//   input: [N,H,W,C] or, NCHW, [N,C,H,W]   filter: [h,w,C/groups,K]
//   output: [N,H',W',K] or [N,K,H',W']
// Gradient: Conv2DBackpropInput, Conv2DBackpropFilter (conv2d_backprop.cc).

#include "ops/array/array.h"
#include "ops/conv/conv.h"
#include "ops/conv/conv_attrs.h"
#include "ops/conv/conv_flops.h"
#include "ops/conv/conv_op.h"

namespace lockstep {
namespace {

constexpr detail::ConvRoles kForward{.image = 0, .filter = 1};

Status Conv2DGradient(GradContext& g) {
  const Scope& s = g.scope();
  LS_RETURN_IF_ERROR(g.SetDx(0, WithConvAttrs(s.Op("Conv2DBackpropInput")
                                                  .In(ops::Shape(s, g.x(0)))
                                                  .In(g.x(1))
                                                  .In(g.dy(0)),
                                              g)
                                    .Out()));
  return g.SetDx(1, WithConvAttrs(s.Op("Conv2DBackpropFilter")
                                      .In(g.x(0))
                                      .In(ops::Shape(s, g.x(1)))
                                      .In(g.dy(0)),
                                  g)
                        .Out());
}

LOCKSTEP_OP("Conv2D")
    .Input("input: T")
    .Input("filter: T")
    .Output("output: T") LS_CONV_ATTRS.Shape(detail::ConvShape<kForward>)
    .Gradient(Conv2DGradient)
    .Kernels<float, double, int32_t, Half, BFloat16>(kCpu, []<class T>() {
      return detail::ConvKernel<T, kForward>();
    });
LOCKSTEP_FLOPS("Conv2D", detail::ForwardFlops<>);

}  // namespace

Output ops::Conv2D(const Scope& scope, const Input& input, const Input& filter,
                   const std::vector<int64_t>& strides,
                   const std::string& padding, const Conv2DOptions& options) {
  NodeBuilder node = scope.Op("Conv2D");
  node.InPair(input, filter);
  return WithConvAttrs(node, strides, padding, options).Out();
}

}  // namespace lockstep
