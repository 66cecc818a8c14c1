// SPDX-License-Identifier: Apache-2.0
#pragma once

// What follows a product or a convolution of floats on a GPU where the library
// does not do it itself.

#include "runtime/core/tensor.h"

namespace lockstep::gpu {

struct BiasEpilogue {
  int64_t channels = 1, inner = 1;  // y: [outer, channels, inner]
  bool relu = false;
};

// y = x + bias, then perhaps Relu; x may be y, null stands for zeros.
Status AddBias(void* stream, const float* x, const float* bias, Tensor& y,
               const BiasEpilogue& epilogue);

}  // namespace lockstep::gpu
