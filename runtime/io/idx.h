// SPDX-License-Identifier: Apache-2.0
#pragma once

// IDX, the format of MNIST's files: a magic number that holds the element type
// and the number of dimensions, the dimensions, the elements, all big endian.
// Plain and gzip files are told apart by their first bytes, not their names.
//
// Thread-safe. Errors name the file: NOT_FOUND and what Env reports;
// DATA_LOSS for a cut, damaged or over-long file; INVALID_ARGUMENT for one
// that is not IDX at all.
//
//   LS_ASSIGN_OR_RETURN(Tensor images, ReadIdx(env, "t10k-images.gz"));
//   images.dtype();  // kUint8
//   images.shape();  // [10000,28,28]

#include <string>
#include <string_view>

#include "runtime/core/env.h"
#include "runtime/core/status.h"
#include "runtime/core/tensor.h"

namespace lockstep {

// uint8, int8, int16, int32, float or double.
Result<Tensor> ReadIdx(Env& env, const std::string& path);
// The same from bytes in memory; `name` stands for the file in errors.
Result<Tensor> DecodeIdx(std::string_view bytes, const std::string& name);

// A plain IDX file of the same six types; INVALID_ARGUMENT for others and for
// more than 255 dimensions or a dimension above 2^32 - 1.
Result<std::string> EncodeIdx(const Tensor& tensor);

}  // namespace lockstep
