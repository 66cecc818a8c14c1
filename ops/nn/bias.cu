// SPDX-License-Identifier: Apache-2.0

// BiasAdd, BiasAddGrad.
//   x, dy: [outer, channels, inner]   bias: [channels]

#include "ops/math/functors.h"
#include "ops/math/gpu_float16.h"
#include "ops/nn/channels.h"
#include "ops/nn/gpu.h"
#include "ops/nn/gpu_bias.h"
#include "ops/reduce/gpu_reduce.h"

namespace lockstep::gpu {
namespace {

struct BiasOf {
  template <class T>
  static Status Run(KernelContext& k) {
    const ChannelView v = k.state<ChannelView>();
    const T* x = k.in<T>(0);
    const T* bias = k.in<T>(1);
    T* y = k.out<T>(0);
    return Each(k, k.output(0).NumElements(), [=] LS_DEVICE(int64_t i) {
      y[i] = AddFn::Apply<T>(x[i], bias[i / v.inner % v.channels]);
    });
  }
};

struct BiasGradientOf {
  template <class T>
  static Status Run(KernelContext& k) {
    return Reduce<SumOf<T>>(k, k.state<GpuReduction>(), k.in<T>(0),
                            k.out<T>(0));
  }
};

}  // namespace

Status AddBias(void* stream, const float* x, const float* bias, Tensor& made,
               const BiasEpilogue& epilogue) {
  float* y = made.flat<float>().data();
  const BiasEpilogue e = epilogue;
  return Each(stream, made.NumElements(), [=] LS_DEVICE(int64_t i) {
    const float v = (x != nullptr ? x[i] : 0) + bias[i / e.inner % e.channels];
    y[i] = e.relu && v <= 0 ? 0 : v;
  });
}

Status PrepareBias(PrepareContext& p) {
  p.MakeState<ChannelView>(ViewOf(p.attrs(), p.input_shape(0)));
  return Ok();
}
Status BiasAdd(KernelContext& k) {
  return ForFloat<BiasOf>(k.input(0).dtype(), k);
}

Status PrepareBiasGrad(PrepareContext& p) {
  const Shape& dy = p.input_shape(0);
  AxisSet axes;
  for (int d = 0; d < dy.rank(); ++d) {
    axes.set(static_cast<size_t>(d), d != ChannelDim(p.attrs(), dy.rank()));
  }
  const GpuReduction& r = p.MakeState<GpuReduction>(dy, axes);
  p.RequestScratch(r.ScratchBytes(sizeof(double)));
  return Ok();
}
Status BiasAddGrad(KernelContext& k) {
  return ForFloat<BiasGradientOf>(k.input(0).dtype(), k);
}

}  // namespace lockstep::gpu
