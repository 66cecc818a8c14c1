// SPDX-License-Identifier: Apache-2.0
#include "runtime/device/cuda/cuda_status.h"

namespace lockstep {
namespace {

Code CodeOf(cudaError_t error) {
  switch (error) {
    case cudaErrorMemoryAllocation: return Code::kResourceExhausted;
    case cudaErrorNoDevice:
    case cudaErrorInsufficientDriver:
    case cudaErrorDevicesUnavailable:
    case cudaErrorCudartUnloading: return Code::kUnavailable;
    default: return Code::kInternal;
  }
}

}  // namespace

Status CudaStatus(cudaError_t error, const char* call) {
  if (error == cudaSuccess) return Ok();
  (void)cudaGetLastError();
  int device = -1;
  const bool known = cudaGetDevice(&device) == cudaSuccess;
  return Status(
      CodeOf(error),
      StrCat(known ? StrCat("GPU ", device) : "no GPU", ": ", call, ": ",
             cudaGetErrorString(error), " (", cudaGetErrorName(error), ")"));
}

CudaDeviceScope::CudaDeviceScope(int index) {
  if (cudaGetDevice(&before_) != cudaSuccess) before_ = -1;
  // Also where it is the thread's already: GPU 0 is every new thread's, which
  // has no context of it before this, and libraries ask for one.
  status_ = CudaStatus(cudaSetDevice(index), "cudaSetDevice");
  if (before_ == index) before_ = -1;
}

CudaDeviceScope::~CudaDeviceScope() {
  if (before_ >= 0) (void)cudaSetDevice(before_);
}

}  // namespace lockstep
