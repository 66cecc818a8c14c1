// SPDX-License-Identifier: Apache-2.0
#pragma once

// Errors of CUDA as Statuses. For builds with CUDA.
//
//   LS_RETURN_IF_CUDA(cudaStreamSynchronize(stream));
//   // INTERNAL: GPU 0: cudaStreamSynchronize(stream): an illegal memory access
//   // was encountered (cudaErrorIllegalAddress)

#include <cuda_runtime_api.h>

#include "runtime/core/status.h"

namespace lockstep {

// RESOURCE_EXHAUSTED when memory is out, UNAVAILABLE when there is no driver
// or device any more, INTERNAL otherwise; OK of cudaSuccess. An error that a
// launch left behind is taken off the thread.
Status CudaStatus(cudaError_t error, const char* call);

// Makes a GPU this thread's while it lives.
class CudaDeviceScope {
 public:
  explicit CudaDeviceScope(int index);
  ~CudaDeviceScope();
  CudaDeviceScope(const CudaDeviceScope&) = delete;
  CudaDeviceScope& operator=(const CudaDeviceScope&) = delete;
  const Status& status() const { return status_; }

 private:
  int before_ = -1;
  Status status_;
};

}  // namespace lockstep

#define LS_RETURN_IF_CUDA(call)                            \
  do {                                                     \
    const cudaError_t ls_cuda_error = (call);              \
    if (ls_cuda_error != cudaSuccess) [[unlikely]] {       \
      return ::lockstep::CudaStatus(ls_cuda_error, #call); \
    }                                                      \
  } while (false)
