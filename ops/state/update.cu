// SPDX-License-Identifier: Apache-2.0

// Assign, AssignAdd, AssignSub; ScatterAdd, ScatterSub, ScatterUpdate.
//   variable: [rows, width]   updates: [indices, width], or []
// Each element of the variable is one thread's, which goes over the indices in
// order: no atomics, the same bits each time. An index that is no row is left
// out.

#include "ops/array/axes.h"
#include "ops/math/functors.h"
#include "ops/math/gpu_float16.h"
#include "ops/state/gpu.h"
#include "ops/state/variable_input.h"
#include "runtime/device/stream.h"

namespace lockstep::gpu {
namespace {

struct SetFn {
  template <class T>
  LS_HOST_DEVICE static T Apply(T, T b) {
    return b;
  }
};

template <class F>
struct UpdateOf {
  template <class T>
  static Status Run(KernelContext& k) {
    const Tensor& ref = k.variable(0).value();
    if (ref.shape() != k.input(1).shape()) {
      return InvalidArgument("variable has shape ", ref.shape(), ", value has ",
                             k.input(1).shape());
    }
    T* y = k.variable(0).template data<T>();
    const T* x = k.in<T>(1);
    return Each(k, ref.NumElements(), [=] LS_DEVICE(int64_t i) {
      y[i] = F::template Apply<T>(y[i], x[i]);
    });
  }
};

template <class F>
Status Update(KernelContext& k) {
  return ForType<UpdateOf<F>, Half, BFloat16, float, double, int64_t, int32_t>(
      k.input(1).dtype(), k);
}

template <class F, class T, class I>
Status RunScatter(KernelContext& k) {
  const Tensor& ref = k.variable(0).value();
  const Tensor& updates = k.input(2);
  const int64_t n = k.input(1).NumElements();
  if (ref.shape().rank() < 1) {
    return InvalidArgument("variable has shape ", ref.shape(),
                           ", which has no rows");
  }
  const int64_t rows = ref.shape().dim(0);
  const int64_t width = DimProduct(ref.shape(), 1, ref.shape().rank());
  const bool scalar = updates.shape().rank() == 0;
  if (!scalar && updates.NumElements() != n * width) {
    return InvalidArgument("updates have shape ", updates.shape(), ", for ", n,
                           " rows of a variable of ", ref.shape());
  }
  T* y = k.variable(0).template data<T>();
  const I* indices = k.in<I>(1);
  const T* x = k.in<T>(2);
  return Each(k, rows * width, [=] LS_DEVICE(int64_t i) {
    const int64_t row = i / width, column = i % width;
    T value = y[i];
    for (int64_t j = 0; j < n; ++j) {
      if (static_cast<int64_t>(indices[j]) == row) {
        value = F::template Apply<T>(value, x[scalar ? 0 : j * width + column]);
      }
    }
    y[i] = value;
  });
}
template <class F>
struct ScatterOf {
  template <class T>
  static Status Run(KernelContext& k) {
    return k.input(1).dtype() == kInt64 ? RunScatter<F, T, int64_t>(k)
                                        : RunScatter<F, T, int32_t>(k);
  }
};

template <class F>
Status Scatter(KernelContext& k) {
  return ForNumber<ScatterOf<F>>(k.input(2).dtype(), k);
}

}  // namespace

Status PrepareAssign(PrepareContext& p) { return RequireVariable(p); }
Status Assign(KernelContext& k) {
  const Tensor& value = k.input(1);
  Variable& v = k.variable(0);
  if (v.dtype() != value.dtype()) {
    return InvalidArgument("variable '", v.name(), "' has dtype ",
                           DTypeName(v.dtype()), ", assigned value has ",
                           DTypeName(value.dtype()));
  }
  LS_RETURN_IF_ERROR(v.Allocate(value.shape()));
  if (v.value().data() != value.data()) {
    LS_RETURN_IF_ERROR(
        CopyBytes(v.value().data(), value.data(), value.bytes(), k.stream()));
  }
  v.set_initialized();
  return Ok();
}
Status AssignAdd(KernelContext& k) { return Update<AddFn>(k); }
Status AssignSub(KernelContext& k) { return Update<SubFn>(k); }

Status PrepareScatter(PrepareContext& p) { return RequireVariable(p); }
Status ScatterAdd(KernelContext& k) { return Scatter<AddFn>(k); }
Status ScatterSub(KernelContext& k) { return Scatter<SubFn>(k); }
Status ScatterUpdate(KernelContext& k) { return Scatter<SetFn>(k); }

}  // namespace lockstep::gpu
