// SPDX-License-Identifier: Apache-2.0
#include "ops/dnnl/activation.h"

#include <algorithm>
#include <cmath>

namespace lockstep::detail {
namespace {

constexpr std::pair<std::string_view, ActivationKind> kNames[] = {
    {"", ActivationKind::kNone},
    {"Relu", ActivationKind::kRelu},
    {"Relu6", ActivationKind::kRelu6},
    {"LeakyRelu", ActivationKind::kLeakyRelu},
    {"Elu", ActivationKind::kElu}};

}  // namespace

Activation Activation::Of(const AttrMap& attrs) {
  const auto name = GetOr<std::string>(attrs, "activation", "");
  const auto* found = std::ranges::find(
      kNames, name, &std::pair<std::string_view, ActivationKind>::first);
  return {.kind = found->second, .alpha = GetOr(attrs, "alpha", 0.0f)};
}

float Activation::Apply(float x) const {
  switch (kind) {
    case ActivationKind::kNone: return x;
    case ActivationKind::kRelu: return x <= 0 ? 0 : x;
    case ActivationKind::kRelu6: return x <= 0 ? 0 : std::min(x, 6.0f);
    case ActivationKind::kLeakyRelu: return x > 0 ? x : x * alpha;
    case ActivationKind::kElu: return x < 0 ? std::expm1(x) : x;
  }
  return x;
}

}  // namespace lockstep::detail
