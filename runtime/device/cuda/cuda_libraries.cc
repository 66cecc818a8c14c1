// SPDX-License-Identifier: Apache-2.0
#include "runtime/device/cuda/cuda_libraries.h"

#include <map>

#include "runtime/device/cuda/cuda_status.h"

namespace lockstep {
namespace {

// A thread's handles, by the GPU's number.
struct Handles {
  std::map<int, cublasLtHandle_t> cublas;
  std::map<int, cudnnHandle_t> cudnn;
  ~Handles() {
    for (auto& [gpu, handle] : cublas) {
      const CudaDeviceScope scope(gpu);
      (void)cublasLtDestroy(handle);
    }
    for (auto& [gpu, handle] : cudnn) {
      const CudaDeviceScope scope(gpu);
      (void)cudnnDestroy(handle);
    }
  }
};
thread_local Handles handles;

Result<int> CurrentGpu() {
  int gpu = 0;
  LS_RETURN_IF_CUDA(cudaGetDevice(&gpu));
  return gpu;
}

}  // namespace

Result<cublasLtHandle_t> CublasLtHandle() {
  LS_ASSIGN_OR_RETURN(const int gpu, CurrentGpu());
  cublasLtHandle_t& handle = handles.cublas[gpu];
  if (handle == nullptr) LS_RETURN_IF_CUBLAS(cublasLtCreate(&handle));
  return handle;
}

Result<cudnnHandle_t> CudnnHandle(void* stream) {
  LS_ASSIGN_OR_RETURN(const int gpu, CurrentGpu());
  cudnnHandle_t& handle = handles.cudnn[gpu];
  if (handle == nullptr) LS_RETURN_IF_CUDNN(cudnnCreate(&handle));
  LS_RETURN_IF_CUDNN(cudnnSetStream(handle, static_cast<cudaStream_t>(stream)));
  return handle;
}

Result<cudnnDataType_t> CudnnType(DType dtype) {
  switch (dtype) {
    case kFloat: return CUDNN_DATA_FLOAT;
    case kHalf: return CUDNN_DATA_HALF;
    case kBfloat16: return CUDNN_DATA_BFLOAT16;
    case kDouble: return CUDNN_DATA_DOUBLE;
    default: return Internal("cuDNN is asked for ", DTypeName(dtype));
  }
}

Status CublasStatus(cublasStatus_t error, const char* call) {
  if (error == CUBLAS_STATUS_SUCCESS) return Ok();
  const std::string text = StrCat(call, ": ", cublasLtGetStatusString(error));
  return error == CUBLAS_STATUS_ALLOC_FAILED ? ResourceExhausted(text)
                                             : Internal(text);
}

Status CudnnStatus(cudnnStatus_t error, const char* call) {
  if (error == CUDNN_STATUS_SUCCESS) return Ok();
  const std::string text = StrCat(call, ": ", cudnnGetErrorString(error));
  // Each kind of error has particular ones.
  switch (CUDNN_STATUS_CATEGORY(error)) {
    case CUDNN_STATUS_NOT_SUPPORTED: return Unimplemented(text);
    case CUDNN_STATUS_BAD_PARAM: return InvalidArgument(text);
    default: break;
  }
  return error == CUDNN_STATUS_ALLOC_FAILED ? ResourceExhausted(text)
                                            : Internal(text);
}

}  // namespace lockstep
