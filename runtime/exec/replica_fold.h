// SPDX-License-Identifier: Apache-2.0
#pragma once

// The one addition of reproducible mode: two parts of a sum over virtual
// replicas, each times its weight. A weight of 1 leaves a part as it is. Every
// product is rounded before it is added, whatever the processor could do in
// one instruction, so that the bits do not depend on where a sum was cut.
// Pure; float and double.
//
//   FoldReplicas(kFloat, a, 0.125, b, 0.125, out, n);  // a / 8 + b / 8

#include <cstdint>

#include "runtime/core/dtype.h"

namespace lockstep {

// out[i] = left[i] * left_weight + right[i] * right_weight. `out` may be either
// of the two. By the thread team, unless the caller is one of its threads.
void FoldReplicas(DType dtype, const void* left, double left_weight,
                  const void* right, double right_weight, void* out,
                  int64_t count);

// out[i] = in[i] * weight.
void WeighReplica(DType dtype, const void* in, double weight, void* out,
                  int64_t count);

}  // namespace lockstep
