// SPDX-License-Identifier: Apache-2.0
#pragma once

// Where stateless random ops get their stream: from a seed of two integers, or
// from a key and a counter. For authors of random kernels.

#include "runtime/core/philox.h"
#include "runtime/op/kernel.h"
#include "runtime/op/shape_context.h"

namespace lockstep::detail {

enum class SeedKind {
  kSeed,        // one input, seed: int32|int64 [2]
  kKeyCounter,  // three: key: uint64 [1], counter: uint64 [2..], alg: int32 []
};

// For a shape rule: those inputs, the first of which is number `first`.
Status CheckStatelessSeed(const ShapeContext& c, SeedKind kind, int first);
// INVALID_ARGUMENT for an algorithm that is not Philox.
Result<Philox> StatelessRng(const KernelContext& k, SeedKind kind, int first);

// What TensorFlow makes of a seed: the seed scrambled, so that any part of it
// may hold what differs. The counter's lower half is 0.
struct KeyCounter {
  uint64_t key, counter;
};
KeyCounter KeyCounterOf(const Tensor& seed);

}  // namespace lockstep::detail
