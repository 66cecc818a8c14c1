// SPDX-License-Identifier: Apache-2.0
#pragma once

// What is done to memory in the order of a stream (a cudaStream_t), or at once
// when that is null: for kernels that a CPU and a GPU share. Addresses must be
// those of the stream's device; `from` of a copy may be the host's.
//
//   LS_RETURN_IF_ERROR(ClearBytes(y.data(), y.bytes(), k.stream()));

#include <cstddef>

#include "runtime/core/status.h"

namespace lockstep {

Status ClearBytes(void* data, size_t bytes, void* stream);
Status CopyBytes(void* to, const void* from, size_t bytes, void* stream);

}  // namespace lockstep
