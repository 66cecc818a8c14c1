// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the tests of the GPU's kernels as loops have in common.

#include "tests/ops/gpu/run_kernel.h"

// For tables of ops whose function has their name.
#define LS_CASE(Op) \
  { #Op, gpu::Op }

namespace lockstep::testing {

inline constexpr DType kFloats[] = {kHalf, kBfloat16, kFloat, kDouble};

inline double Tolerance(DType type) {
  return type == kHalf       ? 2e-3
         : type == kBfloat16 ? 2e-2
         : type == kFloat    ? 1e-5
                             : 1e-12;
}

inline Tensor Ints(std::vector<int32_t> v) { return Tensor::Vector(v); }
inline Tensor Longs(std::vector<int64_t> v) { return Tensor::Vector(v); }

}  // namespace lockstep::testing
