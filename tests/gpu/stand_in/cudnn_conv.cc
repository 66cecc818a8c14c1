// SPDX-License-Identifier: Apache-2.0
// cuDNN's convolution and its gradients. It has no way for doubles with
// channels last, none for the gradients of groups with channels last, and none
// for gradients with dilation that gives the same bits each time: real ones
// lack these or others, and a program has to do without.
#include <algorithm>
#include <cstring>

#include "tests/gpu/stand_in/cudnn_objects.h"

namespace lockstep::stand_in {
namespace {

enum class Direction { kForward, kData, kFilter };

struct Convolution {
  cudnnTensorStruct x, y;
  cudnnFilterStruct filter;
  cudnnConvolutionStruct how;
};

int64_t OutputSize(int64_t in, int64_t filter, int pad, int stride,
                   int dilation) {
  return 1 + (in + 2 * pad - ((filter - 1) * dilation + 1)) / stride;
}

cudnnStatus_t Describe(cudnnHandle_t handle, Direction direction,
                       const cudnnTensorStruct* x, const cudnnFilterStruct* w,
                       const cudnnConvolutionStruct* how,
                       const cudnnTensorStruct* y, Convolution* made) {
  if (!IsUsable(handle) || !IsSet(x) || !IsSet(w) || !IsSet(y)) {
    return CUDNN_STATUS_BAD_PARAM;
  }
  *made = {*x, *y, *w, *how};
  const bool sizes = y->n == x->n && y->c == w->n &&
                     x->c == w->c * how->groups && w->n % how->groups == 0 &&
                     y->h == OutputSize(x->h, w->h, how->pad_h, how->stride_h,
                                        how->dilation_h) &&
                     y->w == OutputSize(x->w, w->w, how->pad_w, how->stride_w,
                                        how->dilation_w);
  if (!sizes || x->type != y->type || x->type != w->type) {
    return CUDNN_STATUS_BAD_PARAM;
  }
  const bool last = w->channels_last;
  const bool has =
      x->channels_last == last && y->channels_last == last &&
      how->compute == ScaleOf(x->type) &&
      !(last && x->type == Element::kDouble) &&
      !(last && how->groups > 1 && direction != Direction::kForward);
  return has ? CUDNN_STATUS_SUCCESS : CUDNN_STATUS_NOT_SUPPORTED;
}

// Images as [n, h, w, c], filters as [taps, groups, outer, inner] of what the
// innermost loop goes along.
template <class T>
std::vector<T> Pixels(const cudnnTensorStruct& t, const void* data) {
  std::vector<T> all(static_cast<size_t>(t.size()));
  size_t i = 0;
  for (int64_t n = 0; n < t.n; ++n) {
    for (int64_t h = 0; h < t.h; ++h) {
      for (int64_t w = 0; w < t.w; ++w) {
        for (int64_t c = 0; c < t.c; ++c) {
          all[i++] = Load<T>(t.type, data, t.At(n, c, h, w));
        }
      }
    }
  }
  return all;
}
template <class T>
void StorePixels(const cudnnTensorStruct& t, const std::vector<T>& all,
                 void* data, T alpha, T beta) {
  size_t i = 0;
  for (int64_t n = 0; n < t.n; ++n) {
    for (int64_t h = 0; h < t.h; ++h) {
      for (int64_t w = 0; w < t.w; ++w) {
        for (int64_t c = 0; c < t.c; ++c) {
          Blend(t.type, data, t.At(n, c, h, w), alpha, all[i++], beta);
        }
      }
    }
  }
}
// [k, h, w, c] to [h, w, k's group, c, k in the group] and back; of gradients
// of images the last two the other way round.
template <class F>
void ForFilter(const Convolution& v, bool inputs_last, const F& f) {
  const cudnnFilterStruct& w = v.filter;
  const int64_t each = w.n / v.how.groups;
  for (int64_t k = 0; k < w.n; ++k) {
    for (int64_t c = 0; c < w.c; ++c) {
      for (int64_t h = 0; h < w.h; ++h) {
        for (int64_t q = 0; q < w.w; ++q) {
          const int64_t group = (h * w.w + q) * v.how.groups + k / each;
          const int64_t at = inputs_last ? (group * each + k % each) * w.c + c
                                         : (group * w.c + c) * each + k % each;
          f(static_cast<size_t>(at), w.At(k, c, h, q));
        }
      }
    }
  }
}

// f(input pixel, output pixel, tap) for all that touch.
template <class F>
void ForTaps(const Convolution& v, const F& f) {
  for (int64_t n = 0; n < v.y.n; ++n) {
    for (int64_t p = 0; p < v.y.h * v.y.w; ++p) {
      for (int64_t tap = 0; tap < v.filter.h * v.filter.w; ++tap) {
        const int64_t h = p / v.y.w * v.how.stride_h - v.how.pad_h +
                          tap / v.filter.w * v.how.dilation_h;
        const int64_t w = p % v.y.w * v.how.stride_w - v.how.pad_w +
                          tap % v.filter.w * v.how.dilation_w;
        if (h < 0 || h >= v.x.h || w < 0 || w >= v.x.w) continue;
        f((n * v.x.h + h) * v.x.w + w, n * v.y.h * v.y.w + p, tap);
      }
    }
  }
}

template <class T>
void Compute(Direction direction, const Convolution& v, const void* x,
             const void* w, const void* y, T alpha, T beta) {
  const bool data = direction == Direction::kData;
  auto xs = data ? std::vector<T>(static_cast<size_t>(v.x.size()))
                 : Pixels<T>(v.x, x);
  auto ys = direction == Direction::kForward
                ? std::vector<T>(static_cast<size_t>(v.y.size()))
                : Pixels<T>(v.y, y);
  std::vector<T> ws(static_cast<size_t>(v.filter.size()));
  if (direction != Direction::kFilter) {
    ForFilter(v, data, [&](size_t at, int64_t from) {
      ws[at] = Load<T>(v.filter.type, w, from);
    });
  }
  const int64_t groups = v.how.groups, inputs = v.filter.c,
                outputs = v.filter.n / groups;
  ForTaps(v, [&](int64_t in, int64_t out, int64_t tap) {
    for (int64_t g = 0; g < groups; ++g) {
      T* const px = xs.data() + in * v.x.c + g * inputs;
      T* const py = ys.data() + out * v.y.c + g * outputs;
      T* const pw = ws.data() + (tap * groups + g) * inputs * outputs;
      if (data) {
        for (int64_t k = 0; k < outputs; ++k) {
          for (int64_t c = 0; c < inputs; ++c)
            px[c] += py[k] * pw[k * inputs + c];
        }
      } else if (direction == Direction::kForward) {
        for (int64_t c = 0; c < inputs; ++c) {
          for (int64_t k = 0; k < outputs; ++k)
            py[k] += px[c] * pw[c * outputs + k];
        }
      } else {
        for (int64_t c = 0; c < inputs; ++c) {
          for (int64_t k = 0; k < outputs; ++k)
            pw[c * outputs + k] += px[c] * py[k];
        }
      }
    }
  });
  if (data) {
    StorePixels(v.x, xs, const_cast<void*>(x), alpha, beta);
  } else if (direction == Direction::kForward) {
    StorePixels(v.y, ys, const_cast<void*>(y), alpha, beta);
  } else {
    ForFilter(v, false, [&](size_t at, int64_t to) {
      Blend(v.filter.type, const_cast<void*>(w), to, alpha, ws[at], beta);
    });
  }
}

// Of no size that anything is a multiple of.
size_t WorkspaceBytes(const Convolution& v, int algorithm) {
  return 1001 + 4 * static_cast<size_t>(v.filter.h * v.filter.w + algorithm);
}

cudnnStatus_t Run(cudnnHandle_t handle, Direction direction,
                  const cudnnConvolutionStruct* how, const void* alpha,
                  const cudnnTensorStruct* x, const void* x_data,
                  const cudnnFilterStruct* w, const void* w_data,
                  const cudnnTensorStruct* y, const void* y_data, int algorithm,
                  void* workspace, size_t workspace_bytes, const void* beta) {
  Convolution v;
  const cudnnStatus_t made = Describe(handle, direction, x, w, how, y, &v);
  if (made != CUDNN_STATUS_SUCCESS) return made;
  const size_t wanted = WorkspaceBytes(v, algorithm);
  if (workspace_bytes < wanted) return CUDNN_STATUS_BAD_PARAM;
  const Element scale = v.how.compute;
  const double a = Load<double>(scale, alpha, 0);
  const double b = Load<double>(scale, beta, 0);
  return Give(handle, "a convolution of cuDNN",
              {{x_data, v.x.bytes()},
               {w_data, v.filter.bytes()},
               {y_data, v.y.bytes()},
               {workspace, wanted}},
              [=] {
                std::memset(workspace, 0xff, wanted);
                ForScale(scale, [&]<class T>(T) {
                  Compute<T>(direction, v, x_data, w_data, y_data, T(a), T(b));
                });
              });
}

// One way by tensor cores' sums, one by plain ones, one that there is not.
template <class Found, class Algorithm>
cudnnStatus_t Propose(cudnnHandle_t handle, Direction direction,
                      const cudnnTensorStruct* x, const cudnnFilterStruct* w,
                      const cudnnConvolutionStruct* how,
                      const cudnnTensorStruct* y, int most, int* count,
                      Found* found) {
  *count = 0;
  Convolution v;
  const cudnnStatus_t made = Describe(handle, direction, x, w, how, y, &v);
  if (made != CUDNN_STATUS_SUCCESS) return made;
  const bool dilated = how->dilation_h > 1 || how->dilation_w > 1;
  const Found ways[] = {
      {.algo = static_cast<Algorithm>(2),
       .status = CUDNN_STATUS_NOT_SUPPORTED,
       .time = -1,
       .memory = 0,
       .determinism = CUDNN_DETERMINISTIC,
       .mathType = CUDNN_DEFAULT_MATH,
       .reserved = {}},
      {.algo = static_cast<Algorithm>(0),
       .status = CUDNN_STATUS_SUCCESS,
       .time = 1,
       .memory = WorkspaceBytes(v, 0),
       .determinism = direction == Direction::kForward
                          ? CUDNN_DETERMINISTIC
                          : CUDNN_NON_DETERMINISTIC,
       .mathType = CUDNN_TENSOR_OP_MATH,
       .reserved = {}},
      {.algo = static_cast<Algorithm>(1),
       .status = CUDNN_STATUS_SUCCESS,
       .time = 2,
       .memory = WorkspaceBytes(v, 1),
       .determinism = direction != Direction::kForward && dilated
                          ? CUDNN_NON_DETERMINISTIC
                          : CUDNN_DETERMINISTIC,
       .mathType = CUDNN_FMA_MATH,
       .reserved = {}}};
  for (const Found& way : ways) {
    if (*count < most) found[(*count)++] = way;
  }
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t Workspace(cudnnHandle_t handle, Direction direction,
                        const cudnnTensorStruct* x, const cudnnFilterStruct* w,
                        const cudnnConvolutionStruct* how,
                        const cudnnTensorStruct* y, int algorithm,
                        size_t* bytes) {
  Convolution v;
  const cudnnStatus_t made = Describe(handle, direction, x, w, how, y, &v);
  if (made != CUDNN_STATUS_SUCCESS) return made;
  if (algorithm > 1) return CUDNN_STATUS_NOT_SUPPORTED;
  *bytes = WorkspaceBytes(v, algorithm);
  return CUDNN_STATUS_SUCCESS;
}

}  // namespace
}  // namespace lockstep::stand_in

using namespace lockstep::stand_in;  // NOLINT: what follows is C

extern "C" {

cudnnStatus_t cudnnGetConvolutionForwardAlgorithm_v7(
    cudnnHandle_t handle, const cudnnTensorDescriptor_t x,
    const cudnnFilterDescriptor_t w, const cudnnConvolutionDescriptor_t how,
    const cudnnTensorDescriptor_t y, const int most, int* count,
    cudnnConvolutionFwdAlgoPerf_t* found) {
  return Propose<cudnnConvolutionFwdAlgoPerf_t, cudnnConvolutionFwdAlgo_t>(
      handle, Direction::kForward, x, w, how, y, most, count, found);
}
cudnnStatus_t cudnnGetConvolutionBackwardDataAlgorithm_v7(
    cudnnHandle_t handle, const cudnnFilterDescriptor_t w,
    const cudnnTensorDescriptor_t dy, const cudnnConvolutionDescriptor_t how,
    const cudnnTensorDescriptor_t dx, const int most, int* count,
    cudnnConvolutionBwdDataAlgoPerf_t* found) {
  return Propose<cudnnConvolutionBwdDataAlgoPerf_t,
                 cudnnConvolutionBwdDataAlgo_t>(handle, Direction::kData, dx, w,
                                                how, dy, most, count, found);
}
cudnnStatus_t cudnnGetConvolutionBackwardFilterAlgorithm_v7(
    cudnnHandle_t handle, const cudnnTensorDescriptor_t x,
    const cudnnTensorDescriptor_t dy, const cudnnConvolutionDescriptor_t how,
    const cudnnFilterDescriptor_t dw, const int most, int* count,
    cudnnConvolutionBwdFilterAlgoPerf_t* found) {
  return Propose<cudnnConvolutionBwdFilterAlgoPerf_t,
                 cudnnConvolutionBwdFilterAlgo_t>(
      handle, Direction::kFilter, x, dw, how, dy, most, count, found);
}

cudnnStatus_t cudnnGetConvolutionForwardWorkspaceSize(
    cudnnHandle_t handle, const cudnnTensorDescriptor_t x,
    const cudnnFilterDescriptor_t w, const cudnnConvolutionDescriptor_t how,
    const cudnnTensorDescriptor_t y, cudnnConvolutionFwdAlgo_t way,
    size_t* bytes) {
  return Workspace(handle, Direction::kForward, x, w, how, y, way, bytes);
}
cudnnStatus_t cudnnGetConvolutionBackwardDataWorkspaceSize(
    cudnnHandle_t handle, const cudnnFilterDescriptor_t w,
    const cudnnTensorDescriptor_t dy, const cudnnConvolutionDescriptor_t how,
    const cudnnTensorDescriptor_t dx, cudnnConvolutionBwdDataAlgo_t way,
    size_t* bytes) {
  return Workspace(handle, Direction::kData, dx, w, how, dy, way, bytes);
}
cudnnStatus_t cudnnGetConvolutionBackwardFilterWorkspaceSize(
    cudnnHandle_t handle, const cudnnTensorDescriptor_t x,
    const cudnnTensorDescriptor_t dy, const cudnnConvolutionDescriptor_t how,
    const cudnnFilterDescriptor_t dw, cudnnConvolutionBwdFilterAlgo_t way,
    size_t* bytes) {
  return Workspace(handle, Direction::kFilter, x, dw, how, dy, way, bytes);
}

cudnnStatus_t cudnnConvolutionForward(
    cudnnHandle_t handle, const void* alpha, const cudnnTensorDescriptor_t x,
    const void* x_data, const cudnnFilterDescriptor_t w, const void* w_data,
    const cudnnConvolutionDescriptor_t how, cudnnConvolutionFwdAlgo_t way,
    void* workspace, size_t bytes, const void* beta,
    const cudnnTensorDescriptor_t y, void* y_data) {
  return Run(handle, Direction::kForward, how, alpha, x, x_data, w, w_data, y,
             y_data, way, workspace, bytes, beta);
}
cudnnStatus_t cudnnConvolutionBackwardData(
    cudnnHandle_t handle, const void* alpha, const cudnnFilterDescriptor_t w,
    const void* w_data, const cudnnTensorDescriptor_t dy, const void* dy_data,
    const cudnnConvolutionDescriptor_t how, cudnnConvolutionBwdDataAlgo_t way,
    void* workspace, size_t bytes, const void* beta,
    const cudnnTensorDescriptor_t dx, void* dx_data) {
  return Run(handle, Direction::kData, how, alpha, dx, dx_data, w, w_data, dy,
             dy_data, way, workspace, bytes, beta);
}
cudnnStatus_t cudnnConvolutionBackwardFilter(
    cudnnHandle_t handle, const void* alpha, const cudnnTensorDescriptor_t x,
    const void* x_data, const cudnnTensorDescriptor_t dy, const void* dy_data,
    const cudnnConvolutionDescriptor_t how, cudnnConvolutionBwdFilterAlgo_t way,
    void* workspace, size_t bytes, const void* beta,
    const cudnnFilterDescriptor_t dw, void* dw_data) {
  return Run(handle, Direction::kFilter, how, alpha, x, x_data, dw, dw_data, dy,
             dy_data, way, workspace, bytes, beta);
}

}  // extern "C"
