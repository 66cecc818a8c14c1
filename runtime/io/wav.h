// SPDX-License-Identifier: Apache-2.0
#pragma once

// WAV sounds (16-bit PCM) to and from tensors float [frames,channels] with
// samples in [-1, 1]; what is outside is clipped.
//
// Thread-safe. Error: INVALID_ARGUMENT for what is no such tensor or no such
// file; a reader takes no more memory than a small multiple of the bytes.
//
//   LS_ASSIGN_OR_RETURN(std::string wav, EncodeWav(samples, 44100));
//   LS_ASSIGN_OR_RETURN(WavSound sound, DecodeWav(wav));

#include <string>
#include <string_view>

#include "runtime/core/tensor.h"

namespace lockstep {

struct WavSound {
  int64_t sample_rate = 0;  // frames in a second
  Tensor samples;           // float [frames,channels]
};

Result<std::string> EncodeWav(const Tensor& samples, int64_t sample_rate);
Result<WavSound> DecodeWav(std::string_view bytes);

}  // namespace lockstep
