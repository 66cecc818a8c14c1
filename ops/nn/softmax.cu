// SPDX-License-Identifier: Apache-2.0

// Softmax, LogSoftmax by cuDNN.   x, y: [rows, classes]

#include "ops/nn/gpu.h"
#include "runtime/device/cuda/cuda_libraries.h"
#include "runtime/op/gpu_prepare.h"

namespace lockstep::gpu {
namespace {

struct SoftmaxState {
  cudnnTensorDescriptor_t rows = nullptr;
  bool is_double = false;

  SoftmaxState() = default;
  SoftmaxState(const SoftmaxState&) = delete;
  SoftmaxState& operator=(const SoftmaxState&) = delete;
  ~SoftmaxState() {
    if (rows != nullptr) (void)cudnnDestroyTensorDescriptor(rows);
  }
};

Status Run(KernelContext& k, cudnnSoftmaxAlgorithm_t algorithm) {
  const SoftmaxState& s = k.state<SoftmaxState>();
  if (k.output(0).NumElements() == 0) return Ok();
  LS_ASSIGN_OR_RETURN(const cudnnHandle_t cudnn, CudnnHandle(k.stream()));
  const float one = 1, zero = 0;
  const double one_double = 1, zero_double = 0;
  const void* alpha =
      s.is_double ? static_cast<const void*>(&one_double) : &one;
  const void* beta =
      s.is_double ? static_cast<const void*>(&zero_double) : &zero;
  LS_RETURN_IF_CUDNN(cudnnSoftmaxForward(
      cudnn, algorithm, CUDNN_SOFTMAX_MODE_INSTANCE, alpha, s.rows,
      k.input(0).data(), beta, s.rows, k.output(0).data()));
  return Ok();
}

}  // namespace

Status PrepareSoftmax(PrepareContext& p) {
  SoftmaxState& s = p.MakeState<SoftmaxState>();
  const Shape& x = p.input_shape(0);
  const int64_t classes = x.dim(x.rank() - 1);
  s.is_double = p.input_dtype(0) == kDouble;
  if (x.NumElements() == 0) return Ok();
  const int64_t rows = x.NumElements() / classes;
  constexpr int64_t kMost = int64_t{1} << 31;
  if (rows >= kMost || classes >= kMost) {
    return Unimplemented("softmax of ", x, " on a GPU");
  }
  LS_ASSIGN_OR_RETURN(const cudnnDataType_t type, CudnnType(p.input_dtype(0)));
  LS_RETURN_IF_CUDNN(cudnnCreateTensorDescriptor(&s.rows));
  LS_RETURN_IF_CUDNN(cudnnSetTensor4dDescriptor(
      s.rows, CUDNN_TENSOR_NCHW, type, static_cast<int>(rows),
      static_cast<int>(classes), 1, 1));
  return Ok();
}
Status Softmax(KernelContext& k) { return Run(k, CUDNN_SOFTMAX_ACCURATE); }
Status LogSoftmax(KernelContext& k) { return Run(k, CUDNN_SOFTMAX_LOG); }

}  // namespace lockstep::gpu
