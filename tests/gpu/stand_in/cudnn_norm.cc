// SPDX-License-Identifier: Apache-2.0
// cuDNN's softmax and batch normalisation.
#include <cmath>

#include "tests/gpu/stand_in/cudnn_objects.h"

namespace lockstep::stand_in {
namespace {

template <class T>
void SoftmaxRow(const cudnnTensorStruct& x, const void* from, void* to,
                int64_t row, bool log, T alpha, T beta) {
  const int64_t classes = x.c * x.h * x.w, begin = row * classes;
  T largest = Load<T>(x.type, from, begin), sum = 0;
  for (int64_t i = 1; i < classes; ++i) {
    largest = std::max(largest, Load<T>(x.type, from, begin + i));
  }
  std::vector<T> shifted(static_cast<size_t>(classes));
  for (int64_t i = 0; i < classes; ++i) {
    T& v = shifted[static_cast<size_t>(i)];
    v = Load<T>(x.type, from, begin + i) - largest;
    sum += std::exp(v);
  }
  for (int64_t i = 0; i < classes; ++i) {
    const T v = shifted[static_cast<size_t>(i)];
    Blend(x.type, to, begin + i, alpha,
          log ? v - std::log(sum) : std::exp(v) / sum, beta);
  }
}

// What the calls of batch normalisation have in common.
bool IsNorm(cudnnHandle_t handle, cudnnBatchNormMode_t mode,
            const cudnnTensorStruct* x, const cudnnTensorStruct* y,
            const cudnnTensorStruct* channels, double epsilon) {
  if (!IsUsable(handle) || !IsSet(x) || !IsSet(y) || !IsSet(channels)) {
    return false;
  }
  return mode == CUDNN_BATCHNORM_SPATIAL && *x == *y && channels->c == x->c &&
         channels->size() == x->c && channels->type == ScaleOf(x->type) &&
         epsilon >= CUDNN_BN_MIN_EPSILON;
}

// f(at) for each element of a channel.
template <class F>
void ForChannel(const cudnnTensorStruct& x, int64_t c, const F& f) {
  for (int64_t n = 0; n < x.n; ++n) {
    for (int64_t h = 0; h < x.h; ++h) {
      for (int64_t w = 0; w < x.w; ++w) f(x.At(n, c, h, w));
    }
  }
}

struct Moments {
  double mean, variance;  // biased
};
Moments MomentsOf(const cudnnTensorStruct& x, const void* data, int64_t c) {
  const auto count = static_cast<double>(x.size() / x.c);
  double sum = 0, squares = 0;
  ForChannel(x, c, [&](int64_t at) { sum += Load<double>(x.type, data, at); });
  const double mean = sum / count;
  ForChannel(x, c, [&](int64_t at) {
    const double d = Load<double>(x.type, data, at) - mean;
    squares += d * d;
  });
  return {mean, squares / count};
}

void Normalise(const cudnnTensorStruct& x, const void* from, void* to,
               int64_t c, double mean, double inverse, double scale,
               double bias) {
  ForChannel(x, c, [&](int64_t at) {
    const double v = (Load<double>(x.type, from, at) - mean) * inverse;
    Store(x.type, to, at, scale * v + bias);
  });
}

// Whether results are neither scaled nor added to what is there.
bool IsPlain(const void* alpha, const void* beta, Element type) {
  return Load<double>(type, alpha, 0) == 1 && Load<double>(type, beta, 0) == 0;
}

}  // namespace
}  // namespace lockstep::stand_in

using namespace lockstep::stand_in;  // NOLINT: what follows is C

