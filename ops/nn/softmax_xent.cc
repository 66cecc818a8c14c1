// SPDX-License-Identifier: Apache-2.0

// SoftmaxCrossEntropyWithLogits: the loss of each row and, in the same pass,
// its gradient by the logits.
//   features, labels: [batch, classes], broadcast to each other
//   loss: [batch] = -sum(labels * logsoftmax)
//   backprop: [batch, classes] = softmax - labels
// SparseSoftmaxCrossEntropyWithLogits: labels are class numbers [batch]; one
// outside [0, classes) is INVALID_ARGUMENT.

#include "ops/math/math.h"
#include "ops/nn/nn.h"
#include "ops/nn/softmax_rows.h"
#include "runtime/graph/gradients.h"
#include "runtime/op/rank_words.h"

namespace lockstep {
namespace {

Status XentShape(ShapeContext& c) {
  const auto features = c.WithRank(0, 2), labels = c.WithRank(1, 2);
  // TensorFlow would take class numbers for one row of each sample.
  const bool matrices = features.ok() && labels.ok();
  const auto both =
      matrices ? Shape::Broadcast(*features, *labels) : Result<Shape>(Shape());
  if (!matrices || !both.ok()) {
    return InvalidArgument(
        "logits and labels must be broadcastable", matrices ? "" : " matrices",
        ": logits_size=", c.Input(0), " labels_size=", c.Input(1));
  }
  LS_RETURN_IF_ERROR(c.SetOutput(0, Shape{both->dim(0)}));
  return c.SetOutput(1, *both);
}

Status SparseXentShape(ShapeContext& c) {
  LS_ASSIGN_OR_RETURN(Shape features,
                      WithRank(c, 0, 2, "logits must be 2-D, but got shape "));
  LS_ASSIGN_OR_RETURN(const Shape labels,
                      WithRank(c, 1, 1, "labels must be 1-D, but got shape "));
  auto batch = Shape::Merge(Shape{features.dim(0)}, labels);
  if (!batch.ok()) {
    return InvalidArgument(
        "logits and labels must have the same first dimension, "
        "got logits shape ",
        features, " and labels shape ", labels);
  }
  features.set_dim(0, batch->dim(0));
  LS_RETURN_IF_ERROR(c.SetOutput(0, *batch));
  return c.SetOutput(1, features);
}

struct XentState {
  int64_t rows = 0, classes = 0;
  // Elements to the next row and column of features and labels.
  int64_t feature_row = 0, feature_column = 0;
  int64_t label_row = 0, label_column = 0;
  int64_t features = 0, labels = 0;  // elements
};

// 16-bit floats are computed in float, in scratch memory.
template <class T>
Status XentPrepare(PrepareContext& p) {
  auto& s = p.MakeState<XentState>();
  const Shape& out = p.output_shape(1);
  s.rows = out.dim(0);
  s.classes = out.dim(1);
  const auto strides = [&](const Shape& from, int64_t* row, int64_t* column) {
    *row = from.dim(0) == 1 && s.rows != 1 ? 0 : from.dim(1);
    *column = from.dim(1) == 1 && s.classes != 1 ? 0 : 1;
  };
  strides(p.input_shape(0), &s.feature_row, &s.feature_column);
  if (p.input_shape(1).rank() == 2) {
    strides(p.input_shape(1), &s.label_row, &s.label_column);
  }
  s.features = p.input_shape(0).NumElements();
  s.labels = p.input_shape(1).NumElements();
  if constexpr (kIsFloat16<T>) {
    p.RequestScratch(
        sizeof(float) *
        static_cast<size_t>(s.features + s.labels + s.rows * (s.classes + 1)));
  }
  return Ok();
}

template <class T, class L>
struct XentOperands {
  const T* features;
  const L* labels;
  T* loss;
  T* backprop;
};

// Calls f(operands), in float for 16-bit floats.
template <class T, class L, class F>
void WithOperands(KernelContext& k, const XentState& s, const F& f) {
  if constexpr (kIsFloat16<T>) {
    float* features = static_cast<float*>(k.scratch());
    float* labels = features + s.features;
    float* loss = labels + s.labels;
    float* backprop = loss + s.rows;
    Convert(k.in<T>(0), features, s.features);
    if constexpr (std::is_same_v<L, T>) {
      Convert(k.in<T>(1), labels, s.labels);
      f(XentOperands<float, float>{features, labels, loss, backprop});
    } else {
      f(XentOperands<float, L>{features, k.in<L>(1), loss, backprop});
    }
    Convert(loss, k.out<T>(0), s.rows);
    Convert(backprop, k.out<T>(1), s.rows * s.classes);
  } else {
    f(XentOperands<T, L>{k.in<T>(0), k.in<L>(1), k.out<T>(0), k.out<T>(1)});
  }
}

// Sets *dot = sum(labels * d), *mass = sum(labels).
template <class T>
LS_SIMD_CLONES void LabelSums(const T* labels, int64_t step, const T* d,
                              int64_t n, T* dot, T* mass) {
  T a = 0, b = 0;
  if (step == 1) {
#pragma omp simd reduction(+ : a, b)
    for (int64_t c = 0; c < n; ++c) {
      a += labels[c] * d[c];
      b += labels[c];
    }
  } else {
#pragma omp simd reduction(+ : a, b)
    for (int64_t c = 0; c < n; ++c) {
      a += labels[0] * d[c];
      b += labels[0];
    }
  }
  *dot = a;
  *mass = b;
}

// e = e / sum - labels
template <class T>
LS_SIMD_CLONES void MinusLabels(T* e, T inverse, const T* labels, int64_t step,
                                int64_t n) {
  for (int64_t c = 0; c < n; ++c) e[c] = e[c] * inverse - labels[c * step];
}

// backprop = exp(features - row max), each row to be divided by its sum;
// `after_shift(row)` is called between the two.
template <class T, class F>
void ExpRows(const XentState& s, const T* features, T* backprop, int64_t begin,
             int64_t end, const F& after_shift) {
  const int64_t n = s.classes;
  if (s.feature_row == n && s.feature_column == 1) {
    SubtractRowMax(backprop + begin * n, features + begin * n, end - begin, n);
  } else {
    for (int64_t r = begin; r < end; ++r) {
      for (int64_t c = 0; c < n; ++c) {
        backprop[r * n + c] =
            features[r * s.feature_row + c * s.feature_column];
      }
    }
    SubtractRowMax(backprop + begin * n, backprop + begin * n, end - begin, n);
  }
  for (int64_t r = begin; r < end; ++r) after_shift(r);
  MapVector<SoftmaxExpFn>(backprop + begin * n, backprop + begin * n,
                          (end - begin) * n);
}

template <class T>
void XentRows(const XentState& s, const T* features, const T* labels, T* loss,
              T* backprop, int64_t begin, int64_t end) {
  constexpr int64_t kMost = 4096;  // rows at once, see SoftmaxRowsAtOnce
  T mass[kMost];
  const int64_t n = s.classes;
  ExpRows(s, features, backprop, begin, end, [&](int64_t r) {
    T dot = 0;
    LabelSums(labels + r * s.label_row, s.label_column, backprop + r * n, n,
              &dot, &mass[r - begin]);
    loss[r] = -dot;
  });
  for (int64_t r = begin; r < end; ++r) {
    T* e = backprop + r * n;
    const T sum = RowSum(e, n);
    loss[r] += mass[r - begin] * std::log(sum);
    MinusLabels(e, T(1) / sum, labels + r * s.label_row, s.label_column, n);
  }
}

template <class T, class L>
void SparseXentRows(const XentState& s, const T* features, const L* labels,
                    T* loss, T* backprop, int64_t begin, int64_t end) {
  const int64_t n = s.classes;
  ExpRows(s, features, backprop, begin, end,
          [&](int64_t r) { loss[r] = -backprop[r * n + labels[r]]; });
  for (int64_t r = begin; r < end; ++r) {
    T* e = backprop + r * n;
    const T sum = RowSum(e, n);
    loss[r] += std::log(sum);
    const T inverse = T(1) / sum;
    for (int64_t c = 0; c < n; ++c) e[c] *= inverse;
    e[labels[r]] -= T(1);
  }
}

// Runs f(begin, end) over blocks of rows.
template <class F>
void ForRowBlocks(const XentState& s, const F& f) {
  const int64_t step = SoftmaxRowsAtOnce(s.classes);
  ParallelFor(s.rows, step, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; r += step) f(r, std::min(end, r + step));
  });
}

