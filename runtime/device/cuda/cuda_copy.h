// SPDX-License-Identifier: Apache-2.0
#pragma once

// Copies from wherever to wherever. For builds with CUDA.
//
//   LS_RETURN_IF_ERROR(EnqueueCudaCopy(to, from, bytes, stream));

#include <cuda_runtime_api.h>

#include "runtime/core/status.h"

namespace lockstep {

// In the order of the stream. Between two GPUs by their numbers: addresses
// alone do where the GPUs see each other's memory, and arenas and pools are
// each mapped for their own GPU.
Status EnqueueCudaCopy(void* to, const void* from, size_t bytes,
                       cudaStream_t stream);

}  // namespace lockstep
