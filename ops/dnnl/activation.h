// SPDX-License-Identifier: Apache-2.0
#pragma once

// The activations that a product or a convolution takes in, by the names of
// their ops: attributes `activation`, empty for none, and LeakyRelu's `alpha`.
// Tanh and Sigmoid are none of them: oneDNN's take as long as another pass.
//
//   const auto f = Activation::Of(p.attrs());
//   if (f.kind != ActivationKind::kNone) y = f.Apply(y);

#include <string_view>

#include "runtime/op/attr.h"

namespace lockstep::detail {

enum class ActivationKind { kNone, kRelu, kRelu6, kLeakyRelu, kElu };

struct Activation {
  ActivationKind kind = ActivationKind::kNone;
  float alpha = 0;  // LeakyRelu's, below 0

  static Activation Of(const AttrMap& attrs);
  // On one number.
  float Apply(float x) const;
};

}  // namespace lockstep::detail