template <class T>
Status XentRun(KernelContext& k) {
  const XentState& s = k.state<XentState>();
  if (s.classes == 0) {
    std::fill_n(k.out<T>(0), s.rows, T(0));
    return Ok();
  }
  WithOperands<T, T>(k, s, [&](const auto& o) {
    ForRowBlocks(s, [&](int64_t begin, int64_t end) {
      XentRows(s, o.features, o.labels, o.loss, o.backprop, begin, end);
    });
  });
  return Ok();
}

template <class T, class L>
Status SparseXentRun(KernelContext& k) {
  const XentState& s = k.state<XentState>();
  const L* labels = k.in<L>(1);
  for (int64_t r = 0; r < s.rows; ++r) {
    if (labels[r] < 0 || labels[r] >= s.classes) [[unlikely]] {
      return InvalidArgument("Received a label value of ", labels[r],
                             " which is outside the valid range of [0, ",
                             s.classes, "): label ", r, " of ", s.rows);
    }
  }
  WithOperands<T, L>(k, s, [&](const auto& o) {
    ForRowBlocks(s, [&](int64_t begin, int64_t end) {
      SparseXentRows(s, o.features, o.labels, o.loss, o.backprop, begin, end);
    });
  });
  return Ok();
}

Output ExpandLast(const Scope& s, Output x) {
  return s.Op("ExpandDims").In(x).In(Tensor(int32_t{-1})).Out();
}

