// SPDX-License-Identifier: Apache-2.0

// Cholesky, MatrixDeterminant, LogMatrixDeterminant: for matrices in the last
// two dimensions; small matrices, factorised in double.
//   input: float, double [..., n, n]
// Cholesky of a matrix that is not positive definite is NaN.
// Gradients by the usual formulas, with solves and products.

#include <limits>

#include "ops/array/array.h"
#include "ops/linalg/factor.h"
#include "ops/linalg/linalg.h"
#include "ops/math/math.h"
#include "runtime/graph/gradients.h"

namespace lockstep {
namespace {

Status DeterminantShape(ShapeContext& c) {
  LS_RETURN_IF_ERROR(SquareShape(c));
  Shape y = c.outputs()[0];
  if (y.HasRank()) {
    y.RemoveDim(y.rank() - 1);
    y.RemoveDim(y.rank() - 1);
  }
  for (int i = 0; i < c.num_outputs(); ++i) {
    LS_RETURN_IF_ERROR(c.SetOutput(i, y));
  }
  return Ok();
}
// What a matrix that is not positive definite gives, as in TensorFlow.
template <class T>
void FillLower(T* l, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t j = 0; j < n; ++j) {
      l[i * n + j] = j <= i ? std::numeric_limits<T>::quiet_NaN() : T(0);
    }
  }
}

template <class T>
Status CholeskyCpu(KernelContext& k) {
  return ForMatrices<T>(k, false, [&](int64_t at, Matrix& m) -> Status {
    T* l = k.out<T>(0) + at * m.n * m.n;
    if (!Cholesky(&m)) {
      FillLower(l, m.n);
      return Ok();
    }
    for (int64_t i = 0; i < m.n; ++i) {
      for (int64_t j = 0; j < m.n; ++j) {
        l[i * m.n + j] = static_cast<T>(j <= i ? m.at(i, j) : 0.0);
      }
    }
    return Ok();
  });
}

template <class T, bool kLog>
Status DeterminantCpu(KernelContext& k) {
  return ForMatrices<T>(k, false, [&](int64_t at, Matrix& m) -> Status {
    const Lu lu(m);
    double sign = lu.sign, log = 0, product = lu.sign;
    for (int64_t i = 0; i < lu.m.n; ++i) {
      const double v = lu.m.at(i, i);
      product *= v;
      log += std::log(std::abs(v));
      sign *= v > 0 ? 1 : v < 0 ? -1 : 0;
    }
    k.out<T>(0)[at] = static_cast<T>(kLog ? sign : product);
    if (kLog) k.out<T>(1)[at] = static_cast<T>(log);
    return Ok();
  });
}

// L = cholesky(A): dA = the symmetric part of L^-T (L^T dL)_lower L^-1, where
// the lower part has half the diagonal.
Status CholeskyGradient(GradContext& g) {
  const Scope& s = g.scope();
  const Output l = g.y(0);
  const Output inner = ops::BatchMatMul(s, l, g.dy(0), true, false);
  const Output diagonal = ops::MatrixDiagPart(s, inner);
  const Output middle = ops::MatrixSetDiag(
      s, ops::MatrixBandPart(s, inner, int64_t{-1}, int64_t{0}),
      ops::Mul(s, 0.5f, diagonal));
  const Output left = ops::MatrixTriangularSolve(s, l, middle, true, true);
  const Output right = ops::BatchMatMul(s, left, ops::MatrixInverse(s, l));
  // (R + R^T) / 2 by an equation that knows no rank.
  const Output turned = ops::Einsum(s, {right}, "...ij->...ji");
  return g.SetDx(0, ops::Mul(s, 0.5f, ops::Add(s, right, turned)));
}

// d det = det tr(A^-1 dA).
Status DeterminantGradient(GradContext& g) {
  const Scope& s = g.scope();
  const Output slope = ops::Mul(s, g.dy(0), g.y(0));
  const Output column = ops::ExpandDims(s, ops::ExpandDims(s, slope, -1), -1);
  return g.SetDx(0, ops::Mul(s, column, ops::MatrixInverse(s, g.x(0), true)));
}
Status LogDeterminantGradient(GradContext& g) {
  const Scope& s = g.scope();
  const Output column = ops::ExpandDims(s, ops::ExpandDims(s, g.dy(1), -1), -1);
  return g.SetDx(0, ops::Mul(s, column, ops::MatrixInverse(s, g.x(0), true)));
}

LOCKSTEP_OP("Cholesky")
    .Input("input: T")
    .Output("output: T")
    .Attr("T: {double, float}")
    .Shape(SquareShape)
    .Gradient(CholeskyGradient)
    .Kernels<float, double>(kCpu, []<class T>() {
      return KernelDef{CholeskyCpu<T>};
    });
LOCKSTEP_OP("MatrixDeterminant")
    .Input("input: T")
    .Output("output: T")
    .Attr("T: {float, double}")
    .Shape(DeterminantShape)
    .Gradient(DeterminantGradient)
    .Kernels<float, double>(kCpu, []<class T>() {
      return KernelDef{DeterminantCpu<T, false>};
    });
LOCKSTEP_OP("LogMatrixDeterminant")
    .Input("input: T")
    .Output("sign: T")
    .Output("log_abs_determinant: T")
    .Attr("T: {float, double}")
    .Shape(DeterminantShape)
    .Gradient(LogDeterminantGradient)
    .Kernels<float, double>(kCpu, []<class T>() {
      return KernelDef{DeterminantCpu<T, true>};
    });
}  // namespace

namespace ops {

Output Cholesky(const Scope& scope, const Input& input) {
  return scope.Op("Cholesky").In(input).Out();
}
Output MatrixDeterminant(const Scope& scope, const Input& input) {
  return scope.Op("MatrixDeterminant").In(input).Out();
}

}  // namespace ops
}  // namespace lockstep
