// SPDX-License-Identifier: Apache-2.0

// Conv3D: cross-correlation of volumes with filters.
//   input: [N,D,H,W,C] or, NCDHW, [N,C,D,H,W]   filter: [d,h,w,C/groups,K]
//   output: [N,D',H',W',K] or [N,K,D',H',W']
// Conv3DBackpropInputV2: input_sizes: int32|int64 [5], filter, out_backprop
// Conv3DBackpropFilterV2: input, filter_sizes: int32 [5], out_backprop
// All are linear in two tensors; the gradients of each are the other two.

#include "ops/array/array.h"
#include "ops/conv/conv.h"
#include "ops/conv/conv_flops.h"
#include "ops/conv/conv_op.h"
#include "ops/math/elementwise.h"
#include "runtime/graph/gradients.h"

namespace lockstep {
namespace {

using detail::ConvRoles;
constexpr ConvRoles kForward{.image = 0, .filter = 1, .rank = 5};
constexpr ConvRoles kInputGradient{.filter = 1, .dy = 2, .sizes = 0, .rank = 5};
constexpr ConvRoles kFilterGradient{.image = 0, .dy = 2, .sizes = 1, .rank = 5};

Output Node3D(GradContext& g, const char* op,
              std::initializer_list<Output> inputs) {
  NodeBuilder node = g.scope().Op(op);
  for (const Output& in : inputs) node.In(in);
  for (const char* name : {"strides", "padding", "data_format", "dilations"}) {
    node.Attr(name, g.node()->attrs().find(name)->second);
  }
  return node.Out();
}
Output ByInput(GradContext& g, Output image, Output filter, Output dy) {
  return Node3D(g, "Conv3DBackpropInputV2",
                {ops::Shape(g.scope(), image), filter, dy});
}
Output ByFilter(GradContext& g, Output image, Output filter, Output dy) {
  return Node3D(g, "Conv3DBackpropFilterV2",
                {image, ops::Shape(g.scope(), filter), dy});
}

Status ForwardGradient(GradContext& g) {
  LS_RETURN_IF_ERROR(g.SetDx(0, ByInput(g, g.x(0), g.x(1), g.dy(0))));
  return g.SetDx(1, ByFilter(g, g.x(0), g.x(1), g.dy(0)));
}
Status InputGradientGradient(GradContext& g) {
  LS_RETURN_IF_ERROR(g.SetDx(1, ByFilter(g, g.dy(0), g.x(1), g.x(2))));
  return g.SetDx(2, Node3D(g, "Conv3D", {g.dy(0), g.x(1)}));
}
Status FilterGradientGradient(GradContext& g) {
  LS_RETURN_IF_ERROR(g.SetDx(0, ByInput(g, g.x(0), g.dy(0), g.x(2))));
  return g.SetDx(2, Node3D(g, "Conv3D", {g.x(0), g.dy(0)}));
}

template <ConvRoles kRoles>
OpBuilder Conv3DOp(const char* name, std::initializer_list<const char*> inputs,
                   GradientFn gradient) {
  OpBuilder b(name);
  for (const char* input : inputs) b.Input(input);
  b.Output("output: T")
      .Attr("T: floattype")
      .Attr("strides: list(int) >= 5")
      .Attr("padding: {'SAME', 'VALID'}")
      .Attr("data_format: {'NDHWC', 'NCDHW'} = 'NDHWC'")
      .Attr("dilations: list(int) = [1, 1, 1, 1, 1]")
      .Shape(detail::ConvShape<kRoles>)
      .Gradient(gradient)
      .template Kernels<LS_FLOAT_TYPES>(
          kCpu, []<class T>() { return detail::ConvKernel<T, kRoles>(); });
  if (kRoles.sizes >= 0) b.NeedsValue({kRoles.sizes});
  return b;
}
OpBuilder InputGradientOp() {
  return Conv3DOp<kInputGradient>(
             "Conv3DBackpropInputV2",
             {"input_sizes: Tshape", "filter: T", "out_backprop: T"},
             InputGradientGradient)
      .Attr("Tshape: {int32, int64} = DT_INT32");
}

const OpRegistrar kConv3D =
    Conv3DOp<kForward>("Conv3D", {"input: T", "filter: T"}, ForwardGradient);
const OpRegistrar kConv3DBackpropInputV2 = InputGradientOp();
const OpRegistrar kConv3DBackpropFilterV2 = Conv3DOp<kFilterGradient>(
    "Conv3DBackpropFilterV2",
    {"input: T", "filter_sizes: int32", "out_backprop: T"},
    FilterGradientGradient);
LOCKSTEP_FLOPS("Conv3D", detail::ForwardFlops<>);
LOCKSTEP_FLOPS("Conv3DBackpropInputV2", detail::InputGradientFlops<>);
LOCKSTEP_FLOPS("Conv3DBackpropFilterV2", detail::FilterGradientFlops<>);

}  // namespace

Output ops::Conv3D(const Scope& scope, const Input& input, const Input& filter,
                   const std::vector<int64_t>& strides,
                   const std::string& padding, const std::string& data_format,
                   const std::vector<int64_t>& dilations) {
  return scope.Op("Conv3D")
      .InPair(input, filter)
      .Attr("strides", strides)
      .Attr("padding", padding)
      .Attr("data_format", data_format)
      .Attr("dilations", dilations)
      .Out();
}

}  // namespace lockstep
