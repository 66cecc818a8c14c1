// SPDX-License-Identifier: Apache-2.0
#pragma once

// PNG images to and from tensors uint8 or uint16 [height,width,channels],
// through libpng; 1 channel is grey, 2 grey and alpha, 3 RGB, 4 RGB and alpha.
// They are read in the form that is asked for, as TensorFlow's ops convert
// them: without gamma, alpha dropped or opaque, grey from ITU-R 601 weights.
//
// Thread-safe. Error: INVALID_ARGUMENT for what is no such tensor or no PNG,
// RESOURCE_EXHAUSTED for an image that declares more than 2^26 pixels.
//
//   LS_ASSIGN_OR_RETURN(std::string png, EncodePng(pixels));
//   LS_ASSIGN_OR_RETURN(Tensor back, DecodePng(png));

#include <string>
#include <string_view>

#include "runtime/core/tensor.h"

namespace lockstep {

// `compression`: 0 to 9, or -1 for zlib's default.
Result<std::string> EncodePng(const Tensor& image, int compression = -1);

// `channels`: 1 to 4, or 0 for the file's (a palette has 3, 4 with
// transparency). dtype: uint8, to which 16 bits are cut, or uint16, to which 8
// bits are stretched.
Result<Tensor> DecodePng(std::string_view bytes, int channels = 0,
                         DType dtype = kUint8);

}  // namespace lockstep
