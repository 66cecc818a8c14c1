// SPDX-License-Identifier: Apache-2.0
#pragma once

// The loops of _MaxPoolIndex and its gradient over float images, for ops that
// have them on a part of a batch. Called from one thread; they share out the
// rows.
//
//   PoolIndex(dims, x, y, index);       // the largest of each window, and
//   which SpreadPooled(dims, index, dy, dx);  // dy to those places, 0
//   elsewhere

#include "ops/conv/pool.h"

namespace lockstep::detail {

// Images of a block of channels, every number of which is in one window of 2
// by 2.
bool HalvesBlocks(const PoolDims& dims);
void PoolIndex(const PoolDims& dims, const float* x, float* y, uint8_t* index);
void SpreadPooled(const PoolDims& dims, const uint8_t* index, const float* dy,
                  float* dx);

}  // namespace lockstep::detail
