// SPDX-License-Identifier: Apache-2.0
#pragma once

// The operations of convolutions and their gradients, for LOCKSTEP_FLOPS: each
// element of the output meets the filter's window, of every input channel or,
// depthwise, of its own.

#include "runtime/graph/node_work.h"

namespace lockstep::detail {

// `output`: the forward op's, or the gradient that stands in for it.
template <bool kDepthwise>
double ConvFlops(const Shape& output, const Shape& filter, double unknown) {
  const int last = filter.HasRank() ? filter.rank() - 1 : 3;
  double window = 1;
  for (int i = 0; i < (kDepthwise ? last - 1 : last); ++i) {
    window *= KnownDim(filter, i, unknown);
  }
  return 2 * KnownElements(output, unknown) * window;
}

template <bool kDepthwise = false>
double ForwardFlops(const Node& n, double unknown) {
  return ConvFlops<kDepthwise>(n.output_shape(0), n.input(1).shape(), unknown);
}

template <bool kDepthwise = false>
double InputGradientFlops(const Node& n, double unknown) {
  return ConvFlops<kDepthwise>(n.input(2).shape(), n.input(1).shape(), unknown);
}

template <bool kDepthwise = false>
double FilterGradientFlops(const Node& n, double unknown) {
  return ConvFlops<kDepthwise>(n.input(2).shape(), n.output_shape(0), unknown);
}

}  // namespace lockstep::detail