// The logits' gradient. Through the backprop output, whose derivative is that
// of softmax: (dg - sum(dg softmax)) softmax.
Output LogitsGradient(GradContext& g) {
  const Scope& s = g.scope();
  Output dx;
  if (g.has_dy(0) || !g.has_dy(1)) {
    dx = ops::Mul(s, ExpandLast(s, g.dy(0)), g.y(1));
  }
  if (g.has_dy(1)) {
    const Output softmax = ops::Softmax(s, g.x(0)), dg = g.dy(1);
    const Output sum = s.Op("Sum")
                           .In(ops::Mul(s, dg, softmax))
                           .In(Tensor(int32_t{-1}))
                           .Attr("keep_dims", true)
                           .Out();
    const Output second = ops::Mul(s, ops::Sub(s, dg, sum), softmax);
    dx = dx.defined() ? ops::Add(s, dx, second) : second;
  }
  return dx;
}

Status SparseXentGradient(GradContext& g) {
  return g.SetDx(0, LogitsGradient(g));
}

// Labels are differentiable too, by -logsoftmax. Inputs that were broadcast
// get their gradients summed back.
Status XentGradient(GradContext& g) {
  const Scope& s = g.scope();
  const Output dx = LogitsGradient(g);
  LS_RETURN_IF_ERROR(s.status());
  LS_RETURN_IF_ERROR(g.SetDx(0, SumToShapeOf(s, dx, g.x(0), g.x(1), true)));
  if (!g.has_dy(0)) return Ok();
  const Output dl = ops::Mul(s, ExpandLast(s, g.dy(0)),
                             ops::Neg(s, ops::LogSoftmax(s, g.x(0))));
  LS_RETURN_IF_ERROR(s.status());
  return g.SetDx(1, SumToShapeOf(s, dl, g.x(1), g.x(0), false));
}

LOCKSTEP_OP("SoftmaxCrossEntropyWithLogits")
    .Input("features: T")
    .Input("labels: T")
    .Output("loss: T")
    .Output("backprop: T")
    .Attr("T: {half, bfloat16, float, double}")
    .Shape(XentShape)
    .Gradient(XentGradient)
    .Kernels<LS_FLOAT_TYPES>(kCpu, []<class T>() {
      return KernelDef{XentRun<T>, XentPrepare<T>};
    });

#define LS_SPARSE_XENT(T, L)                                               \
  Kernel(kCpu, {{"T", DTypeOf<T>::value}, {"Tlabels", DTypeOf<L>::value}}, \
         {SparseXentRun<T, L>, XentPrepare<T>})
LOCKSTEP_OP("SparseSoftmaxCrossEntropyWithLogits")
    .Input("features: T")
    .Input("labels: Tlabels")
    .Output("loss: T")
    .Output("backprop: T")
    .Attr("T: {half, bfloat16, float, double}")
    .Attr("Tlabels: {int32, int64} = DT_INT64")
    .Shape(SparseXentShape)
    .Gradient(SparseXentGradient)
    .LS_SPARSE_XENT(float, int32_t)
    .LS_SPARSE_XENT(float, int64_t)
    .LS_SPARSE_XENT(double, int32_t)
    .LS_SPARSE_XENT(double, int64_t)
    .LS_SPARSE_XENT(Half, int32_t)
    .LS_SPARSE_XENT(Half, int64_t)
    .LS_SPARSE_XENT(BFloat16, int32_t)
    .LS_SPARSE_XENT(BFloat16, int64_t);

Output LossOf(NodeBuilder& node, Output* backprop) {
  const Output loss = node.Out(0);
  if (backprop) *backprop = loss.defined() ? node.Out(1) : Output();
  return loss;
}

}  // namespace

Output ops::SoftmaxCrossEntropyWithLogits(const Scope& scope,
                                          const Input& logits,
                                          const Input& labels,
                                          Output* backprop) {
  NodeBuilder node = scope.Op("SoftmaxCrossEntropyWithLogits");
  return LossOf(node.InPair(logits, labels), backprop);
}

Output ops::SparseSoftmaxCrossEntropyWithLogits(const Scope& scope,
                                                const Input& logits,
                                                const Input& labels,
                                                Output* backprop) {
  NodeBuilder node = scope.Op("SparseSoftmaxCrossEntropyWithLogits");
  return LossOf(node.In(logits).In(labels), backprop);
}

}  // namespace lockstep
