// SPDX-License-Identifier: Apache-2.0

// Gather, GatherV2, ResourceGather; OneHot; Fill, OnesLike; a plain copy.
//   params: [batch, outer, n, inner]   indices: [batch, count]
//   output: [batch, outer, count, inner]
// An index out of range gives zeros, as TensorFlow's GPU kernel does.

#include "ops/array/axes.h"
#include "ops/array/gpu.h"
#include "ops/math/gpu_float16.h"
#include "ops/state/variable_input.h"
#include "runtime/device/stream.h"

namespace lockstep::gpu {
namespace {

struct GatherState {
  int64_t batch = 1, outer = 1, n = 1, inner = 1, count = 1;
};

template <class T, class I>
Status RunGather(KernelContext& k) {
  const GatherState s = k.state<GatherState>();
  const T* params = k.in<T>(0);
  const I* indices = k.in<I>(1);
  T* y = k.out<T>(0);
  return Each(k, k.output(0).NumElements(), [=] LS_DEVICE(int64_t i) {
    const int64_t row = i / s.inner;
    const int64_t block = row / s.count;  // of [batch, outer]
    const int64_t at = indices[block / s.outer * s.count + row % s.count];
    const bool valid = at >= 0 && at < s.n;
    y[i] = valid ? params[(block * s.n + at) * s.inner + i % s.inner] : T(0);
  });
}
struct GatherOf {
  template <class T>
  static Status Run(KernelContext& k) {
    return k.input(1).dtype() == kInt64 ? RunGather<T, int64_t>(k)
                                        : RunGather<T, int32_t>(k);
  }
};

struct OneHotState {
  int64_t depth = 0, suffix = 1;
};

// indices: [prefix, suffix]   y: [prefix, depth, suffix]
template <class T, class I>
Status RunOneHot(KernelContext& k) {
  const OneHotState s = k.state<OneHotState>();
  const I* indices = k.in<I>(0);
  const T* on = k.in<T>(2);
  const T* off = k.in<T>(3);
  T* y = k.out<T>(0);
  return Each(k, k.output(0).NumElements(), [=] LS_DEVICE(int64_t i) {
    const int64_t suffix = i % s.suffix, row = i / s.suffix;
    const int64_t prefix = row / s.depth;
    const int64_t at =
        static_cast<int64_t>(indices[prefix * s.suffix + suffix]);
    y[i] = at == row % s.depth ? *on : *off;
  });
}
struct OneHotOf {
  template <class T>
  static Status Run(KernelContext& k) {
    switch (k.input(0).dtype()) {
      case kUint8: return RunOneHot<T, uint8_t>(k);
      case kInt32: return RunOneHot<T, int32_t>(k);
      default: return RunOneHot<T, int64_t>(k);
    }
  }
};

template <class T>
Status FillFrom(const void* from, Tensor& y, void* stream) {
  const T* value = static_cast<const T*>(from);
  T* to = static_cast<T*>(y.data());
  return Each(stream, y.NumElements(),
              [=] LS_DEVICE(int64_t i) { to[i] = *value; });
}

struct OnesOf {
  template <class T>
  static Status Run(KernelContext& k) {
    T* y = k.out<T>(0);
    return Each(k, k.output(0).NumElements(),
                [=] LS_DEVICE(int64_t i) { y[i] = T(1.0f); });
  }
};

}  // namespace

Status PrepareGather(PrepareContext& p) {
  if (p.input_dtype(0) == kResource) LS_RETURN_IF_ERROR(RequireVariable(p));
  const Shape& params = p.input_shape(0);
  const Shape& indices = p.input_shape(1);
  const int64_t given = p.num_inputs() > 2 ? IntAt(*p.input_value(2), 0) : 0;
  LS_ASSIGN_OR_RETURN(const int axis, ResolveAxis(given, params.rank()));
  const int64_t attr = GetOr<int64_t>(p.attrs(), "batch_dims", 0);
  const int batch = static_cast<int>(attr < 0 ? attr + indices.rank() : attr);
  GatherState& s = p.MakeState<GatherState>();
  s.batch = DimProduct(params, 0, batch);
  s.outer = DimProduct(params, batch, axis);
  s.n = params.dim(axis);
  s.inner = DimProduct(params, axis + 1, params.rank());
  s.count = DimProduct(indices, batch, indices.rank());
  return Ok();
}
Status Gather(KernelContext& k) {
  return ForWidth<GatherOf>(k.output(0).dtype(), k);
}

Status PrepareOneHot(PrepareContext& p) {
  const Shape& y = p.output_shape(0);
  LS_ASSIGN_OR_RETURN(const int axis,
                      ResolveAxis(p.Attr<int64_t>("axis"), y.rank()));
  p.MakeState<OneHotState>(
      OneHotState{y.dim(axis), DimProduct(y, axis + 1, y.rank())});
  return Ok();
}
Status OneHot(KernelContext& k) {
  return ForWidth<OneHotOf>(k.output(0).dtype(), k);
}

Status FillWith(const void* value, Tensor& y, void* stream) {
  switch (DTypeSize(y.dtype())) {
    case 1: return FillFrom<uint8_t>(value, y, stream);
    case 2: return FillFrom<uint16_t>(value, y, stream);
    case 4: return FillFrom<uint32_t>(value, y, stream);
    default: return FillFrom<uint64_t>(value, y, stream);
  }
}
Status Fill(KernelContext& k) {
  return FillWith(k.input(1).data(), k.output(0), k.stream());
}

Status Copy(KernelContext& k) {
  // The output's shape may be open.
  LS_RETURN_IF_ERROR(k.AllocateOutput(0, Shape(k.input(0).shape())));
  return CopyBytes(k.output(0).data(), k.input(0).data(), k.input(0).bytes(),
                   k.stream());
}

Status Ones(KernelContext& k) {
  return ForType<OnesOf, Half, BFloat16, float, double, int64_t, bool, int8_t,
                 uint8_t, int16_t, uint16_t, uint32_t, uint64_t>(
      k.output(0).dtype(), k);
}

}  // namespace lockstep::gpu
