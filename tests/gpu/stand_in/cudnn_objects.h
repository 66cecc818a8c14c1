// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the parts of the stand-in for cuDNN share: its objects, and how a call
// becomes a task of the handle's stream.

#include <cudnn.h>

#include <vector>

#include "tests/gpu/stand_in/numbers.h"
#include "tests/gpu/stand_in/report.h"
#include "tests/gpu/stand_in/streams.h"

struct cudnnContext {
  int device;
  cudaStream_t stream = nullptr;
};

// Of images, [n, c, h, w] in the order of the format.
struct cudnnTensorStruct {
  lockstep::stand_in::Element type = lockstep::stand_in::Element::kNone;
  bool channels_last = false;
  int64_t n = 0, c = 0, h = 0, w = 0;

  int64_t size() const { return n * c * h * w; }
  size_t bytes() const {
    return static_cast<size_t>(size()) * lockstep::stand_in::SizeOf(type);
  }
  int64_t At(int64_t in, int64_t ic, int64_t ih, int64_t iw) const {
    return channels_last ? ((in * h + ih) * w + iw) * c + ic
                         : ((in * c + ic) * h + ih) * w + iw;
  }
  bool operator==(const cudnnTensorStruct&) const = default;
};
// [k, c, h, w], k as n.
struct cudnnFilterStruct : cudnnTensorStruct {};

struct cudnnConvolutionStruct {
  lockstep::stand_in::Element compute = lockstep::stand_in::Element::kNone;
  int pad_h = 0, pad_w = 0, stride_h = 1, stride_w = 1;
  int dilation_h = 1, dilation_w = 1, groups = 1;
  cudnnMathType_t math = CUDNN_DEFAULT_MATH;
};

namespace lockstep::stand_in {

Element ElementOf(cudnnDataType_t type);
// The type of alpha, beta and of what is summed up: double for doubles.
inline Element ScaleOf(Element type) {
  return type == Element::kDouble ? Element::kDouble : Element::kFloat;
}
// Whether a handle is live and the current GPU's; says so if not.
bool IsUsable(cudnnHandle_t handle);
// Whether a descriptor is live and has been set.
bool IsSet(const cudnnTensorStruct* tensor);
// Gives the handle's stream a task that uses these arrays.
cudnnStatus_t Give(cudnnHandle_t handle, const char* what,
                   std::vector<Use> uses, Task task);
// Keeps and drops objects that count as left over at the end.
void KeepCudnn(const void* made);
bool DropCudnn(const void* made);

// f of a float or of a double.
template <class F>
auto ForScale(Element type, const F& f) {
  return type == Element::kDouble ? f(double{}) : f(float{});
}

}  // namespace lockstep::stand_in
