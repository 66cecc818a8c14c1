// SPDX-License-Identifier: Apache-2.0

// SelfAdjointEigV2: input: float, double [..., n, n], of which the lower
// triangle is read -> e: [..., n], ascending, and with compute_v v: [..., n,
// n], whose columns are the vectors (their signs are not TensorFlow's); else v
// is empty. By Jacobi's rotations in double.

#include <algorithm>
#include <cmath>
#include <numeric>

#include "ops/array/array.h"
#include "ops/linalg/factor.h"
#include "ops/linalg/linalg.h"
#include "ops/math/math.h"
#include "runtime/graph/gradients.h"

namespace lockstep {
namespace {

Status EigShape(ShapeContext& c) {
  LS_RETURN_IF_ERROR(SquareShape(c));
  const Shape x = c.outputs()[0];
  Shape e = x;
  if (e.HasRank()) e.RemoveDim(e.rank() - 1);
  LS_RETURN_IF_ERROR(c.SetOutput(0, e));
  return c.SetOutput(1, c.Attr<bool>("compute_v") ? x : Shape{0});
}

// a = v diag(e) v'. Each rotation makes one element off the diagonal zero;
// sweeps over all of them converge quadratically.
class Jacobi {
 public:
  explicit Jacobi(Matrix lower) : a(std::move(lower)), v(a.n) {
    for (int64_t i = 0; i < a.n; ++i) {
      v.at(i, i) = 1;
      for (int64_t j = i + 1; j < a.n; ++j) a.at(i, j) = a.at(j, i);
    }
    for (int sweep = 0; sweep < kMaxSweeps && Off() > 0; ++sweep) {
      for (int64_t p = 0; p < a.n; ++p) {
        for (int64_t q = p + 1; q < a.n; ++q) Rotate(p, q);
      }
    }
  }
  Matrix a;  // diagonal now
  Matrix v;

 private:
  static constexpr int kMaxSweeps = 60;

  // What is left, as far as it counts beside the diagonal.
  double Off() const {
    double off = 0, all = 0;
    for (int64_t i = 0; i < a.n; ++i) {
      for (int64_t j = 0; j < a.n; ++j) {
        all += a.at(i, j) * a.at(i, j);
        if (i != j) off += a.at(i, j) * a.at(i, j);
      }
    }
    return off > all * 1e-34 ? off : 0;
  }

  void Rotate(int64_t p, int64_t q) {
    if (a.at(p, q) == 0) return;
    const double theta = (a.at(q, q) - a.at(p, p)) / (2 * a.at(p, q));
    const double t = (theta >= 0 ? 1 : -1) /
                     (std::abs(theta) + std::sqrt(theta * theta + 1));
    const double c = 1 / std::sqrt(t * t + 1), s = t * c;
    const auto turn = [c, s](double& x, double& y) {
      const double old = x;
      x = c * old - s * y;
      y = s * old + c * y;
    };
    for (int64_t i = 0; i < a.n; ++i) turn(a.at(i, p), a.at(i, q));
    for (int64_t i = 0; i < a.n; ++i) turn(a.at(p, i), a.at(q, i));
    for (int64_t i = 0; i < a.n; ++i) turn(v.at(i, p), v.at(i, q));
    a.at(p, q) = a.at(q, p) = 0;
  }
};

template <class T>
Status EigCpu(KernelContext& k) {
  const bool vectors = k.output(1).shape().rank() > 1;
  return ForMatrices<T>(k, false, [&](int64_t at, const Matrix& m) -> Status {
    const int64_t n = m.n;
    for (const double x : m.a) {
      if (!std::isfinite(x)) {
        return InvalidArgument("Self-adjoint eigen decomposition was not ",
                               "successful. The input might not be valid.");
      }
    }
    const Jacobi found(m);
    std::vector<int64_t> order(static_cast<size_t>(n));
    std::iota(order.begin(), order.end(), 0);
    std::ranges::sort(order, {}, [&](int64_t i) { return found.a.at(i, i); });
    for (int64_t j = 0; j < n; ++j) {
      const int64_t from = order[static_cast<size_t>(j)];
      k.out<T>(0)[at * n + j] = static_cast<T>(found.a.at(from, from));
      for (int64_t i = 0; vectors && i < n; ++i) {
        k.out<T>(1)[(at * n + i) * n + j] = static_cast<T>(found.v.at(i, from));
      }
    }
    return Ok();
  });
}

// v (diag(de) + f * v' dv) v', f = 1 / (e_j - e_i) off the diagonal, folded
// into the lower triangle, which alone was read.
Status EigGradient(GradContext& g) {
  const Scope& s = g.scope();
  const bool given = g.Attr<bool>("compute_v");
  const std::vector<Output> both =
      given ? std::vector<Output>{g.y(0), g.y(1)}
            : s.Op("SelfAdjointEigV2").In(g.x(0)).Outs();
  LS_RETURN_IF_ERROR(s.status());
  const Output e = both[0], v = both[1];
  Output inner = ops::MatrixDiag(s, g.dy(0));
  if (given && g.has_dy(1)) {
    const Output gaps =
        ops::Sub(s, ops::ExpandDims(s, e, -2), ops::ExpandDims(s, e, -1));
    const Output f =
        ops::MatrixSetDiag(s, ops::DivNoNan(s, ops::OnesLike(s, gaps), gaps),
                           ops::ZerosLike(s, e));
    inner = ops::Add(s, inner,
                     ops::Mul(s, f, ops::BatchMatMul(s, v, g.dy(1), true)));
  }
  const Output whole =
      ops::BatchMatMul(s, v, ops::BatchMatMul(s, inner, v, false, true));
  const Output both_sides =
      ops::Add(s, whole, ops::Einsum(s, {whole}, "...ij->...ji"));
  const Output lower =
      ops::MatrixBandPart(s, both_sides, int64_t{-1}, int64_t{0});
  return g.SetDx(
      0, ops::MatrixSetDiag(s, lower,
                            ops::Mul(s, 0.5f, ops::MatrixDiagPart(s, lower))));
}

LOCKSTEP_OP("SelfAdjointEigV2")
    .Input("input: T")
    .Output("e: T")
    .Output("v: T")
    .Attr("compute_v: bool = true")
    .Attr("T: {double, float, half, complex64, complex128}")
    .Shape(EigShape)
    .Gradient(EigGradient)
    .Kernels<float, double>(kCpu,
                            []<class T>() { return KernelDef{EigCpu<T>}; });

}  // namespace
}  // namespace lockstep
