// SPDX-License-Identifier: Apache-2.0
#pragma once

// The attributes that Conv2D and its gradient ops have in common: for their
// registrations, gradients and builder functions.

#include "ops/conv/conv.h"
#include "runtime/graph/gradients.h"

#define LS_CONV_ATTRS                                \
  .Attr("T: {half, bfloat16, float, double, int32}") \
      .Attr("use_cudnn_on_gpu: bool = true") LS_CONV_WINDOW_ATTRS

// What a convolution ends in (see ops/dnnl/activation.h).
#define LS_CONV_ACTIVATION                                 \
  "activation: {'', 'Relu', 'Relu6', 'LeakyRelu', 'Elu'} " \
  "= ''"

#define LS_CONV_WINDOW_ATTRS                          \
  .Attr("strides: list(int)")                         \
      .Attr("padding: {'SAME', 'VALID', 'EXPLICIT'}") \
      .Attr("explicit_paddings: list(int) = []")      \
      .Attr("data_format: {'NHWC', 'NCHW'} = 'NHWC'") \
      .Attr("dilations: list(int) = [1, 1, 1, 1]")

namespace lockstep {

// The names of LS_CONV_WINDOW_ATTRS.
inline constexpr const char* kConvWindowAttrs[] = {
    "strides", "padding", "explicit_paddings", "data_format", "dilations"};
// Of what a fused convolution ends in.
inline constexpr const char* kActivationAttrs[] = {"activation", "alpha"};

// `names` of `from`, which has them all.
template <size_t n>
void CopyAttrs(const Node& from, const char* const (&names)[n], AttrMap* to) {
  for (const char* name : names) (*to)[name] = from.attrs().at(name);
}

// The forward node's attributes, on a node of its gradient.
inline NodeBuilder& WithConvAttrs(NodeBuilder& node, const GradContext& g) {
  for (const char* name : kConvWindowAttrs) {
    const auto& attrs = g.node()->attrs();
    if (auto it = attrs.find(name); it != attrs.end()) {
      node.Attr(name, it->second);
    }
  }
  return node;
}

inline NodeBuilder& WithConvAttrs(NodeBuilder& node,
                                  const std::vector<int64_t>& strides,
                                  const std::string& padding,
                                  const ops::Conv2DOptions& options) {
  return node.Attr("strides", strides)
      .Attr("padding", padding)
      .Attr("explicit_paddings", options.explicit_paddings)
      .Attr("data_format", options.data_format)
      .Attr("dilations", options.dilations);
}

}  // namespace lockstep
