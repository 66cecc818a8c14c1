// SPDX-License-Identifier: Apache-2.0
#include "runtime/device/stream.h"

#include <cstring>

#ifdef LOCKSTEP_CUDA
#include "runtime/device/cuda/cuda_status.h"
#endif

namespace lockstep {

Status ClearBytes(void* data, size_t bytes, void* stream) {
  if (bytes == 0) return Ok();
#ifdef LOCKSTEP_CUDA
  if (stream != nullptr) {
    LS_RETURN_IF_CUDA(
        cudaMemsetAsync(data, 0, bytes, static_cast<cudaStream_t>(stream)));
    return Ok();
  }
#endif
  (void)stream;
  std::memset(data, 0, bytes);
  return Ok();
}

Status CopyBytes(void* to, const void* from, size_t bytes, void* stream) {
  if (bytes == 0) return Ok();
#ifdef LOCKSTEP_CUDA
  if (stream != nullptr) {
    LS_RETURN_IF_CUDA(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDefault,
                                      static_cast<cudaStream_t>(stream)));
    return Ok();
  }
#endif
  (void)stream;
  std::memcpy(to, from, bytes);
  return Ok();
}

}  // namespace lockstep
