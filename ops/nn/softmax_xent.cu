// SPDX-License-Identifier: Apache-2.0

// SoftmaxCrossEntropyWithLogits: a group of threads for each row.
//   features, labels: [batch, classes], broadcast to each other
//   loss: [batch]   backprop: [batch, classes]
// The sparse form: labels [batch] are numbers of classes; one that is none
// gives NaN, as there is nobody on the device to say so.
// InTopK: predictions [batch, classes], targets [batch] -> [batch]

#include <limits>

#include "ops/math/gpu_float16.h"
#include "ops/math/scalar_math.h"
#include "ops/nn/gpu.h"

namespace lockstep::gpu {
namespace {

struct XentState {
  int64_t rows = 0, classes = 0;
  // Elements to the next row and column of features and labels.
  int64_t feature_row = 0, feature_column = 0;
  int64_t label_row = 0, label_column = 0;
};

// The largest of a row, and the sum of exp(x - largest).
template <class V>
struct RowMass {
  V largest, sum;
};
template <class V, class T>
LS_DEVICE RowMass<V> MassOf(const T* x, int64_t step, int64_t n,
                            const Group& g) {
  V largest = -std::numeric_limits<V>::infinity();
  for (int64_t c = g.lane(); c < n; c += g.width()) {
    largest = Larger()(largest, static_cast<V>(x[c * step]));
  }
  largest = g.Reduce(largest, Larger());
  V sum = 0;
  for (int64_t c = g.lane(); c < n; c += g.width()) {
    sum += vm::Exp(static_cast<V>(x[c * step]) - largest);
  }
  return {largest, g.Reduce(sum, Plus())};
}

struct XentOf {
  template <class T>
  static Status Run(KernelContext& k) {
    using V = ValueType<T>;
    const XentState s = k.state<XentState>();
    const T* features = k.in<T>(0);
    const T* labels = k.in<T>(1);
    T* loss = k.out<T>(0);
    T* backprop = k.out<T>(1);
    return Groups(
        k, s.rows, s.classes, [=] LS_DEVICE(int64_t r, const Group& g) {
          const T* x = features + r * s.feature_row;
          const T* label = labels + r * s.label_row;
          const RowMass<V> m = MassOf<V>(x, s.feature_column, s.classes, g);
          const V log_sum = vm::Log(m.sum);
          V total = 0;
          for (int64_t c = g.lane(); c < s.classes; c += g.width()) {
            const V d = static_cast<V>(x[c * s.feature_column]) - m.largest;
            const V wanted = static_cast<V>(label[c * s.label_column]);
            // A label of 0 counts for nothing, also where d is infinite.
            if (wanted != V(0)) total += wanted * (log_sum - d);
            backprop[r * s.classes + c] = T(vm::Exp(d) / m.sum - wanted);
          }
          total = g.Reduce(total, Plus());
          if (g.lane() == 0) loss[r] = T(total);
        });
  }
};

template <class T, class I>
Status RunSparse(KernelContext& k) {
  using V = ValueType<T>;
  const int64_t rows = k.input(0).shape().dim(0);
  const int64_t classes = k.input(0).shape().dim(1);
  const T* features = k.in<T>(0);
  const I* labels = k.in<I>(1);
  T* loss = k.out<T>(0);
  T* backprop = k.out<T>(1);
  return Groups(k, rows, classes, [=] LS_DEVICE(int64_t r, const Group& g) {
    const T* x = features + r * classes;
    const int64_t label = static_cast<int64_t>(labels[r]);
    const bool valid = label >= 0 && label < classes;
    const V nan = std::numeric_limits<V>::quiet_NaN();
    const RowMass<V> m = MassOf<V>(x, 1, classes, g);
    for (int64_t c = g.lane(); c < classes; c += g.width()) {
      const V d = static_cast<V>(x[c]) - m.largest;
      if (c == label) loss[r] = T(vm::Log(m.sum) - d);
      const V slope = vm::Exp(d) / m.sum - (c == label ? V(1) : V(0));
      backprop[r * classes + c] = T(valid ? slope : nan);
    }
    if (!valid && g.lane() == 0) loss[r] = T(nan);
  });
}
struct SparseXentOf {
  template <class T>
  static Status Run(KernelContext& k) {
    return k.input(1).dtype() == kInt64 ? RunSparse<T, int64_t>(k)
                                        : RunSparse<T, int32_t>(k);
  }
};

template <class I>
Status RunInTopK(KernelContext& k) {
  const int64_t rows = k.output(0).NumElements();
  const int64_t classes = k.input(0).shape().dim(1);
  // The second version has k as an input.
  const I* input = k.num_inputs() > 2 ? k.in<I>(2) : nullptr;
  const int64_t attr = GetOr<int64_t>(k.attrs(), "k", 0);
  const float* x = k.in<float>(0);
  const I* targets = k.in<I>(1);
  bool* out = k.out<bool>(0);
  return Groups(k, rows, classes, [=] LS_DEVICE(int64_t r, const Group& g) {
    const int64_t target = static_cast<int64_t>(targets[r]);
    const bool valid = target >= 0 && target < classes;
    const float mine = valid ? x[r * classes + target] : 0;
    int64_t above = 0;
    for (int64_t c = g.lane(); c < classes; c += g.width()) {
      const float v = x[r * classes + c];
      above += v > mine ? 1 : 0;
      if (!(v - v == 0)) above += classes;  // not finite: never in
    }
    above = g.Reduce(above, Plus());
    const int64_t wanted =
        input != nullptr ? static_cast<int64_t>(*input) : attr;
    if (g.lane() == 0) out[r] = valid && above < wanted && above < classes;
  });
}

}  // namespace

Status PrepareSoftmaxXent(PrepareContext& p) {
  XentState& s = p.MakeState<XentState>();
  const Shape& out = p.output_shape(1);
  s.rows = out.dim(0);
  s.classes = out.dim(1);
  const auto strides = [&](const Shape& from, int64_t* row, int64_t* column) {
    *row = from.dim(0) == 1 && s.rows != 1 ? 0 : from.dim(1);
    *column = from.dim(1) == 1 && s.classes != 1 ? 0 : 1;
  };
  strides(p.input_shape(0), &s.feature_row, &s.feature_column);
  strides(p.input_shape(1), &s.label_row, &s.label_column);
  return Ok();
}
Status SoftmaxCrossEntropyWithLogits(KernelContext& k) {
  return ForFloat<XentOf>(k.input(0).dtype(), k);
}
Status SparseSoftmaxCrossEntropyWithLogits(KernelContext& k) {
  return ForFloat<SparseXentOf>(k.input(0).dtype(), k);
}

Status InTopK(KernelContext& k) {
  return k.input(1).dtype() == kInt64 ? RunInTopK<int64_t>(k)
                                      : RunInTopK<int32_t>(k);
}

}  // namespace lockstep::gpu
