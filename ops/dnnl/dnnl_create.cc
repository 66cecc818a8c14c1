// SPDX-License-Identifier: Apache-2.0
#include "ops/dnnl/dnnl_create.h"

#include <string_view>

#include "runtime/core/float_products.h"

namespace lockstep::detail {
namespace {

using dnnl::memory;
constexpr auto kTraining = dnnl::prop_kind::forward_training;

void AppendActivation(dnnl::post_ops& ops, const Activation& activation) {
  const auto append = [&](dnnl::algorithm f, float alpha, float beta) {
#if DNNL_VERSION_MAJOR >= 3
    ops.append_eltwise(f, alpha, beta);
#else
    ops.append_eltwise(1.0f, f, alpha, beta);
#endif
  };
  using enum dnnl::algorithm;
  switch (activation.kind) {
    case ActivationKind::kNone: break;
    case ActivationKind::kRelu: return append(eltwise_relu, 0, 0);
    case ActivationKind::kRelu6: return append(eltwise_clip, 0, 6);
    case ActivationKind::kLeakyRelu:
      return append(eltwise_relu, activation.alpha, 0);
    case ActivationKind::kElu: return append(eltwise_elu, 1, 0);
  }
}

dnnl::primitive_attr MakeAttr(const DnnlPostOps& post) {
  dnnl::primitive_attr attr;
  attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  // oneDNN takes it as leave: where bfloat16 is no faster, it uses floats.
  if (GetFloatProducts() == FloatProducts::kBfloat16) {
    attr.set_fpmath_mode(dnnl::fpmath_mode::bf16);
  }
  dnnl::post_ops ops;
  if (post.sum) ops.append_sum(1.0f);
  if (post.added != nullptr) {
    ops.append_binary(dnnl::algorithm::binary_add, *post.added);
  }
  AppendActivation(ops, post.activation);
  if (ops.len() > 0) attr.set_post_ops(ops);
  return attr;
}

dnnl::algorithm AlgorithmOf(const DnnlConvGeometry& g) {
  return g.winograd ? dnnl::algorithm::convolution_winograd
                    : dnnl::algorithm::convolution_direct;
}

// oneDNN counts the gaps between taps.
memory::dims Gaps(const memory::dims& dilations) {
  memory::dims gaps = dilations;
  for (auto& g : gaps) --g;
  return gaps;
}

#if DNNL_VERSION_MAJOR >= 3

dnnl::convolution_forward::primitive_desc Forward(
    const memory::desc& src, const memory::desc& weights,
    const memory::desc* bias, const memory::desc& dst,
    const DnnlConvGeometry& g, const dnnl::primitive_attr& attr) {
  const memory::desc b = bias ? *bias : memory::desc();
  return {DnnlEngine(), kTraining,   AlgorithmOf(g),
          src,          weights,     b,
          dst,          g.strides,   Gaps(g.dilations),
          g.pad_before, g.pad_after, attr};
}

#else

dnnl::convolution_forward::primitive_desc Forward(
    const memory::desc& src, const memory::desc& weights,
    const memory::desc* bias, const memory::desc& dst,
    const DnnlConvGeometry& g, const dnnl::primitive_attr& attr) {
  using Desc = dnnl::convolution_forward::desc;
  const memory::dims gaps = Gaps(g.dilations);
  const auto algorithm = AlgorithmOf(g);
  const Desc desc = bias ? Desc(kTraining, algorithm, src, weights, *bias, dst,
                                g.strides, gaps, g.pad_before, g.pad_after)
                         : Desc(kTraining, algorithm, src, weights, dst,
                                g.strides, gaps, g.pad_before, g.pad_after);
  return {desc, attr, DnnlEngine()};
}

#endif

}  // namespace

Result<dnnl::matmul::primitive_desc> MakeMatMul(const memory::desc& src,
                                                const memory::desc& weights,
                                                const memory::desc* bias,
                                                const memory::desc& dst,
                                                const DnnlPostOps& post) {
  dnnl::matmul::primitive_desc pd;
  LS_RETURN_IF_ERROR(DnnlGuard("matmul", [&] {
    const dnnl::primitive_attr attr = MakeAttr(post);
#if DNNL_VERSION_MAJOR >= 3
    const memory::desc b = bias ? *bias : memory::desc();
    pd = {DnnlEngine(), src, weights, b, dst, attr};
#else
    using Desc = dnnl::matmul::desc;
    pd = {bias ? Desc(src, weights, *bias, dst) : Desc(src, weights, dst),
          attr, DnnlEngine()};
#endif
    return Ok();
  }));
  return pd;
}

Result<DnnlProgram> MatMulProgram(const memory::desc& src,
                                  const memory::desc& weights,
                                  const memory::desc& dst,
                                  const memory::desc* bias,
                                  const DnnlPostOps& post) {
  LS_ASSIGN_OR_RETURN(const auto pd, MakeMatMul(src, weights, bias, dst, post));
  DnnlProgram program;
  std::vector<std::pair<int, DnnlProgram::Slot>> args = {
      {DNNL_ARG_SRC, program.Operand(src)},
      {DNNL_ARG_WEIGHTS, program.Operand(weights)},
      {DNNL_ARG_DST, program.Operand(dst)}};
  if (bias != nullptr) args.emplace_back(DNNL_ARG_BIAS, program.Operand(*bias));
  if (post.added != nullptr) {
    args.emplace_back(DNNL_ARG_ATTR_MULTIPLE_POST_OP(0) | DNNL_ARG_SRC_1,
                      program.Operand(*post.added));
  }
  LS_RETURN_IF_ERROR(program.Add(pd, args));
  return program;
}

Result<dnnl::convolution_forward::primitive_desc> MakeConvForward(
    const memory::desc& src, const memory::desc& weights,
    const memory::desc* bias, const memory::desc& dst,
    const DnnlConvGeometry& geometry, const DnnlPostOps& post) {
  dnnl::convolution_forward::primitive_desc pd;
  LS_RETURN_IF_ERROR(DnnlGuard("convolution", [&] {
    pd = Forward(src, weights, bias, dst, geometry, MakeAttr(post));
    return Ok();
  }));
  return pd;
}

Result<dnnl::convolution_backward_data::primitive_desc> MakeConvBackwardData(
    const memory::desc& diff_src, const memory::desc& weights,
    const memory::desc& diff_dst, const DnnlConvGeometry& g) {
  dnnl::convolution_backward_data::primitive_desc pd;
  LS_RETURN_IF_ERROR(DnnlGuard("convolution's input gradient", [&] {
    const auto attr = MakeAttr({});
    const auto gaps = Gaps(g.dilations);
    const auto hint = Forward(diff_src, weights, nullptr, diff_dst, g, attr);
#if DNNL_VERSION_MAJOR >= 3
    pd = {DnnlEngine(), AlgorithmOf(g), diff_src, weights,
          diff_dst,     g.strides,      gaps,     g.pad_before,
          g.pad_after,  hint,           attr};
#else
    pd = {dnnl::convolution_backward_data::desc(AlgorithmOf(g), diff_src, weights,
                                                diff_dst, g.strides, gaps,
                                                g.pad_before, g.pad_after),
          attr, DnnlEngine(), hint};
#endif
    return Ok();
  }));
  return pd;
}

Result<dnnl::convolution_backward_weights::primitive_desc>
MakeConvBackwardWeights(const memory::desc& src,
                        const memory::desc& diff_weights,
                        const memory::desc* diff_bias,
                        const memory::desc& diff_dst,
                        const DnnlConvGeometry& g) {
  dnnl::convolution_backward_weights::primitive_desc pd;
  LS_RETURN_IF_ERROR(DnnlGuard("convolution's filter gradient", [&] {
    const auto attr = MakeAttr({});
    const auto gaps = Gaps(g.dilations);
    const auto hint = Forward(src, diff_weights, diff_bias, diff_dst, g, attr);
#if DNNL_VERSION_MAJOR >= 3
    const memory::desc b = diff_bias ? *diff_bias : memory::desc();
    pd = {DnnlEngine(),
          AlgorithmOf(g),
          src,
          diff_weights,
          b,
          diff_dst,
          g.strides,
          gaps,
          g.pad_before,
          g.pad_after,
          hint,
          attr};
#else
    using Desc = dnnl::convolution_backward_weights::desc;
    const auto algorithm = AlgorithmOf(g);
    pd = {diff_bias ? Desc(algorithm, src, diff_weights, *diff_bias, diff_dst,
                           g.strides, gaps, g.pad_before, g.pad_after)
                    : Desc(algorithm, src, diff_weights, diff_dst, g.strides,
                           gaps, g.pad_before, g.pad_after),
          attr, DnnlEngine(), hint};
#endif
    return Ok();
  }));
  return pd;
}

bool IsSlowImplementation(const dnnl::primitive_desc& pd) {
  const std::string_view name = pd.impl_info_str();
  return name.starts_with("ref") || name.starts_with("simple") ||
         name.find("gemm") != std::string_view::npos;
}

}  // namespace lockstep::detail
