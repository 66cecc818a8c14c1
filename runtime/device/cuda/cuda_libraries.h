// SPDX-License-Identifier: Apache-2.0
#pragma once

// Handles of cuBLASLt and cuDNN for the GPU that is the thread's current one;
// made when first asked for, and the thread's own. For builds with CUDA.
//
//   LS_ASSIGN_OR_RETURN(cudnnHandle_t cudnn, CudnnHandle(k.stream()));
//   LS_RETURN_IF_CUDNN(cudnnSoftmaxForward(cudnn, ...));

#include <cublasLt.h>
#include <cudnn.h>

#include "runtime/core/dtype.h"

namespace lockstep {

Result<cublasLtHandle_t> CublasLtHandle();
// Set to work on the stream, which may be null in prepare.
Result<cudnnHandle_t> CudnnHandle(void* stream);

Result<cudnnDataType_t> CudnnType(DType dtype);

// UNIMPLEMENTED of what cuDNN does not support, INVALID_ARGUMENT of what it
// takes for a mistake, RESOURCE_EXHAUSTED without memory, else INTERNAL.
Status CudnnStatus(cudnnStatus_t error, const char* call);
Status CublasStatus(cublasStatus_t error, const char* call);

}  // namespace lockstep

#define LS_RETURN_IF_CUBLAS(call)                                \
  do {                                                           \
    const cublasStatus_t ls_cublas_error = (call);               \
    if (ls_cublas_error != CUBLAS_STATUS_SUCCESS) [[unlikely]] { \
      return ::lockstep::CublasStatus(ls_cublas_error, #call);   \
    }                                                            \
  } while (false)
#define LS_RETURN_IF_CUDNN(call)                               \
  do {                                                         \
    const cudnnStatus_t ls_cudnn_error = (call);               \
    if (ls_cudnn_error != CUDNN_STATUS_SUCCESS) [[unlikely]] { \
      return ::lockstep::CudnnStatus(ls_cudnn_error, #call);   \
    }                                                          \
  } while (false)
