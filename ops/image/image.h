// SPDX-License-Identifier: Apache-2.0
#pragma once

// Builder functions for images of [N,H,W,C]. Gradients come with the ops.

#include "runtime/graph/builder.h"

namespace lockstep::ops {

// Where the pixels of a resized image are taken: at o * in / out, at
// o * (in - 1) / (out - 1), or at the centres of pixels. Not both.
struct ResizeAttrs {
  bool align_corners = false;
  bool half_pixel_centers = false;
};

// images: [N,H,W,C], size: int32 [2] = {height, width} -> [N,height,width,C].
// The second gives floats, whatever the images are.
Output ResizeNearestNeighbor(const Scope& scope, const Input& images,
                             const Input& size, const ResizeAttrs& attrs = {});
Output ResizeBilinear(const Scope& scope, const Input& images,
                      const Input& size, const ResizeAttrs& attrs = {});

}  // namespace lockstep::ops
