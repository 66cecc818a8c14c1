// SPDX-License-Identifier: Apache-2.0
#pragma once

// How cuDNN wants what a convolution reads and makes.

#include "runtime/core/dtype.h"

namespace lockstep::gpu {

// Ours: [r s, c, k]   cuDNN's: [k, r s, c], of NCHW images [k, c, r s]
struct FilterLayout {
  int64_t rs, c, k;
  bool nchw;
  int64_t size() const { return rs * c * k; }
};
Status TurnFilter(void* stream, const FilterLayout& layout, DType dtype,
                  const void* ours, void* cudnns);
Status TurnFilterBack(void* stream, const FilterLayout& layout, DType dtype,
                      const void* cudnns, void* ours);

// An image [n, h, w, c] (or [n, c, h, w]) at (top, left) of a larger one, which
// may have its channels elsewhere.
struct ImageLayout {
  int64_t n, h, w, c;
  int64_t large_h, large_w, top, left;
  bool nchw, large_nchw;
  int64_t large_size() const { return n * large_h * large_w * c; }
};
// The larger one is zeros around the image.
Status EnlargeImage(void* stream, const ImageLayout& layout, DType dtype,
                    const void* image, void* large);
Status CutImage(void* stream, const ImageLayout& layout, DType dtype,
                const void* large, void* image);

}  // namespace lockstep::gpu
