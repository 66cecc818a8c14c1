// SPDX-License-Identifier: Apache-2.0

// Qr: input: float, double [..., m, n] = q r, q's columns orthonormal, r upper
// triangular; p = min(m, n)
//   q: [..., m, p]   r: [..., p, n]; with full_matrices [..., m, m], [..., m,
//   n]
// By Householder reflections in double; signs are LAPACK's and TensorFlow's.
// Gradient: TensorFlow's; none for full_matrices unless m = n.

#include <algorithm>
#include <cmath>

#include "ops/array/array.h"
#include "ops/linalg/factor.h"
#include "ops/linalg/linalg.h"
#include "ops/math/math.h"
#include "runtime/graph/gradients.h"

namespace lockstep {
namespace {

Status QrShape(ShapeContext& c) {
  LS_ASSIGN_OR_RETURN(const Shape x, c.WithRankAtLeast(0, 2));
  if (!x.HasRank()) return Ok();
  const int64_t m = x.dim(x.rank() - 2), n = x.dim(x.rank() - 1);
  int64_t p = m;
  if (!c.Attr<bool>("full_matrices")) {
    p = m == kUnknownDim || n == kUnknownDim ? kUnknownDim : std::min(m, n);
  }
  Shape q = x, r = x;
  q.set_dim(x.rank() - 1, p);
  r.set_dim(x.rank() - 2, p);
  LS_RETURN_IF_ERROR(c.SetOutput(0, q));
  return c.SetOutput(1, r);
}

// a [m, n] -> r above and on the diagonal, below it the reflections.
class Reflections {
 public:
  Reflections(int64_t m, int64_t n) : m_(m), n_(n) {
    a_.resize(static_cast<size_t>(m * n));
    scale_.resize(static_cast<size_t>(std::min(m, n)));
  }
  double& at(int64_t i, int64_t j) {
    return a_[static_cast<size_t>(i * n_ + j)];
  }
  // The k-th is I - scale v v', v = [1, what is below the diagonal].
  void Factor() {
    for (int64_t k = 0; k < std::min(m_, n_); ++k) {
      double tail = 0;
      for (int64_t i = k + 1; i < m_; ++i) tail += at(i, k) * at(i, k);
      double& scale = scale_[static_cast<size_t>(k)];
      if (tail == 0) {
        scale = 0;
        continue;
      }
      const double head = at(k, k);
      const double norm = std::sqrt(head * head + tail);
      const double beta = head >= 0 ? -norm : norm;
      scale = (beta - head) / beta;
      for (int64_t i = k + 1; i < m_; ++i) at(i, k) /= head - beta;
      at(k, k) = beta;
      for (int64_t j = k + 1; j < n_; ++j) {
        Reflect(k, [&](int64_t i) -> double& { return at(i, j); });
      }
    }
  }
  // The first `columns` columns of q.
  template <class T>
  void WriteQ(int64_t columns, T* q) {
    std::vector<double> v(static_cast<size_t>(m_));
    const auto element = [&v](int64_t i) -> double& {
      return v[static_cast<size_t>(i)];
    };
    for (int64_t j = 0; j < columns; ++j) {
      std::ranges::fill(v, 0);
      element(j) = 1;
      for (int64_t k = std::min(m_, n_); k-- > 0;) Reflect(k, element);
      for (int64_t i = 0; i < m_; ++i) {
        q[i * columns + j] = static_cast<T>(element(i));
      }
    }
  }
  template <class T>
  void WriteR(int64_t rows, T* r) {
    for (int64_t i = 0; i < rows; ++i) {
      for (int64_t j = 0; j < n_; ++j) {
        r[i * n_ + j] = j >= i ? static_cast<T>(at(i, j)) : T(0);
      }
    }
  }

 private:
  template <class V>
  void Reflect(int64_t k, const V& v) {
    const double scale = scale_[static_cast<size_t>(k)];
    double sum = v(k);
    for (int64_t i = k + 1; i < m_; ++i) sum += at(i, k) * v(i);
    v(k) -= scale * sum;
    for (int64_t i = k + 1; i < m_; ++i) v(i) -= scale * sum * at(i, k);
  }

