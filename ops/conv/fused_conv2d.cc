// SPDX-License-Identifier: Apache-2.0

// _FusedConv2D: Conv2D, plus a bias, then perhaps Relu, in one primitive.
//   input, filter: as Conv2D's   bias: [K]   output: as Conv2D's; float
// Brought in by a rule for BiasAdd(Conv2D) and Relu of it, when nothing else
// reads what is in between.

#include "ops/conv/conv_attrs.h"
#include "ops/conv/conv_flops.h"
#include "ops/conv/conv_kernel.h"
#include "runtime/graph/passes/rewrite.h"

namespace lockstep {
namespace {

Status FusedConvShape(ShapeContext& c) {
  LS_ASSIGN_OR_RETURN(const Shape input, c.WithRank(0, 4));
  LS_ASSIGN_OR_RETURN(const Shape filter, c.WithRank(1, 4));
  LS_ASSIGN_OR_RETURN(const auto dims,
                      detail::ConvDims::From(c.attrs(), input, filter));
  return c.SetOutput(0, dims.OutputShape());
}

Status FusedConvPrepare(PrepareContext& p) {
  LS_ASSIGN_OR_RETURN(
      const auto dims,
      detail::ConvDims::From(p.attrs(), p.input_shape(0), p.input_shape(1)));
  return detail::PrepareConv<float>(
      p, detail::ConvKind::kForward, dims,
      {.bias = true, .relu = p.Attr<bool>("relu")});
}
Status FusedConvRun(KernelContext& k) {
  return detail::RunConv<float>(k, 0, 1);
}

LOCKSTEP_OP("_FusedConv2D")
    .Input("input: T")
    .Input("filter: T")
    .Input("bias: T")
    .Output("output: T") LS_CONV_ATTRS.Attr("relu: bool = false")
    .Shape(FusedConvShape)
    .Kernel<float>(kCpu, {FusedConvRun, FusedConvPrepare});

Result<bool> FuseBias(RewriteContext& c) {
  Node* bias = c.node();
  Node* conv = c.Producer(bias->input(0), "Conv2D");
  if (!conv || !c.OnlyUse(bias->input(0)) || c.IsFed(bias) ||
      conv->output_type(0) != kFloat ||
      bias->Attr<std::string>("data_format") !=
          conv->Attr<std::string>("data_format")) {
    return false;
  }
  LS_ASSIGN_OR_RETURN(
      Node * fused,
      c.Add(bias->name() + "/fused", "_FusedConv2D",
            {conv->input(0), conv->input(1), bias->input(1)}, conv->attrs()));
  c.Replace(bias->output(0), fused->output(0));
  return true;
}
LOCKSTEP_REWRITE("BiasAdd", FuseBias);

Result<bool> FuseRelu(RewriteContext& c) {
  Node* relu = c.node();
  Node* conv = c.Producer(relu->input(0), "_FusedConv2D");
  if (!conv || conv->Attr<bool>("relu") || !c.OnlyUse(relu->input(0)) ||
      c.IsFed(relu)) {
    return false;
  }
  AttrMap attrs = conv->attrs();
  attrs["relu"] = true;
  LS_ASSIGN_OR_RETURN(Node * fused,
                      c.Add(relu->name() + "/fused", "_FusedConv2D",
                            conv->inputs(), std::move(attrs)));
  c.Replace(relu->output(0), fused->output(0));
  return true;
}
LOCKSTEP_REWRITE("Relu", FuseRelu);
LOCKSTEP_FLOPS("_FusedConv2D", detail::ForwardFlops<>);

}  // namespace
}  // namespace lockstep
