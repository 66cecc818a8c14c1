// SPDX-License-Identifier: Apache-2.0
#pragma once

// NumPy's .npy files: one numeric or bool array each.
//
// Writes format version 1, little endian, row major; bfloat16, which NumPy
// lacks, as float32. Reads versions 1 to 3, both byte orders and both element
// orders. Thread-safe. Errors name the file: INVALID_ARGUMENT for one that is
// not .npy, DATA_LOSS for a cut or over-long one, UNIMPLEMENTED for element
// types without a DType and for strings.
//
//   LS_RETURN_IF_ERROR(WriteNpy(env, "y.npy", y));
//   LS_ASSIGN_OR_RETURN(Tensor y, ReadNpy(env, "y.npy"));

#include <string>
#include <string_view>

#include "runtime/core/env.h"
#include "runtime/core/status.h"
#include "runtime/core/tensor.h"

namespace lockstep {

Status WriteNpy(Env& env, const std::string& path, const Tensor& tensor);
Result<Tensor> ReadNpy(Env& env, const std::string& path);

// The same in memory; `name` stands for the file in errors.
Result<std::string> EncodeNpy(const Tensor& tensor);
Result<Tensor> DecodeNpy(std::string_view bytes, const std::string& name);

}  // namespace lockstep
