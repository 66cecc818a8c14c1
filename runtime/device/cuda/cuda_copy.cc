// SPDX-License-Identifier: Apache-2.0
#include "runtime/device/cuda/cuda_copy.h"

#include "runtime/device/cuda/cuda_hardware.h"
#include "runtime/device/cuda/cuda_status.h"

namespace lockstep {
namespace {

// The number of the GPU whose memory it is; -1: the host's.
Result<int> GpuOf(const void* data) {
  cudaPointerAttributes attributes;
  LS_RETURN_IF_CUDA(cudaPointerGetAttributes(&attributes, data));
  return attributes.type == cudaMemoryTypeDevice ? attributes.device : -1;
}

}  // namespace

Status EnqueueCudaCopy(void* to, const void* from, size_t bytes,
                       cudaStream_t stream) {
  if (CudaGpus().size() > 1) {
    LS_ASSIGN_OR_RETURN(const int target, GpuOf(to));
    LS_ASSIGN_OR_RETURN(const int source, GpuOf(from));
    if (target >= 0 && source >= 0 && target != source) {
      LS_RETURN_IF_CUDA(
          cudaMemcpyPeerAsync(to, target, from, source, bytes, stream));
      return Ok();
    }
  }
  LS_RETURN_IF_CUDA(
      cudaMemcpyAsync(to, from, bytes, cudaMemcpyDefault, stream));
  return Ok();
}

}  // namespace lockstep
