// SPDX-License-Identifier: Apache-2.0

// Conv2D: cross-correlation of images with filters.
//   input: [N,H,W,C] or, NCHW, [N,C,H,W]   filter: [h,w,C/groups,K]
//   output: [N,H',W',K] or [N,K,H',W']
// Gradient: Conv2DBackpropInput, Conv2DBackpropFilter (conv2d_backprop.cc).

#include "ops/array/array.h"
#include "ops/conv/conv.h"
#include "ops/conv/conv_attrs.h"
#include "ops/conv/conv_kernel.h"

namespace lockstep {
namespace {

Status Conv2DShape(ShapeContext& c) {
  LS_ASSIGN_OR_RETURN(const Shape input, c.WithRank(0, 4));
  LS_ASSIGN_OR_RETURN(const Shape filter, c.WithRank(1, 4));
  LS_ASSIGN_OR_RETURN(const auto dims,
                      detail::ConvDims::From(c.attrs(), input, filter));
  return c.SetOutput(0, dims.OutputShape());
}

template <class T>
Status Conv2DPrepare(PrepareContext& p) {
  LS_ASSIGN_OR_RETURN(
      const auto dims,
      detail::ConvDims::From(p.attrs(), p.input_shape(0), p.input_shape(1)));
  return detail::PrepareConv<T>(p, detail::ConvKind::kForward, dims);
}
template <class T>
Status Conv2DRun(KernelContext& k) {
  return detail::RunConv<T>(k, 0, 1);
}

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
    .Output("output: T") LS_CONV_ATTRS.Shape(Conv2DShape)
    .Gradient(Conv2DGradient)
    .Kernels<float, double, int32_t, Half, BFloat16>(kCpu, []<class T>() {
      return KernelDef{Conv2DRun<T>, Conv2DPrepare<T>};
    });

}  // namespace

Output ops::Conv2D(const Scope& scope, const Input& input, const Input& filter,
                   const std::vector<int64_t>& strides,
                   const std::string& padding, const Conv2DOptions& options) {
  NodeBuilder node = scope.Op("Conv2D");
  node.InPair(input, filter);
  return WithConvAttrs(node, strides, padding, options).Out();
}

}  // namespace lockstep
