// SPDX-License-Identifier: Apache-2.0
#pragma once

// A tensor seen by its channels: [outer, channels, inner]. For authors of ops
// with a data_format: channels are dimension 1 in "NCHW" and "NCDHW", the last
// one otherwise.

#include "runtime/core/shape.h"
#include "runtime/op/attr.h"

namespace lockstep {

struct ChannelView {
  int64_t outer = 1, channels = 1, inner = 1;
};

inline int ChannelDim(const AttrMap& attrs, int rank) {
  const auto* format = GetIf<std::string>(attrs, "data_format");
  return format && format->starts_with("NC") ? 1 : rank - 1;
}

inline ChannelView ViewOf(const AttrMap& attrs, const Shape& shape) {
  ChannelView v;
  const int at = ChannelDim(attrs, shape.rank());
  v.channels = shape.dim(at);
  for (int i = 0; i < at; ++i) v.outer *= shape.dim(i);
  for (int i = at + 1; i < shape.rank(); ++i) v.inner *= shape.dim(i);
  return v;
}

}  // namespace lockstep
