// SPDX-License-Identifier: Apache-2.0
#pragma once

// Images in blocks of 16 channels, oneDNN's nChw16c: the memory of an image
// [N,H,W,C] becomes that of [N,C/16,H,W,16]. As a tensor it is
// [N C/16,H,W,16], images of 16 channels: ops that treat channels alike (max
// pooling, ReLU, sums) work on it as on any other, so only convolutions and
// biases know of the blocks.
//
//   Shape blocked = BlockedShape(Shape{128, 14, 14, 64});   // [512,14,14,16]

#include "runtime/core/shape.h"

namespace lockstep::detail {

inline constexpr int64_t kChannelBlock = 16;

// An image of rank 4 with known sizes that divides into blocks.
inline bool CanBeBlocked(const Shape& image) {
  return image.IsFullyKnown() && image.rank() == 4 && image.dim(3) > 0 &&
         image.dim(3) % kChannelBlock == 0;
}
inline Shape BlockedShape(const Shape& image) {
  return Shape{image.dim(0) * (image.dim(3) / kChannelBlock), image.dim(1),
               image.dim(2), kChannelBlock};
}

}  // namespace lockstep::detail
