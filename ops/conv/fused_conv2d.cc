// SPDX-License-Identifier: Apache-2.0

// _FusedConv2D: Conv2D, perhaps plus a bias, perhaps plus a residual, then
// perhaps an activation, in one primitive.
//   input, filter: as Conv2D's   bias: [K]   residual, output: as Conv2D's
// Float; or BFloat16, where the output may be float, without a residual.
// Brought in by rules for BiasAdd(Conv2D), the sum with another image and an
// activation of it, and for Cast(Conv2D) from BFloat16 to float, when nothing
// else reads what is in between; fold_batch_norm.cc has another.

#include "ops/conv/blocked_layout.h"
#include "ops/conv/conv_attrs.h"
#include "ops/conv/conv_flops.h"
#include "ops/conv/conv_kernel.h"
#include "ops/dnnl/fuse_epilogue.h"

namespace lockstep {
namespace {

Status FusedConvShape(ShapeContext& c) {
  LS_ASSIGN_OR_RETURN(const Shape input, c.WithRank(0, 4));
  LS_ASSIGN_OR_RETURN(const Shape filter, c.WithRank(1, 4));
  LS_ASSIGN_OR_RETURN(const auto dims,
                      detail::ConvDims::From(c.attrs(), input, filter));
  const Shape output = dims.OutputShape();
  if (c.Attr<bool>("residual") &&
      !c.Input(c.num_inputs() - 1).IsCompatibleWith(output)) {
    return InvalidArgument("the residual has shape ",
                           c.Input(c.num_inputs() - 1), ", not ", output);
  }
  return c.SetOutput(0, output);
}

template <class T>
Status FusedConvPrepare(PrepareContext& p) {
  LS_ASSIGN_OR_RETURN(
      const auto dims,
      detail::ConvDims::From(p.attrs(), p.input_shape(0), p.input_shape(1)));
  const bool residual = p.Attr<bool>("residual");
  return detail::PrepareConv<T>(
      p, detail::ConvKind::kForward, dims,
      {.bias = p.num_inputs() - residual > 2,
       .residual = residual,
       .activation = detail::Activation::Of(p.attrs()),
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
      .Input("bias_residual: num_args * Tout")
      .Output("output: Tout") LS_CONV_ATTRS.Attr("num_args: int >= 0")
      .Attr("Tout: {float, bfloat16} = DT_FLOAT")
      .Attr("residual: bool = false")
      .Attr(LS_CONV_ACTIVATION)
      .Attr("alpha: float = 0.2")
      .InPlace(0, 3)  // behind a bias, which may be as large
      .Shape(FusedConvShape);
  AddKernel<float, float>(b);
  AddKernel<BFloat16, BFloat16>(b);
  return AddKernel<BFloat16, float>(b);
}
const OpRegistrar kFusedConv = FusedConvOp();

AttrMap AttrsOf(const Node& conv) { return conv.attrs(); }
constexpr detail::EpilogueOps kOps{"Conv2D", "_FusedConv2D", AttrsOf};

Result<bool> FuseBias(RewriteContext& c) {
  const Node* bias = c.node();
  const Node* conv = detail::ProducerToJoin(c, bias->input(0), kOps);
  if (!conv || conv->num_inputs() != 2 ||
      bias->Attr<std::string>("data_format") !=
          conv->Attr<std::string>("data_format")) {
    return false;
  }
  return detail::JoinEpilogue(
      c, kOps, *conv, {conv->input(0), conv->input(1), bias->input(1)}, {});
}
LOCKSTEP_REWRITE("BiasAdd", FuseBias);

Result<bool> FuseResidual(RewriteContext& c, Output product, Output residual) {
  const Node* conv = detail::ProducerToJoin(c, product, kOps);
  if (!conv || product.dtype() != kFloat || conv->output_type(0) != kFloat ||
      conv->input(0).dtype() != kFloat || product == residual ||
      !product.shape().IsFullyKnown() || product.shape() != residual.shape() ||
      GetOr(conv->attrs(), "residual", false)) {
    return false;
  }
  std::vector<Output> inputs(conv->inputs().begin(), conv->inputs().end());
  inputs.push_back(residual);
  return detail::JoinEpilogue(c, kOps, *conv, std::move(inputs),
                              {{"residual", true}});
}
Result<bool> FuseAdd(RewriteContext& c) {
  const Output a = c.node()->input(0), b = c.node()->input(1);
  LS_ASSIGN_OR_RETURN(const bool fused, FuseResidual(c, a, b));
  return fused ? Result<bool>(true) : FuseResidual(c, b, a);
}
LOCKSTEP_REWRITE("Add", FuseAdd);
LOCKSTEP_REWRITE("AddV2", FuseAdd);

// Winograd's kernels end in Relu alone, and what is rounded to BFloat16 before
// another activation would not be.
bool TakesOnlyRelu(const RewriteContext& c, const Node& conv) {
  const Shape &image = conv.input(0).shape(), &filter = conv.input(1).shape();
  if (conv.input(0).dtype() != kFloat || !image.IsFullyKnown() ||
      !filter.IsFullyKnown()) {
    return true;
  }
  const auto dims = detail::ConvDims::From(conv.attrs(), image, filter);
  return !dims.ok() || detail::WinogradPays(c, *dims);
}

Result<bool> FuseActivation(RewriteContext& c) {
  const Node* conv = detail::ProducerToJoin(c, c.node()->input(0), kOps);
  if (!conv || (c.node()->op() != "Relu" && TakesOnlyRelu(c, *conv))) {
    return false;
  }
  return detail::JoinActivation(c, kOps, *conv);
}
LOCKSTEP_REWRITE("Relu", FuseActivation);
LOCKSTEP_REWRITE("Relu6", FuseActivation);
LOCKSTEP_REWRITE("LeakyRelu", FuseActivation);
LOCKSTEP_REWRITE("Elu", FuseActivation);

Result<bool> FuseCast(RewriteContext& c) {
  return detail::FuseCastInto(c, kOps);
}
LOCKSTEP_REWRITE("Cast", FuseCast);
LOCKSTEP_FLOPS("_FusedConv2D", detail::ForwardFlops<>);

}  // namespace
}  // namespace lockstep
