// SPDX-License-Identifier: Apache-2.0

// FusedBatchNorm, -V2, -V3 and their gradients by cuDNN.
//   x, y, dy, dx: [n, h, w, c] or by data_format, also with depth
//   scale, offset, means and variances: float [c]
// The reserves are the mean and the (biased) variance used, as on the CPU.

#include <limits>

#include "ops/math/gpu_float16.h"
#include "ops/nn/channels.h"
#include "ops/nn/gpu.h"
#include "runtime/device/cuda/cuda_libraries.h"
#include "runtime/device/stream.h"
#include "runtime/op/gpu_prepare.h"

namespace lockstep::gpu {
namespace {

struct NormState {
  ChannelView view;
  float epsilon = 0, factor = 1;
  bool training = true;
  cudnnTensorDescriptor_t image = nullptr, channels = nullptr;
  size_t first_at = 0, second_at = 0;  // vectors in scratch

  NormState() = default;
  NormState(const NormState&) = delete;
  NormState& operator=(const NormState&) = delete;
  ~NormState() {
    if (image != nullptr) (void)cudnnDestroyTensorDescriptor(image);
    if (channels != nullptr) (void)cudnnDestroyTensorDescriptor(channels);
  }
  int64_t samples() const { return view.outer * view.inner; }
  float* Vector(KernelContext& k, size_t at) const {
    return reinterpret_cast<float*>(ScratchParts::At(k.scratch(), at));
  }
};

constexpr auto kMode = CUDNN_BATCHNORM_SPATIAL;

// Channels in the middle are cuDNN's NCHW; channels last are NHWC, with rank 4
// as they are, else with all positions in one dimension.
Status Describe(NormState& s, const Shape& x, DType dtype) {
  LS_ASSIGN_OR_RETURN(const cudnnDataType_t type, CudnnType(dtype));
  const auto number = [](int64_t n) { return static_cast<int>(n); };
  const bool last = s.view.inner == 1;
  int64_t n = s.view.outer, h = s.view.inner, w = 1;
  if (last && x.rank() == 4 && x.dim(3) == s.view.channels) {
    n = x.dim(0);
    h = x.dim(1);
    w = x.dim(2);
  }
  LS_RETURN_IF_CUDNN(cudnnCreateTensorDescriptor(&s.image));
  LS_RETURN_IF_CUDNN(cudnnSetTensor4dDescriptor(
      s.image, last ? CUDNN_TENSOR_NHWC : CUDNN_TENSOR_NCHW, type, number(n),
      number(s.view.channels), number(h), number(w)));
  LS_RETURN_IF_CUDNN(cudnnCreateTensorDescriptor(&s.channels));
  LS_RETURN_IF_CUDNN(cudnnDeriveBNTensorDescriptor(s.channels, s.image, kMode));
  return Ok();
}

Status Prepare(PrepareContext& p, const Shape& x, DType dtype) {
  NormState& s = p.MakeState<NormState>();
  s.view = ViewOf(p.attrs(), x);
  s.epsilon = p.Attr<float>("epsilon");
  s.factor = GetOr(p.attrs(), "exponential_avg_factor", 1.0f);
  s.training = p.Attr<bool>("is_training");
  if (x.NumElements() == 0) return Ok();
  const GpuScope scope(p);
  LS_RETURN_IF_ERROR(scope.status());
  LS_RETURN_IF_ERROR(Describe(s, x, dtype));
  ScratchParts parts;
  const size_t vector = static_cast<size_t>(s.view.channels) * sizeof(float);
  s.first_at = parts.Add(vector);
  s.second_at = parts.Add(vector);
  p.RequestScratch(parts.bytes());
  return Ok();
}

// Outputs 1 to 4 of the batch's mean and unbiased variance.
Status Outputs(KernelContext& k, const NormState& s, const float* mean,
               const float* variance) {
  const float* old_mean = k.in<float>(3);
  const float* old_variance = k.in<float>(4);
  float* out[] = {k.out<float>(1), k.out<float>(2), k.out<float>(3),
                  k.out<float>(4)};
  float *out1 = out[0], *out2 = out[1], *out3 = out[2], *out4 = out[3];
  const float factor = s.factor;
  const int64_t n = s.samples();
  const float biased =
      n > 1 ? static_cast<float>(n - 1) / static_cast<float>(n) : 0.0f;
  return Each(k, s.view.channels, [=] LS_DEVICE(int64_t c) {
    // Of a single sample there is no variance.
    const float v = n > 1 ? variance[c] : 0.0f;
    const bool moving = factor != 1.0f;
    out1[c] = moving ? (1 - factor) * old_mean[c] + factor * mean[c] : mean[c];
    out2[c] = moving ? (1 - factor) * old_variance[c] + factor * v : v;
    out3[c] = mean[c];
    out4[c] = v * biased;
  });
}

// The outputs when there is nothing to take moments of, or they are given.
Status Given(KernelContext& k, const NormState& s) {
  const bool training = s.training;
  const float* mean = training ? nullptr : k.in<float>(3);
  const float* variance = training ? nullptr : k.in<float>(4);
  float* out1 = k.out<float>(1);
  float* out2 = k.out<float>(2);
  float* out3 = k.out<float>(3);
  float* out4 = k.out<float>(4);
  const float nan = std::numeric_limits<float>::quiet_NaN();
  return Each(k, s.view.channels, [=] LS_DEVICE(int64_t c) {
    out1[c] = training ? nan : mean[c];
    out2[c] = training ? nan : variance[c];
    out3[c] = training ? 0 : mean[c];
    out4[c] = training ? 0 : variance[c];
  });
}

// dx = scale inv dy, and the sums over each channel, where mean and variance
// do not depend on x: a group of threads for each channel.
template <class T>
Status InferenceGradient(KernelContext& k, const NormState& s) {
  const T* dy = k.in<T>(0);
  const T* x = k.in<T>(1);
  const float* scale = k.in<float>(2);
  const float* mean = k.in<float>(3);
  const float* variance = k.in<float>(4);
  T* dx = k.out<T>(0);
  float* dscale = k.out<float>(1);
  float* doffset = k.out<float>(2);
  const ChannelView v = s.view;
  const float epsilon = s.epsilon;
  const int64_t n = s.samples();
  return Groups(k, v.channels, n, [=] LS_DEVICE(int64_t c, const Group& g) {
    const float inv = 1.0f / ::sqrtf(variance[c] + epsilon);
    double sum = 0, product = 0;
    for (int64_t i = g.lane(); i < n; i += g.width()) {
      const int64_t at = (i / v.inner * v.channels + c) * v.inner + i % v.inner;
      const float d = static_cast<float>(dy[at]);
      sum += d;
      product += d * ((static_cast<float>(x[at]) - mean[c]) * inv);
      dx[at] = T(scale[c] * inv * d);
    }
    sum = g.Reduce(sum, Plus());
    product = g.Reduce(product, Plus());
    if (g.lane() != 0) return;
    dscale[c] = static_cast<float>(product);
    doffset[c] = static_cast<float>(sum);
  });
}
struct InferenceGradientOf {
  template <class T>
  static Status Run(KernelContext& k) {
    return InferenceGradient<T>(k, k.state<NormState>());
  }
};

Status TrainingGradient(KernelContext& k, const NormState& s) {
  const float* variance = k.in<float>(4);
  float* inv = s.Vector(k, s.first_at);
  const float epsilon = s.epsilon;
  LS_RETURN_IF_ERROR(Each(k, s.view.channels, [=] LS_DEVICE(int64_t c) {
    inv[c] = 1.0f / ::sqrtf(variance[c] + epsilon);
  }));
  LS_ASSIGN_OR_RETURN(const cudnnHandle_t cudnn, CudnnHandle(k.stream()));
  const float one = 1, zero = 0;
  LS_RETURN_IF_CUDNN(cudnnBatchNormalizationBackward(
      cudnn, kMode, &one, &zero, &one, &zero, s.image, k.input(1).data(),
      s.image, k.input(0).data(), s.image, k.output(0).data(), s.channels,
      k.in<float>(2), k.out<float>(1), k.out<float>(2),
      static_cast<double>(s.epsilon), k.in<float>(3), inv));
  return Ok();
}

}  // namespace

Status PrepareBatchNorm(PrepareContext& p) {
  return Prepare(p, p.input_shape(0), p.input_dtype(0));
}
Status FusedBatchNorm(KernelContext& k) {
  const NormState& s = k.state<NormState>();
  if (s.image == nullptr) return Given(k, s);
  LS_ASSIGN_OR_RETURN(const cudnnHandle_t cudnn, CudnnHandle(k.stream()));
  const float one = 1, zero = 0;
  const double epsilon = static_cast<double>(s.epsilon);
  if (!s.training) {
    LS_RETURN_IF_CUDNN(cudnnBatchNormalizationForwardInference(
        cudnn, kMode, &one, &zero, s.image, k.input(0).data(), s.image,
        k.output(0).data(), s.channels, k.in<float>(1), k.in<float>(2),
        k.in<float>(3), k.in<float>(4), epsilon));
    return Given(k, s);
  }
  // A factor of 1 makes the moving moments those of the batch, of moments that
  // are numbers before: nothing is not a number times 0.
  float* mean = s.Vector(k, s.first_at);
  float* variance = s.Vector(k, s.second_at);
  const size_t bytes = static_cast<size_t>(s.view.channels) * sizeof(float);
  LS_RETURN_IF_ERROR(ClearBytes(mean, bytes, k.stream()));
  LS_RETURN_IF_ERROR(ClearBytes(variance, bytes, k.stream()));
  LS_RETURN_IF_CUDNN(cudnnBatchNormalizationForwardTraining(
      cudnn, kMode, &one, &zero, s.image, k.input(0).data(), s.image,
      k.output(0).data(), s.channels, k.in<float>(1), k.in<float>(2), 1.0, mean,
      variance, epsilon, nullptr, nullptr));
  return Outputs(k, s, mean, variance);
}

Status PrepareBatchNormGrad(PrepareContext& p) {
  return Prepare(p, p.input_shape(1), p.input_dtype(1));
}
Status FusedBatchNormGrad(KernelContext& k) {
  const NormState& s = k.state<NormState>();
  // Two unused outputs.
  float* out3 = k.out<float>(3);
  float* out4 = k.out<float>(4);
  LS_RETURN_IF_ERROR(Each(k, 1, [=] LS_DEVICE(int64_t) {
    *out3 = 0;
    *out4 = 0;
  }));
  if (s.training && s.image != nullptr) return TrainingGradient(k, s);
  return ForType<InferenceGradientOf, Half, BFloat16, float>(k.input(0).dtype(),
                                                             k);
}

}  // namespace lockstep::gpu
