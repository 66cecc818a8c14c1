// SPDX-License-Identifier: Apache-2.0
#pragma once

// PNG images to and from tensors uint8 [height,width,channels], through
// libpng; 1 channel is grey, 2 grey and alpha, 3 RGB, 4 RGB and alpha.
//
// Thread-safe. Error: INVALID_ARGUMENT for what is no such tensor or no PNG,
// RESOURCE_EXHAUSTED for an image that declares more than kMaxPngPixels.
//
//   LS_ASSIGN_OR_RETURN(std::string png, EncodePng(pixels));
//   LS_ASSIGN_OR_RETURN(Tensor back, DecodePng(png));

#include <string>
#include <string_view>

#include "runtime/core/tensor.h"

namespace lockstep {

inline constexpr int64_t kMaxPngPixels = int64_t{1} << 26;

Result<std::string> EncodePng(const Tensor& pixels);
// Deeper images are brought to 8 bits, palettes to RGB.
Result<Tensor> DecodePng(std::string_view bytes);

}  // namespace lockstep
