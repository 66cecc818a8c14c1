// SPDX-License-Identifier: Apache-2.0
#pragma once

// Builder functions for images of [N,H,W,C]. Gradients come with the ops.

#include <limits>
#include <string>
#include <vector>

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

// Colours, three in the last dimension, with values in [0, 1].
Output RGBToHSV(const Scope& scope, const Input& images);
Output HSVToRGB(const Scope& scope, const Input& images);
// Hue turned by `delta` of a full turn; saturation times `scale`.
Output AdjustHue(const Scope& scope, const Input& images, const Input& delta);
Output AdjustSaturation(const Scope& scope, const Input& images,
                        const Input& scale);
// (x - mean) * factor + mean, with each channel's mean over its image.
Output AdjustContrast(const Scope& scope, const Input& images,
                      const Input& factor);

// boxes: float [n,4], rows of y1, x1, y2, x2, where 1 is the last pixel;
// box_ind: int32 [n], their images -> float [n,height,width,C].
Output CropAndResize(const Scope& scope, const Input& image, const Input& boxes,
                     const Input& box_ind, const Input& crop_size,
                     const std::string& method = "bilinear",
                     float extrapolation_value = 0);
// -> [N,h,w,kh*kw*C]; ksizes, strides and rates are [1, rows, columns, 1].
Output ExtractImagePatches(const Scope& scope, const Input& images,
                           const std::vector<int64_t>& ksizes,
                           const std::vector<int64_t>& strides,
                           const std::vector<int64_t>& rates,
                           const std::string& padding);

// The boxes, of [n,4], that are kept: int32 [at most max_output_size], by
// score. A box goes when it covers one with a higher score by more than
// iou_threshold.
Output NonMaxSuppression(
    const Scope& scope, const Input& boxes, const Input& scores,
    const Input& max_output_size, const Input& iou_threshold = 0.5f,
    const Input& score_threshold = -std::numeric_limits<float>::infinity());

}  // namespace lockstep::ops