extern "C" {

cudnnStatus_t cudnnSoftmaxForward(cudnnHandle_t handle,
                                  cudnnSoftmaxAlgorithm_t algorithm,
                                  cudnnSoftmaxMode_t mode, const void* alpha,
                                  const cudnnTensorDescriptor_t x,
                                  const void* from, const void* beta,
                                  const cudnnTensorDescriptor_t y, void* to) {
  if (!IsUsable(handle) || !IsSet(x) || !IsSet(y) || *x != *y ||
      mode != CUDNN_SOFTMAX_MODE_INSTANCE || x->channels_last) {
    return CUDNN_STATUS_BAD_PARAM;
  }
  const Element scale = ScaleOf(x->type);
  const double a = Load<double>(scale, alpha, 0);
  const double b = Load<double>(scale, beta, 0);
  const bool log = algorithm == CUDNN_SOFTMAX_LOG;
  return Give(handle, "cudnnSoftmaxForward",
              {{from, x->bytes()}, {to, x->bytes()}}, [=, x = *x] {
                ForScale(scale, [&]<class T>(T) {
                  for (int64_t row = 0; row < x.n; ++row) {
                    SoftmaxRow<T>(x, from, to, row, log, T(a), T(b));
                  }
                });
              });
}

cudnnStatus_t cudnnDeriveBNTensorDescriptor(cudnnTensorDescriptor_t derived,
                                            const cudnnTensorDescriptor_t x,
                                            cudnnBatchNormMode_t) {
  if (!IsSet(x)) return CUDNN_STATUS_BAD_PARAM;
  *derived = {ScaleOf(x->type), x->channels_last, 1, x->c, 1, 1};
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnBatchNormalizationForwardInference(
    cudnnHandle_t handle, cudnnBatchNormMode_t mode, const void* alpha,
    const void* beta, const cudnnTensorDescriptor_t x, const void* from,
    const cudnnTensorDescriptor_t y, void* to,
    const cudnnTensorDescriptor_t channels, const void* scale, const void* bias,
    const void* mean, const void* variance, double epsilon) {
  if (!IsNorm(handle, mode, x, y, channels, epsilon) ||
      !IsPlain(alpha, beta, channels->type)) {
    return CUDNN_STATUS_BAD_PARAM;
  }
  const size_t vector = channels->bytes();
  return Give(handle, "cudnnBatchNormalizationForwardInference",
              {{from, x->bytes()},
               {to, x->bytes()},
               {scale, vector},
               {bias, vector},
               {mean, vector},
               {variance, vector}},
              [=, x = *x, type = channels->type] {
                for (int64_t c = 0; c < x.c; ++c) {
                  const double inverse =
                      1 / std::sqrt(Load<double>(type, variance, c) + epsilon);
                  Normalise(x, from, to, c, Load<double>(type, mean, c),
                            inverse, Load<double>(type, scale, c),
                            Load<double>(type, bias, c));
                }
              });
}

cudnnStatus_t cudnnBatchNormalizationForwardTraining(
    cudnnHandle_t handle, cudnnBatchNormMode_t mode, const void* alpha,
    const void* beta, const cudnnTensorDescriptor_t x, const void* from,
    const cudnnTensorDescriptor_t y, void* to,
    const cudnnTensorDescriptor_t channels, const void* scale, const void* bias,
    double factor, void* moving_mean, void* moving_variance, double epsilon,
    void* saved_mean, void* saved_inverse) {
  if (!IsNorm(handle, mode, x, y, channels, epsilon) ||
      !IsPlain(alpha, beta, channels->type) ||
      (moving_mean == nullptr) != (moving_variance == nullptr) ||
      saved_mean != nullptr || saved_inverse != nullptr) {
    return CUDNN_STATUS_BAD_PARAM;
  }
  const size_t vector = channels->bytes();
  return Give(
      handle, "cudnnBatchNormalizationForwardTraining",
      {{from, x->bytes()},
       {to, x->bytes()},
       {scale, vector},
       {bias, vector},
       {moving_mean, moving_mean == nullptr ? 0 : vector},
       {moving_variance, moving_mean == nullptr ? 0 : vector}},
      [=, x = *x, type = channels->type] {
        const auto count = static_cast<double>(x.size() / x.c);
        // The old value counts even when its weight is 0, as in the formula.
        const auto move = [&](void* moving, int64_t c, double value) {
          Store(type, moving, c,
                value * factor + Load<double>(type, moving, c) * (1 - factor));
        };
        for (int64_t c = 0; c < x.c; ++c) {
          const Moments m = MomentsOf(x, from, c);
          Normalise(x, from, to, c, m.mean, 1 / std::sqrt(m.variance + epsilon),
                    Load<double>(type, scale, c), Load<double>(type, bias, c));
          if (moving_mean == nullptr) continue;
          move(moving_mean, c, m.mean);
          move(moving_variance, c, m.variance * count / (count - 1));
        }
      });
}

cudnnStatus_t cudnnBatchNormalizationBackward(
    cudnnHandle_t handle, cudnnBatchNormMode_t mode, const void* alpha_data,
    const void* beta_data, const void* alpha_params, const void* beta_params,
    const cudnnTensorDescriptor_t x, const void* x_data,
    const cudnnTensorDescriptor_t dy, const void* dy_data,
    const cudnnTensorDescriptor_t dx, void* dx_data,
    const cudnnTensorDescriptor_t channels, const void* scale, void* dscale,
    void* dbias, double epsilon, const void* mean, const void* inverse) {
  if (!IsNorm(handle, mode, x, dy, channels, epsilon) || *dx != *x ||
      !IsPlain(alpha_data, beta_data, channels->type) ||
      !IsPlain(alpha_params, beta_params, channels->type) || mean == nullptr ||
      inverse == nullptr) {
    return CUDNN_STATUS_BAD_PARAM;
  }
  const size_t vector = channels->bytes();
  return Give(
      handle, "cudnnBatchNormalizationBackward",
      {{x_data, x->bytes()},
       {dy_data, x->bytes()},
       {dx_data, x->bytes()},
       {scale, vector},
       {dscale, vector},
       {dbias, vector},
       {mean, vector},
       {inverse, vector}},
      [=, x = *x, type = channels->type] {
        const auto count = static_cast<double>(x.size() / x.c);
        for (int64_t c = 0; c < x.c; ++c) {
          const double m = Load<double>(type, mean, c);
          const double inv = Load<double>(type, inverse, c);
          const double gamma = Load<double>(type, scale, c);
          double sum = 0, product = 0;
          ForChannel(x, c, [&](int64_t at) {
            const double d = Load<double>(x.type, dy_data, at);
            sum += d;
            product += d * (Load<double>(x.type, x_data, at) - m) * inv;
          });
          ForChannel(x, c, [&](int64_t at) {
            const double v = (Load<double>(x.type, x_data, at) - m) * inv;
            const double d = Load<double>(x.type, dy_data, at);
            Store(x.type, dx_data, at,
                  gamma * inv * (d - sum / count - v * product / count));
          });
          Store(type, dscale, c, product);
          Store(type, dbias, c, sum);
        }
      });
}

}  // extern "C"
