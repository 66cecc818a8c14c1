// SPDX-License-Identifier: Apache-2.0

// A rule for frozen graphs: a batch normalisation by given moments of what a
// convolution makes is that convolution with other weights and another bias,
// as all that it multiplies by are constants:
//   factor = scale / sqrt(variance + epsilon)
//   (x * f + b - mean) factor + offset
//     = x * (f factor) + ((b - mean) factor + offset)

#include <cmath>

#include "ops/conv/conv_attrs.h"
#include "ops/conv/rewritten_constants.h"
#include "ops/dnnl/fuse_epilogue.h"

namespace lockstep {
namespace {

// What `o` always is, perhaps by way of Identity; null if that is not known.
const Tensor* ConstantOf(const RewriteContext& c, Output o) {
  while (o.node->op() == "Identity" && !c.IsFed(o.node)) o = o.node->input(0);
  if (!o.node->traits().constant || c.IsFed(o.node) || o.dtype() != kFloat) {
    return nullptr;
  }
  return GetIf<Tensor>(o.node->attrs(), "value");
}

bool OnlyImageIsRead(const RewriteContext& c, Node* norm) {
  for (int i = 1; i < norm->num_outputs(); ++i) {
    const Output out = norm->output(i);
    if (!c.consumers().Of(out).empty() || c.IsFetched(out)) return false;
  }
  return true;
}

// The filter [h,w,C,K] and the bias [K] of both; of `bias` null for none.
// `norm`: scale, offset, mean and variance.
struct Folded {
  Tensor filter, bias;

  Folded(const Tensor& f, const Tensor* b,
         const std::array<const Tensor*, 4>& norm, float epsilon)
      : filter(kFloat, f.shape()), bias(kFloat, norm[0]->shape()) {
    const auto number = [&](size_t i, size_t c) {
      return norm[i]->flat<float>()[c];
    };
    const size_t channels = bias.flat<float>().size();
    std::vector<float> factor(channels);
    for (size_t c = 0; c < channels; ++c) {
      factor[c] = number(0, c) / std::sqrt(number(3, c) + epsilon);
      const float before = b != nullptr ? b->flat<float>()[c] : 0.0f;
      bias.flat<float>()[c] =
          (before - number(2, c)) * factor[c] + number(1, c);
    }
    for (size_t i = 0; i < filter.flat<float>().size(); ++i) {
      filter.flat<float>()[i] = f.flat<float>()[i] * factor[i % channels];
    }
  }
};

AttrMap AttrsOf(const Node& conv) { return conv.attrs(); }
constexpr detail::EpilogueOps kOps{"Conv2D", "_FusedConv2D", AttrsOf};

Result<bool> FoldNorm(RewriteContext& c) {
  Node* norm = c.node();
  const Node* conv = detail::ProducerToJoin(c, norm->input(0), kOps);
  if (norm->Attr<bool>("is_training") || norm->output_type(0) != kFloat ||
      !OnlyImageIsRead(c, norm) || conv == nullptr ||
      GetOr(conv->attrs(), "residual", false) ||
      norm->Attr<std::string>("data_format") !=
          conv->Attr<std::string>("data_format")) {
    return false;
  }
  std::array<const Tensor*, 4> numbers{};
  for (int i = 0; i < 4; ++i) {
    const Tensor* t = ConstantOf(c, norm->input(i + 1));
    if (t == nullptr) return false;
    numbers[static_cast<size_t>(i)] = t;
  }
  const Tensor* filter = ConstantOf(c, conv->input(1));
  const bool biased = conv->num_inputs() > 2;
  const Tensor* bias = biased ? ConstantOf(c, conv->input(2)) : nullptr;
  if (filter == nullptr || (biased && bias == nullptr)) return false;
  const Folded folded(*filter, bias, numbers, norm->Attr<float>("epsilon"));
  LS_ASSIGN_OR_RETURN(const Output f,
                      detail::AddConstant(c, "/filter", folded.filter));
  LS_ASSIGN_OR_RETURN(const Output b,
                      detail::AddConstant(c, "/bias", folded.bias));
  AttrMap attrs = conv->attrs();
  attrs["num_args"] = int64_t{1};
  attrs["Tout"] = kFloat;
  LS_ASSIGN_OR_RETURN(Node * fused,
                      c.Add(norm->name() + "/folded", "_FusedConv2D",
                            {conv->input(0), f, b}, std::move(attrs)));
  c.Replace(norm->output(0), fused->output(0));
  return true;
}
LOCKSTEP_REWRITE("FusedBatchNorm", FoldNorm);
LOCKSTEP_REWRITE("FusedBatchNormV2", FoldNorm);
LOCKSTEP_REWRITE("FusedBatchNormV3", FoldNorm);

}  // namespace
}  // namespace lockstep
