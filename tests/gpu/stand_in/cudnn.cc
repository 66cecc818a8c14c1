// SPDX-License-Identifier: Apache-2.0
// cuDNN's handles and descriptors.
#include <mutex>

#include "tests/gpu/stand_in/cudnn_objects.h"
#include "tests/gpu/stand_in/handles.h"

namespace lockstep::stand_in {
namespace {

struct State {
  std::mutex mutex;
  Handles<const void*> all{"object of cuDNN"};
  State() {
    CheckAtExit([] {
      const size_t left = Get().all.left();
      return left == 0 ? std::string()
                       : StrCat(left, " objects of cuDNN are left over");
    });
  }
  static State& Get() {
    static auto& state = *new State;
    return state;
  }
};

bool IsLive(const void* made) {
  State& s = State::Get();
  const std::lock_guard lock(s.mutex);
  return s.all.Has(made);
}

template <class T>
cudnnStatus_t Make(T** handle, T* made) {
  KeepCudnn(made);
  *handle = made;
  return CUDNN_STATUS_SUCCESS;
}
template <class T>
cudnnStatus_t Destroy(T* made) {
  if (!DropCudnn(made)) {
    Misuse("an object of cuDNN is destroyed that is gone");
    return CUDNN_STATUS_BAD_PARAM;
  }
  delete made;
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t Describe(cudnnTensorStruct* tensor, cudnnTensorFormat_t format,
                       cudnnDataType_t type, int n, int c, int h, int w) {
  if (!IsLive(tensor) || n < 1 || c < 1 || h < 1 || w < 1 ||
      ElementOf(type) == Element::kNone ||
      (format != CUDNN_TENSOR_NCHW && format != CUDNN_TENSOR_NHWC)) {
    return CUDNN_STATUS_BAD_PARAM;
  }
  tensor->type = ElementOf(type);
  tensor->channels_last = format == CUDNN_TENSOR_NHWC;
  tensor->n = n;
  tensor->c = c;
  tensor->h = h;
  tensor->w = w;
  return CUDNN_STATUS_SUCCESS;
}

}  // namespace

Element ElementOf(cudnnDataType_t type) {
  switch (type) {
    case CUDNN_DATA_FLOAT: return Element::kFloat;
    case CUDNN_DATA_HALF: return Element::kHalf;
    case CUDNN_DATA_BFLOAT16: return Element::kBfloat16;
    case CUDNN_DATA_DOUBLE: return Element::kDouble;
    default: return Element::kNone;
  }
}

void KeepCudnn(const void* made) {
  State& s = State::Get();
  const std::lock_guard lock(s.mutex);
  s.all.Add(made);
}
bool DropCudnn(const void* made) {
  State& s = State::Get();
  const std::lock_guard lock(s.mutex);
  return s.all.Remove(made);
}

bool IsUsable(cudnnHandle_t handle) {
  if (IsLive(handle) && handle->device == CurrentDevice()) return true;
  Misuse("cuDNN's handle is gone or another GPU's");
  return false;
}
bool IsSet(const cudnnTensorStruct* tensor) {
  if (IsLive(tensor) && tensor->type != Element::kNone) return true;
  Misuse("a descriptor of cuDNN's is gone or was not set");
  return false;
}

cudnnStatus_t Give(cudnnHandle_t handle, const char* what,
                   std::vector<Use> uses, Task task) {
  if (handle->stream == nullptr) Misuse(StrCat(what, " on no stream"));
  return EnqueueKernel(handle->stream, what, std::move(uses),
                       std::move(task)) == cudaSuccess
             ? CUDNN_STATUS_SUCCESS
             : CUDNN_STATUS_EXECUTION_FAILED;
}

}  // namespace lockstep::stand_in

using namespace lockstep::stand_in;  // NOLINT: what follows is C

extern "C" {

cudnnStatus_t cudnnCreate(cudnnHandle_t* handle) {
  return Make(handle, new cudnnContext{CurrentDevice()});
}
cudnnStatus_t cudnnDestroy(cudnnHandle_t handle) { return Destroy(handle); }
cudnnStatus_t cudnnSetStream(cudnnHandle_t handle, cudaStream_t stream) {
  if (!IsUsable(handle)) return CUDNN_STATUS_BAD_PARAM;
  const cudaStream_t on = Resolve(stream);
  if (on == nullptr || on->device != handle->device) {
    Misuse("cuDNN is given a stream of another GPU, or none");
    return CUDNN_STATUS_MAPPING_ERROR;
  }
  handle->stream = stream;
  return CUDNN_STATUS_SUCCESS;
}
const char* cudnnGetErrorString(cudnnStatus_t status) {
  return status == CUDNN_STATUS_NOT_SUPPORTED ? "CUDNN_STATUS_NOT_SUPPORTED"
         : status == CUDNN_STATUS_BAD_PARAM   ? "CUDNN_STATUS_BAD_PARAM"
                                              : "another status";
}

cudnnStatus_t cudnnCreateTensorDescriptor(cudnnTensorDescriptor_t* tensor) {
  return Make(tensor, new cudnnTensorStruct);
}
cudnnStatus_t cudnnDestroyTensorDescriptor(cudnnTensorDescriptor_t tensor) {
  return Destroy(tensor);
}
cudnnStatus_t cudnnSetTensor4dDescriptor(cudnnTensorDescriptor_t tensor,
                                         cudnnTensorFormat_t format,
                                         cudnnDataType_t type, int n, int c,
                                         int h, int w) {
  return Describe(tensor, format, type, n, c, h, w);
}

cudnnStatus_t cudnnCreateFilterDescriptor(cudnnFilterDescriptor_t* filter) {
  return Make(filter, new cudnnFilterStruct);
}
cudnnStatus_t cudnnDestroyFilterDescriptor(cudnnFilterDescriptor_t filter) {
  return Destroy(filter);
}
cudnnStatus_t cudnnSetFilter4dDescriptor(cudnnFilterDescriptor_t filter,
                                         cudnnDataType_t type,
                                         cudnnTensorFormat_t format, int k,
                                         int c, int h, int w) {
  return Describe(filter, format, type, k, c, h, w);
}

cudnnStatus_t cudnnCreateConvolutionDescriptor(
    cudnnConvolutionDescriptor_t* convolution) {
  return Make(convolution, new cudnnConvolutionStruct);
}
cudnnStatus_t cudnnDestroyConvolutionDescriptor(
    cudnnConvolutionDescriptor_t convolution) {
  return Destroy(convolution);
}
cudnnStatus_t cudnnSetConvolution2dDescriptor(
    cudnnConvolutionDescriptor_t convolution, int pad_h, int pad_w,
    int stride_h, int stride_w, int dilation_h, int dilation_w,
    cudnnConvolutionMode_t mode, cudnnDataType_t compute) {
  if (pad_h < 0 || pad_w < 0 || stride_h < 1 || stride_w < 1 ||
      dilation_h < 1 || dilation_w < 1 || mode != CUDNN_CROSS_CORRELATION) {
    return CUDNN_STATUS_BAD_PARAM;
  }
  *convolution = {ElementOf(compute), pad_h,    pad_w,
                  stride_h,           stride_w, dilation_h,
                  dilation_w,         1,        CUDNN_DEFAULT_MATH};
  return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnSetConvolutionGroupCount(
    cudnnConvolutionDescriptor_t convolution, int groups) {
  if (groups < 1) return CUDNN_STATUS_BAD_PARAM;
  convolution->groups = groups;
  return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnSetConvolutionMathType(
    cudnnConvolutionDescriptor_t convolution, cudnnMathType_t math) {
  convolution->math = math;
  return CUDNN_STATUS_SUCCESS;
}

}  // extern "C"
