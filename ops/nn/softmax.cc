// SPDX-License-Identifier: Apache-2.0

// Softmax: exp(x) / sum(exp(x)) over the last dimension, LogSoftmax its log.
//   logits: [..., classes]  softmax: same shape
// Gradients: (dy - sum(dy y)) y, and dy - sum(dy) exp(y).

#include "ops/math/math.h"
#include "ops/nn/nn.h"
#include "ops/nn/softmax_rows.h"
#include "runtime/graph/gradients.h"

namespace lockstep {
namespace {

Status SoftmaxShape(ShapeContext& c) {
  LS_ASSIGN_OR_RETURN(const Shape logits, c.WithRankAtLeast(0, 1));
  return c.SetOutput(0, logits);
}

template <class T>
LS_SIMD_CLONES void ScaleRow(T* y, T factor, int64_t n) {
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) y[i] *= factor;
}
template <class T>
LS_SIMD_CLONES void ShiftRow(T* y, T by, int64_t n) {
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) y[i] -= by;
}

template <class T, bool kLog>
void SoftmaxRows(T* y, const T* x, int64_t rows, int64_t classes) {
  constexpr int64_t kPiece = 1024;
  SubtractRowMax(y, x, rows, classes);
  if constexpr (!kLog) {
    MapVector<SoftmaxExpFn>(y, y, rows * classes);
    for (int64_t r = 0; r < rows; ++r) {
      T* row = y + r * classes;
      ScaleRow(row, T(1) / RowSum(row, classes), classes);
    }
    return;
  }
  T exps[kPiece];
  for (int64_t r = 0; r < rows; ++r) {
    T* row = y + r * classes;
    T sum = 0;
    for (int64_t c = 0; c < classes; c += kPiece) {
      const int64_t n = std::min(kPiece, classes - c);
      MapVector<SoftmaxExpFn>(row + c, exps, n);
      sum += RowSum(exps, n);
    }
    ShiftRow(row, std::log(sum), classes);
  }
}

template <class T>
Status SoftmaxPrepare(PrepareContext& p) {
  const Shape& shape = p.input_shape(0);
  p.MakeState<int64_t>(shape.dim(shape.rank() - 1));
  if constexpr (kIsFloat16<T>) {
    p.RequestScratch(static_cast<size_t>(shape.NumElements()) * sizeof(float));
  }
  return Ok();
}

template <class T, bool kLog>
Status SoftmaxRun(KernelContext& k) {
  const int64_t classes = k.state<int64_t>();
  const int64_t count = k.input(0).NumElements();
  if (count == 0) return Ok();
  const int64_t rows = count / classes;
  const T* x = k.in<T>(0);
  T* y = k.out<T>(0);
  ParallelFor(rows, SoftmaxRowsAtOnce(classes),
              [&](int64_t begin, int64_t end) {
                const int64_t first = begin * classes;
                const int64_t n = (end - begin) * classes;
                if constexpr (kIsFloat16<T>) {  // computed in float
                  float* wide = static_cast<float*>(k.scratch()) + first;
                  Convert(x + first, wide, n);
                  SoftmaxRows<float, kLog>(wide, wide, end - begin, classes);
                  Convert(wide, y + first, n);
                } else {
                  const int64_t step = SoftmaxRowsAtOnce(classes);
                  for (int64_t r = begin; r < end; r += step) {
                    SoftmaxRows<T, kLog>(y + r * classes, x + r * classes,
                                         std::min(step, end - r), classes);
                  }
                }
              });
  return Ok();
}

// The sum over the last dimension, kept as one of size 1.
Output SumLast(const Scope& s, Output x) {
  return s.Op("Sum")
      .In(x)
      .In(Tensor(int32_t{-1}))
      .Attr("keep_dims", true)
      .Out();
}

Status SoftmaxGradient(GradContext& g) {
  const Scope& s = g.scope();
  const Output y = g.y(0), dy = g.dy(0);
  const Output sum = SumLast(s, ops::Mul(s, dy, y));
  return g.SetDx(0, ops::Mul(s, ops::Sub(s, dy, sum), y));
}

Status LogSoftmaxGradient(GradContext& g) {
  const Scope& s = g.scope();
  const Output dy = g.dy(0);
  const Output softmax = ops::Exp(s, g.y(0));
  return g.SetDx(0, ops::Sub(s, dy, ops::Mul(s, SumLast(s, dy), softmax)));
}

LOCKSTEP_OP("Softmax")
    .Input("logits: T")
    .Output("softmax: T")
    .Attr("T: floattype")
    .Shape(SoftmaxShape)
    .Gradient(SoftmaxGradient)
    .InPlace(0, 0)
    .Kernels<LS_FLOAT_TYPES>(kCpu, []<class T>() {
      return KernelDef{SoftmaxRun<T, false>, SoftmaxPrepare<T>};
    });

LOCKSTEP_OP("LogSoftmax")
    .Input("logits: T")
    .Output("logsoftmax: T")
    .Attr("T: floattype")
    .Shape(SoftmaxShape)
    .Gradient(LogSoftmaxGradient)
    .InPlace(0, 0)
    .Kernels<LS_FLOAT_TYPES>(kCpu, []<class T>() {
      return KernelDef{SoftmaxRun<T, true>, SoftmaxPrepare<T>};
    });

}  // namespace

Output ops::Softmax(const Scope& scope, const Input& logits) {
  return scope.Op("Softmax").In(logits).Out();
}
Output ops::LogSoftmax(const Scope& scope, const Input& logits) {
  return scope.Op("LogSoftmax").In(logits).Out();
}

}  // namespace lockstep
