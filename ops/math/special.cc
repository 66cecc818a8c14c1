// SPDX-License-Identifier: Apache-2.0

// Lgamma, Digamma, Erfinv, Ndtri: element by element; Polygamma(a, x), the a-th
// derivative of Digamma, and Zeta(x, q), the sum of 1 / (q + i)^x, with NumPy
// broadcasting.   x, y: floats (Polygamma, Zeta: float, double)
// All are computed in double.
// Gradients: Lgamma: Digamma; Digamma: Polygamma(1, x); Polygamma: to x,
// Polygamma(a + 1, x); Zeta: to q, -x Zeta(x + 1, q); Erfinv: sqrt(pi) / 2 *
// exp(y^2); Ndtri: sqrt(2 pi) * exp(y^2 / 2).

#include <limits>

#include "ops/array/array.h"
#include "ops/math/binary_gradient.h"
#include "ops/math/elementwise.h"
#include "ops/math/math.h"

namespace lockstep {
namespace {

constexpr double kPi = 3.14159265358979323846;
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

double Lgamma(double x) {
  int sign = 0;
  return lgamma_r(x, &sign);
}

// By recurrence to where the asymptotic series is exact, by reflection for
// negative x.
double Digamma(double x) {
  if (x <= 0) {
    if (x == std::floor(x)) return kNan;
    return Digamma(1 - x) - kPi / std::tan(kPi * x);
  }
  double shift = 0;
  for (; x < 10; x += 1) shift -= 1 / x;
  const double y = 1 / (x * x);
  const double series =
      y * (1.0 / 12 -
           y * (1.0 / 120 -
                y * (1.0 / 252 -
                     y * (1.0 / 240 - y * (1.0 / 132 - y * 691.0 / 32760)))));
  return shift + std::log(x) - 0.5 / x - series;
}

// Euler and Maclaurin's formula after the first terms.
double Zeta(double x, double q) {
  if (x == 1) return kInfinity;
  if (x < 1) return kNan;
  if (q <= 0) {
    if (q == std::floor(q)) return kInfinity;
    // So far from the poles that the sum would take too long.
    if (x != std::floor(x) || q < -1e6) return kNan;
  }
  double sum = 0;
  int terms = 0;
  for (; terms < 10 || q < 10; ++terms, q += 1) sum += std::pow(q, -x);
  // Bernoulli's numbers B(2k) / (2k)!.
  constexpr double kTerms[] = {1.0 / 12,          -1.0 / 720,
                               1.0 / 30240,       -1.0 / 1209600,
                               1.0 / 47900160,    -691.0 / 1307674368000,
                               1.0 / 74724249600, -3617.0 / 10670622842880000};
  double power = std::pow(q, -x);
  sum += power * q / (x - 1) + 0.5 * power;
  double factor = x;
  power /= q;
  for (int k = 0; k < 8; ++k) {
    sum += kTerms[k] * factor * power;
    factor *= (x + 2 * k + 1) * (x + 2 * k + 2);
    power /= q * q;
  }
  return sum;
}

double Polygamma(double n, double x) {
  if (n != std::floor(n) || n < 0) return kNan;
  if (n == 0) return Digamma(x);
  const double sign = std::fmod(n, 2) == 0 ? -1 : 1;
  return sign * std::tgamma(n + 1) * Zeta(n + 1, x);
}

// The y with erfc(y) = z, by a rough guess and three of Halley's steps.
double InverseErfc(double z) {
  if (!(z >= 0 && z <= 2)) return kNan;
  if (z > 1) return -InverseErfc(2 - z);
  if (z == 0) return kInfinity;
  constexpr double kA = 0.147;
  const double log = std::log(z * (2 - z));
  const double t = 2 / (kPi * kA) + log / 2;
  double y = std::sqrt(std::max(0.0, std::sqrt(t * t - log / kA) - t));
  for (int i = 0; i < 3; ++i) {
    const double slope = -2 / std::sqrt(kPi) * std::exp(-y * y);
    const double step = (std::erfc(y) - z) / slope;
    y -= step / (1 + y * step);
  }
  return y;
}

double InverseErf(double x) {
  if (std::abs(x) > 0.5) return std::copysign(InverseErfc(1 - std::abs(x)), x);
  double y = x * std::sqrt(kPi) / 2;
  for (int i = 0; i < 4; ++i) {
    const double slope = 2 / std::sqrt(kPi) * std::exp(-y * y);
    const double step = (std::erf(y) - x) / slope;
    y -= step / (1 + y * step);
  }
  return y;
}

double Ndtri(double p) { return -std::sqrt(2.0) * InverseErfc(2 * p); }

// A functor of one of them.
template <double (*kF)(double)>
struct SpecialFn {
  template <class T>
  static T Apply(T x) {
    const double v = static_cast<double>(static_cast<ValueType<T>>(x));
    return T(static_cast<ValueType<T>>(kF(v)));
  }
};
template <double (*kF)(double, double)>
struct Special2Fn {
  template <class T>
  static T Apply(T x, T y) {
    return static_cast<T>(kF(static_cast<double>(x), static_cast<double>(y)));
  }
};

Status LgammaGradient(GradContext& g) {
  const Scope& s = g.scope();
  return g.SetDx(0, ops::Mul(s, g.dy(0), ops::Digamma(s, g.x(0))));
}
Status DigammaGradient(GradContext& g) {
  const Scope& s = g.scope();
  const Output slope = ops::Polygamma(s, ops::OnesLike(s, g.x(0)), g.x(0));
  return g.SetDx(0, ops::Mul(s, g.dy(0), slope));
}
Status PolygammaGradient(GradContext& g) {
  const Scope& s = g.scope();
  const Output slope = ops::Polygamma(s, ops::Add(s, g.x(0), 1.0f), g.x(1));
  return g.SetDx(
      1, SumToShapeOf(s, ops::Mul(s, g.dy(0), slope), g.x(1), g.x(0), false));
}
Status ZetaGradient(GradContext& g) {
  const Scope& s = g.scope();
  const Output next = ops::Zeta(s, ops::Add(s, g.x(0), 1.0f), g.x(1));
  const Output slope = ops::Neg(s, ops::Mul(s, g.x(0), next));
  return g.SetDx(
      1, SumToShapeOf(s, ops::Mul(s, g.dy(0), slope), g.x(1), g.x(0), false));
}
// dy * factor * exp(y^2 * scale).
Status InverseBellGradient(GradContext& g, double factor, float scale) {
  const Scope& s = g.scope();
  const Output bell = ops::Exp(s, ops::Mul(s, scale, ops::Square(s, g.y(0))));
  return g.SetDx(0, ops::Mul(s, g.dy(0), ops::Mul(s, factor, bell)));
}
Status ErfinvGradient(GradContext& g) {
  return InverseBellGradient(g, std::sqrt(kPi) / 2, 1.0f);
}
Status NdtriGradient(GradContext& g) {
  return InverseBellGradient(g, std::sqrt(2 * kPi), 0.5f);
}

template <double (*kF)(double)>
OpBuilder SpecialOp(const char* name, GradientFn gradient) {
  return UnaryOp(name, "floattype", gradient)
      .template Kernels<LS_FLOAT_TYPES>(kCpu, []<class T>() {
        return Unary<SpecialFn<kF>, T, T, kCostlyGrain>();
      });
}
template <double (*kF)(double, double)>
OpBuilder Special2Op(const char* name, const char* x, const char* y,
                     GradientFn gradient) {
  OpBuilder b(name);
  b.Input(x).Input(y).Output("z: T").Attr("T: {float, double}");
  b.Shape(BroadcastShape).Gradient(gradient).InPlace(0, 0).InPlace(0, 1);
  return b.Kernels<float, double>(kCpu, []<class T>() {
    return Binary<Special2Fn<kF>, T, T, kCostlyGrain>();
  });
}

const OpRegistrar kLgamma = SpecialOp<Lgamma>("Lgamma", LgammaGradient);
const OpRegistrar kDigamma = SpecialOp<Digamma>("Digamma", DigammaGradient);
const OpRegistrar kErfinv = SpecialOp<InverseErf>("Erfinv", ErfinvGradient);
const OpRegistrar kNdtri = SpecialOp<Ndtri>("Ndtri", NdtriGradient);
const OpRegistrar kPolygamma =
    Special2Op<Polygamma>("Polygamma", "a: T", "x: T", PolygammaGradient);
const OpRegistrar kZeta =
    Special2Op<Zeta>("Zeta", "x: T", "q: T", ZetaGradient);

}  // namespace

namespace ops {

#define LS_SPECIAL_BUILDER(Name)                    \
  Output Name(const Scope& scope, const Input& x) { \
    return scope.Op(#Name).In(x).Out();             \
  }
LS_SPECIAL_BUILDER(Lgamma)
LS_SPECIAL_BUILDER(Digamma)
LS_SPECIAL_BUILDER(Erfinv)
LS_SPECIAL_BUILDER(Ndtri)
#undef LS_SPECIAL_BUILDER

Output Polygamma(const Scope& scope, const Input& a, const Input& x) {
  return scope.Op("Polygamma").InPair(a, x).Out();
}
Output Zeta(const Scope& scope, const Input& x, const Input& q) {
  return scope.Op("Zeta").InPair(x, q).Out();
}

}  // namespace ops
}  // namespace lockstep
