// SPDX-License-Identifier: Apache-2.0

// Igamma, Igammac: the regularised lower and upper incomplete gamma functions
// P(a, x) and 1 - P; IgammaGradA: dP / da. With NumPy broadcasting.
//   a, x: float, double
// BesselI0e, BesselI1e: exp(-|x|) times the modified Bessel functions I0, I1.
//   x: floats
// All are computed in double.
// Gradients: Igamma: to a, IgammaGradA; to x, exp(-x + (a - 1) log x -
// lgamma(a)); Igammac: the negatives. I0e: I1e - sign(x) I0e; I1e: I0e -
// (sign(x) + 1 / x) I1e, 1 / 2 at 0.

#include <limits>

#include "ops/array/array.h"
#include "ops/math/binary_gradient.h"
#include "ops/math/elementwise.h"
#include "ops/math/math.h"

namespace lockstep {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

double LogGamma(double x) {
  int sign = 0;
  return lgamma_r(x, &sign);
}

// x^a e^-x / gamma(a).
double Power(double a, double x) {
  return std::exp(a * std::log(x) - x - LogGamma(a));
}

// P(a, x) by its series, for x below a + 1.
double LowerSeries(double a, double x) {
  double term = 1 / a, sum = term;
  for (int n = 1; n < 100000 && term > sum * 1e-17; ++n) {
    term *= x / (a + n);
    sum += term;
  }
  return sum * Power(a, x);
}

// 1 - P(a, x) by its continued fraction (Lentz), for x above a + 1.
double UpperFraction(double a, double x) {
  constexpr double kTiny = 1e-300;
  double b = x + 1 - a, c = 1 / kTiny, d = 1 / b, h = d;
  for (int i = 1; i < 100000; ++i) {
    const double an = -i * (i - a);
    b += 2;
    d = an * d + b;
    if (std::abs(d) < kTiny) d = kTiny;
    c = b + an / c;
    if (std::abs(c) < kTiny) c = kTiny;
    d = 1 / d;
    h *= d * c;
    if (std::abs(d * c - 1) < 1e-16) break;
  }
  return h * Power(a, x);
}

double Igamma(double a, double x) {
  if (!(a > 0) || !(x >= 0)) return kNan;
  if (x == 0) return 0;
  if (std::isinf(x)) return 1;
  return x < a + 1 ? LowerSeries(a, x) : 1 - UpperFraction(a, x);
}
double Igammac(double a, double x) {
  if (!(a > 0) || !(x >= 0)) return kNan;
  if (x == 0) return 1;
  if (std::isinf(x)) return 0;
  return x < a + 1 ? 1 - LowerSeries(a, x) : UpperFraction(a, x);
}

// d/da of the sum of x^(a + n) e^-x / gamma(a + n + 1), term by term.
double IgammaGradA(double a, double x) {
  if (!(a > 0) || !(x >= 0)) return kNan;
  if (x == 0 || std::isinf(x)) return 0;
  if (x > a + 40 * std::sqrt(a) + 200) return 0;  // P is 1 to the last bit
  double digamma = 0;                             // of a + n + 1
  {
    double y = a + 1;
    for (; y < 10; y += 1) digamma -= 1 / y;
    const double z = 1 / (y * y);
    digamma += std::log(y) - 0.5 / y -
               z * (1.0 / 12 - z * (1.0 / 120 - z * (1.0 / 252 - z / 240)));
  }
  const double log = std::log(x);
  double term = Power(a, x) / a, sum = 0;
  for (int n = 0; n < 100000; ++n) {
    sum += term * (log - digamma);
    digamma += 1 / (a + n + 1);
    term *= x / (a + n + 1);
    if (n > x - a && term * (std::abs(digamma) + std::abs(log)) < 1e-18) break;
  }
  return sum;
}

// e^-x I_order(x) for x >= 0; beyond 30 by its asymptotic series.
double ScaledBessel(int order, double x) {
  if (x <= 30) return std::cyl_bessel_i(order, x) * std::exp(-x);
  if (std::isinf(x)) return 0;
  const double mu = 4.0 * order * order;
  double term = 1, sum = 1;
  for (int k = 1; k < 30; ++k) {
    term *= -(mu - (2 * k - 1) * (2 * k - 1)) / (8 * k * x);
    sum += term;
  }
  return sum / std::sqrt(2 * 3.14159265358979323846 * x);
}
double BesselI0e(double x) {
  return std::isnan(x) ? x : ScaledBessel(0, std::abs(x));
}
double BesselI1e(double x) {
  return std::isnan(x) ? x : std::copysign(ScaledBessel(1, std::abs(x)), x);
}

template <double (*kF)(double, double)>
struct GammaFn {
  template <class T>
  static T Apply(T a, T x) {
    return static_cast<T>(kF(static_cast<double>(a), static_cast<double>(x)));
  }
};
template <double (*kF)(double)>
struct BesselFn {
  template <class T>
  static T Apply(T x) {
    using V = ValueType<T>;
    return T(static_cast<V>(kF(static_cast<double>(static_cast<V>(x)))));
  }
};

Status SetGammaGradients(GradContext& g, bool upper) {
  const Scope& s = g.scope();
  const Output a = g.x(0), x = g.x(1);
  const Output dy = upper ? ops::Neg(s, g.dy(0)) : g.dy(0);
  const Output to_a = s.Op("IgammaGradA").In(a).In(x).Out();
  const Output less = ops::Sub(s, a, ops::OnesLike(s, a));
  const Output to_x = ops::Exp(
      s,
      ops::Sub(s, ops::Sub(s, ops::Xlogy(s, less, x), x), ops::Lgamma(s, a)));
  return SetBroadcastGradients(g, ops::Mul(s, dy, to_a), ops::Mul(s, dy, to_x));
}
Status IgammaGradient(GradContext& g) { return SetGammaGradients(g, false); }
Status IgammacGradient(GradContext& g) { return SetGammaGradients(g, true); }

Status I0eGradient(GradContext& g) {
  const Scope& s = g.scope();
  const Output slope = ops::Sub(s, s.Op("BesselI1e").In(g.x(0)).Out(),
                                ops::Mul(s, ops::Sign(s, g.x(0)), g.y(0)));
  return g.SetDx(0, ops::Mul(s, g.dy(0), slope));
}
Status I1eGradient(GradContext& g) {
  const Scope& s = g.scope();
  const Output x = g.x(0);
  const Output zero = ops::Equal(s, x, ops::ZerosLike(s, x));
  const Output safe = ops::SelectV2(s, zero, ops::OnesLike(s, x), x);
  const Output factor =
      ops::Add(s, ops::Sign(s, safe), ops::Reciprocal(s, safe));
  const Output slope =
      ops::Sub(s, s.Op("BesselI0e").In(x).Out(), ops::Mul(s, g.y(0), factor));
  const Output half = ops::Mul(s, 0.5f, ops::OnesLike(s, x));
  return g.SetDx(0, ops::Mul(s, g.dy(0), ops::SelectV2(s, zero, half, slope)));
}

template <double (*kF)(double, double)>
OpBuilder GammaOp(const char* name, GradientFn gradient) {
  OpBuilder b(name);
  b.Input("a: T").Input("x: T").Output("z: T").Attr("T: {float, double}");
  b.Shape(BroadcastShape).InPlace(0, 0).InPlace(0, 1);
  if (gradient != nullptr) {
    b.Gradient(gradient);
  } else {
    b.NoGradient();
  }
  return b.Kernels<float, double>(kCpu, []<class T>() {
    return Binary<GammaFn<kF>, T, T, kCostlyGrain>();
  });
}
template <double (*kF)(double)>
OpBuilder BesselOp(const char* name, GradientFn gradient) {
  return UnaryOp(name, "floattype", gradient)
      .template Kernels<LS_FLOAT_TYPES>(kCpu, []<class T>() {
        return Unary<BesselFn<kF>, T, T, kCostlyGrain>();
      });
}

const OpRegistrar kIgamma = GammaOp<Igamma>("Igamma", IgammaGradient);
const OpRegistrar kIgammac = GammaOp<Igammac>("Igammac", IgammacGradient);
const OpRegistrar kIgammaGradA = GammaOp<IgammaGradA>("IgammaGradA", nullptr);
const OpRegistrar kI0e = BesselOp<BesselI0e>("BesselI0e", I0eGradient);
const OpRegistrar kI1e = BesselOp<BesselI1e>("BesselI1e", I1eGradient);

}  // namespace

namespace ops {

Output Igamma(const Scope& scope, const Input& a, const Input& x) {
  return scope.Op("Igamma").InPair(a, x).Out();
}
Output Igammac(const Scope& scope, const Input& a, const Input& x) {
  return scope.Op("Igammac").InPair(a, x).Out();
}
Output BesselI0e(const Scope& scope, const Input& x) {
  return scope.Op("BesselI0e").In(x).Out();
}
Output BesselI1e(const Scope& scope, const Input& x) {
  return scope.Op("BesselI1e").In(x).Out();
}

}  // namespace ops
}  // namespace lockstep
