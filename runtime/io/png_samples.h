// SPDX-License-Identifier: Apache-2.0
#pragma once

// PNG images in the form that a program asks for, as TensorFlow's ops convert
// them: without gamma, alpha dropped or opaque, grey from ITU-R 601 weights.
// For pixels as they are see png.h.
//
// Thread-safe. Error: INVALID_ARGUMENT for what is no such tensor or no PNG,
// RESOURCE_EXHAUSTED for an image that declares more than kMaxPngPixels.

#include <string>
#include <string_view>

#include "runtime/core/tensor.h"

namespace lockstep {

// `channels`: 1 to 4, or 0 for the file's (a palette has 3, 4 with
// transparency). dtype: uint8, or uint16, to which 8 bits are stretched.
Result<Tensor> ReadPng(std::string_view bytes, int channels, DType dtype);

// image: uint8 or uint16 [height,width,1..4]; compression 0 to 9, or -1 for
// zlib's default.
Result<std::string> WritePng(const Tensor& image, int compression);

}  // namespace lockstep
