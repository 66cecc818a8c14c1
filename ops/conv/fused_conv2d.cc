// SPDX-License-Identifier: Apache-2.0

// _FusedConv2D: Conv2D, perhaps plus a bias, then perhaps Relu, in one
// primitive.
//   input, filter: as Conv2D's   bias: [K]   output: as Conv2D's
// Float; or BFloat16, where the output may be float.
// Brought in by rules for BiasAdd(Conv2D) and Relu of it, and for Cast(Conv2D)
// from BFloat16 to float, when nothing else reads what is in between.

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

template <class T>
Status FusedConvPrepare(PrepareContext& p) {
  LS_ASSIGN_OR_RETURN(
      const auto dims,
      detail::ConvDims::From(p.attrs(), p.input_shape(0), p.input_shape(1)));
  return detail::PrepareConv<T>(
      p, detail::ConvKind::kForward, dims,
      {.bias = p.num_inputs() > 2,
       .relu = p.Attr<bool>("relu"),
       .wide = p.output_dtype(0) != p.input_dtype(0)});
}
template <class T>
Status FusedConvRun(KernelContext& k) {
  return detail::RunConv<T>(k, 0, 1);
}
template <class T, class Out>
OpBuilder& AddKernel(OpBuilder& b) {
  return b.Kernel(kCpu,
                  {{"T", DTypeOf<T>::value}, {"Tout", DTypeOf<Out>::value}},
                  {FusedConvRun<T>, FusedConvPrepare<T>});
}

OpBuilder FusedConvOp() {
  OpBuilder b("_FusedConv2D");
  b.Input("input: T")
      .Input("filter: T")
      .Input("bias: num_args * Tout")
      .Output("output: Tout") LS_CONV_ATTRS.Attr("num_args: int >= 0")
      .Attr("Tout: {float, bfloat16} = DT_FLOAT")
      .Attr("relu: bool = false")
      .Shape(FusedConvShape);
  AddKernel<float, float>(b);
  AddKernel<BFloat16, BFloat16>(b);
  return AddKernel<BFloat16, float>(b);
}
const OpRegistrar kFusedConv = FusedConvOp();

// A convolution that a bias, a Cast or Relu joins; null when it is none.
Node* ConvBehind(RewriteContext& c, Output image) {
  Node* conv = c.Producer(image, "Conv2D");
  if (!conv) conv = c.Producer(image, "_FusedConv2D");
  if (!conv || !c.OnlyUse(image) || c.IsFed(c.node())) return nullptr;
  const DType dtype = conv->Attr<DType>("T");
  const bool fast =
      dtype == kFloat || (dtype == kBfloat16 && detail::DnnlHasBfloat16());
  return fast && !GetOr(conv->attrs(), "relu", false) ? conv : nullptr;
}

// The node becomes `conv` with one thing more.
Result<bool> Join(RewriteContext& c, Node* conv, std::vector<Output> inputs,
                  bool relu) {
  Node* n = c.node();
  AttrMap attrs = conv->attrs();
  attrs["num_args"] = static_cast<int64_t>(inputs.size()) - 2;
  attrs["Tout"] = n->output_type(0);
  attrs["relu"] = relu;
  LS_ASSIGN_OR_RETURN(Node * fused, c.Add(n->name() + "/fused", "_FusedConv2D",
                                          std::move(inputs), std::move(attrs)));
  c.Replace(n->output(0), fused->output(0));
  return true;
}

Result<bool> FuseBias(RewriteContext& c) {
  const Node* bias = c.node();
  Node* conv = ConvBehind(c, bias->input(0));
  if (!conv || conv->num_inputs() != 2 ||
      bias->Attr<std::string>("data_format") !=
          conv->Attr<std::string>("data_format")) {
    return false;
  }
  return Join(c, conv, {conv->input(0), conv->input(1), bias->input(1)}, false);
}
LOCKSTEP_REWRITE("BiasAdd", FuseBias);

Result<bool> FuseRelu(RewriteContext& c) {
  Node* conv = ConvBehind(c, c.node()->input(0));
  if (!conv || conv->op() != "_FusedConv2D") return false;
  return Join(c, conv, conv->inputs(), true);
}
LOCKSTEP_REWRITE("Relu", FuseRelu);

// A convolution of BFloat16 that is read as float is never rounded.
Result<bool> FuseCast(RewriteContext& c) {
  if (c.node()->output_type(0) != kFloat) return false;
  Node* conv = ConvBehind(c, c.node()->input(0));
  if (!conv || conv->num_inputs() != 2 || conv->output_type(0) != kBfloat16) {
    return false;
  }
  return Join(c, conv, conv->inputs(), false);
}
LOCKSTEP_REWRITE("Cast", FuseCast);
LOCKSTEP_FLOPS("_FusedConv2D", detail::ForwardFlops<>);

}  // namespace
}  // namespace lockstep