  int64_t m_, n_;
  std::vector<double> a_, scale_;
};

template <class T>
Status QrCpu(KernelContext& k) {
  const Shape& x = k.input(0).shape();
  const int64_t m = x.dim(x.rank() - 2), n = x.dim(x.rank() - 1);
  const int64_t p = k.output(0).shape().dim(x.rank() - 1);
  for (int64_t b = 0; b < DimProduct(x, 0, x.rank() - 2); ++b) {
    Reflections qr(m, n);
    const T* from = k.in<T>(0) + b * m * n;
    for (int64_t i = 0; i < m * n; ++i) {
      qr.at(i / n, i % n) = static_cast<double>(from[i]);
    }
    qr.Factor();
    qr.WriteQ(p, k.out<T>(0) + b * m * p);
    qr.WriteR(p, k.out<T>(1) + b * p * n);
  }
  return Ok();
}

Output Turned(const Scope& s, Output x) {
  return ops::Einsum(s, {x}, "...ij->...ji");
}

// x (r^-1)'
Output BehindInverse(const Scope& s, Output x, Output r) {
  return Turned(s, ops::MatrixTriangularSolve(s, r, Turned(s, x), false));
}

// For q as high as wide, or higher.
Output DeepGradient(const Scope& s, Output q, Output r, Output dq, Output dr) {
  const Output qdq = ops::BatchMatMul(s, q, dq, true);
  const Output rdr = ops::BatchMatMul(s, r, dr, false, true);
  const Output odd = ops::Add(s, ops::Sub(s, qdq, Turned(s, qdq)),
                              ops::Sub(s, rdr, Turned(s, rdr)));
  const Output lower = ops::MatrixBandPart(s, odd, int64_t{-1}, int64_t{0});
  const Output rest = ops::Sub(s, dq, ops::BatchMatMul(s, q, qdq));
  return ops::Add(
      s, ops::BatchMatMul(s, q, ops::Add(s, dr, BehindInverse(s, lower, r))),
      BehindInverse(s, rest, r));
}

Status QrGradient(GradContext& g) {
  const Scope& s = g.scope();
  const Shape& x = g.x(0).shape();
  const int64_t m = x.HasRank() ? x.dim(x.rank() - 2) : kUnknownDim;
  const int64_t n = x.HasRank() ? x.dim(x.rank() - 1) : kUnknownDim;
  if (m == kUnknownDim || n == kUnknownDim ||
      (m != n && g.Attr<bool>("full_matrices"))) {
    return Unimplemented(
        "the gradient of Qr needs a matrix of known size, "
        "square for full_matrices; it has shape ",
        x);
  }
  const Output q = g.y(0), r = g.y(1), dq = g.dy(0), dr = g.dy(1);
  if (m >= n) return g.SetDx(0, DeepGradient(s, q, r, dq, dr));
  // The square left of the matrix, and what is right of it: a = q [u, v].
  const auto parts = [&](Output whole) {
    return ops::SplitV(s, whole, Tensor::Of<int64_t>({2}, {m, n - m}), -1, 2);
  };
  const std::vector<Output> a = parts(g.x(0)), u = parts(r), d = parts(dr);
  LS_RETURN_IF_ERROR(s.status());
  const Output more =
      ops::Add(s, dq, ops::BatchMatMul(s, a[1], d[1], false, true));
  return g.SetDx(0, ops::Concat(s,
                                {DeepGradient(s, q, u[0], more, d[0]),
                                 ops::BatchMatMul(s, q, d[1])},
                                -1));
}

LOCKSTEP_OP("Qr")
    .Input("input: T")
    .Output("q: T")
    .Output("r: T")
    .Attr("full_matrices: bool = false")
    .Attr("T: {double, float, half, complex64, complex128}")
    .Shape(QrShape)
    .Gradient(QrGradient)
    .Kernels<float, double>(kCpu,
                            []<class T>() { return KernelDef{QrCpu<T>}; });

}  // namespace
}  // namespace lockstep
