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
  double window = KnownDim(filter, 0, unknown) * KnownDim(filter, 1, unknown);
  if (!kDepthwise) window *= KnownDim(filter, 2, unknown);
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
