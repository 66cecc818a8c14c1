// SPDX-License-Identifier: Apache-2.0
#pragma once

// Convolutions on a GPU by a kernel of our own, an element a thread or a group
// of threads, for what a library has no way for that gives the same bits each
// time. Sums are of doubles, in an order that sizes alone decide.

#include "ops/conv/conv_dims.h"
#include "runtime/op/kernel.h"

namespace lockstep::gpu {

// Makes output 0 from inputs 0 and 1 (forward), 1 and 2 (backward to the
// image), or 0 and 2 (to the filter).
Status DirectConv(KernelContext& k, detail::ConvKind kind,
                  const detail::ConvDims& dims);

}  // namespace lockstep::gpu
