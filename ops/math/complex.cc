// SPDX-License-Identifier: Apache-2.0

// Complex: numbers from their real and imaginary parts, which broadcast.
//   real, imag: T float|double   out: Tout complex64|complex128
// Real, Imag, ComplexAbs, Angle: parts of complex numbers, x: complex -> float.
// Conj: the conjugate; of real numbers, the numbers.
// Gradients: Complex: the parts of dz; Real, Imag: dy as that part; Conj: the
// conjugate; ComplexAbs: dy in x's direction; Angle: dy turned by a right angle
// and divided by |x|.

#include "ops/array/array.h"
#include "ops/math/binary_gradient.h"
#include "ops/math/elementwise.h"
#include "ops/math/math.h"

namespace lockstep {
namespace {

template <class F>
Status ComplexCpu(KernelContext& k) {
  const BroadcastWalk& w = k.state<BroadcastWalk>();
  const F* re = k.in<F>(0);
  const F* im = k.in<F>(1);
  std::complex<F>* z = k.out<std::complex<F>>(0);
  w.ForRuns(kCheapGrain, [&](int64_t at, const int64_t* from, int64_t n) {
    for (int64_t i = 0; i < n; ++i) {
      z[at + i] = {re[from[0] + i * w.step(0)], im[from[1] + i * w.step(1)]};
    }
  });
  return Ok();
}

// Functors over a complex x; the result is a part of it.
struct RealFn {
  template <class T>
  static typename T::value_type Apply(T x) {
    return x.real();
  }
};
struct ImagFn {
  template <class T>
  static typename T::value_type Apply(T x) {
    return x.imag();
  }
};
struct ComplexAbsFn {
  template <class T>
  static typename T::value_type Apply(T x) {
    return std::abs(x);
  }
};
struct AngleFn {
  template <class T>
  static typename T::value_type Apply(T x) {
    return std::arg(x);
  }
};
struct ConjFn {
  template <class T>
  static T Apply(T x) {
    return std::conj(x);
  }
};

Status ComplexGradient(GradContext& g) {
  const Scope& s = g.scope();
  return SetBroadcastGradients(g, ops::Real(s, g.dy(0)), ops::Imag(s, g.dy(0)));
}
Status RealGradient(GradContext& g) {
  const Scope& s = g.scope();
  return g.SetDx(0, ops::Complex(s, g.dy(0), ops::ZerosLike(s, g.dy(0))));
}
Status ImagGradient(GradContext& g) {
  const Scope& s = g.scope();
  return g.SetDx(0, ops::Complex(s, ops::ZerosLike(s, g.dy(0)), g.dy(0)));
}
Status ConjGradient(GradContext& g) {
  return g.SetDx(0, Conjugate(g.scope(), g.dy(0)));
}
// dy as a complex number.
Output Widened(GradContext& g) {
  const Scope& s = g.scope();
  return ops::Complex(s, g.dy(0), ops::ZerosLike(s, g.dy(0)));
}
Status ComplexAbsGradient(GradContext& g) {
  const Scope& s = g.scope();
  return g.SetDx(0, ops::Mul(s, Widened(g), ops::Sign(s, g.x(0))));
}
// d arg(x) = Im(dx / x): the gradient is dy * i / conj(x).
Status AngleGradient(GradContext& g) {
  const Scope& s = g.scope();
  const Output turned = ops::Complex(s, ops::ZerosLike(s, g.dy(0)), g.dy(0));
  return g.SetDx(0, ops::RealDiv(s, turned, Conjugate(s, g.x(0))));
}

LOCKSTEP_OP("Complex")
    .Input("real: T")
    .Input("imag: T")
    .Output("out: Tout")
    .Attr("T: {float, double} = DT_FLOAT")
    .Attr("Tout: {complex64, complex128} = DT_COMPLEX64")
    .Shape(BroadcastShape)
    .Gradient(ComplexGradient)
    .Kernel(kCpu, {{"T", kFloat}, {"Tout", kComplex64}},
            {ComplexCpu<float>, PrepareBinary})
    .Kernel(kCpu, {{"T", kDouble}, {"Tout", kComplex128}},
            {ComplexCpu<double>, PrepareBinary});

template <class F>
OpBuilder PartOp(const char* name, const char* input, const char* output,
                 GradientFn gradient) {
  OpBuilder b(name);
  b.Input(input).Output(output);
  b.Attr("T: {complex64, complex128} = DT_COMPLEX64")
      .Attr("Tout: {float, double} = DT_FLOAT")
      .Shape(UnchangedShape)
      .Gradient(gradient);
  b.Kernel(kCpu, {{"T", kComplex64}, {"Tout", kFloat}},
           Unary<F, std::complex<float>, float>());
  b.Kernel(kCpu, {{"T", kComplex128}, {"Tout", kDouble}},
           Unary<F, std::complex<double>, double>());
  return b;
}

const OpRegistrar kReal =
    PartOp<RealFn>("Real", "input: T", "output: Tout", RealGradient);
const OpRegistrar kImag =
    PartOp<ImagFn>("Imag", "input: T", "output: Tout", ImagGradient);
const OpRegistrar kAngle =
    PartOp<AngleFn>("Angle", "input: T", "output: Tout", AngleGradient);
const OpRegistrar kComplexAbs =
    PartOp<ComplexAbsFn>("ComplexAbs", "x: T", "y: Tout", ComplexAbsGradient);

LOCKSTEP_OP("Conj")
    .Input("input: T")
    .Output("output: T")
    .Attr("T: {complex64, complex128} = DT_COMPLEX64")
    .Shape(UnchangedShape)
    .Gradient(ConjGradient)
    .InPlace(0, 0)
    .Kernels<LS_COMPLEX_TYPES>(kCpu,
                               []<class T>() { return Unary<ConjFn, T>(); });

// The float dtype of a complex one's parts and the other way round.
DType PartType(DType t) { return BaseOf(t) == kComplex128 ? kDouble : kFloat; }
Output Part(const Scope& scope, const char* op, const Input& x) {
  return scope.Op(op).In(x).Attr("Tout", PartType(x.dtype())).Out();
}

}  // namespace

namespace ops {

Output Complex(const Scope& scope, const Input& real, const Input& imag) {
  const DType t = BaseOf(real.is_value() ? imag.dtype() : real.dtype());
  return scope.Op("Complex")
      .InPair(real, imag)
      .Attr("Tout", t == kDouble ? kComplex128 : kComplex64)
      .Out();
}
Output Real(const Scope& scope, const Input& x) {
  return Part(scope, "Real", x);
}
Output Imag(const Scope& scope, const Input& x) {
  return Part(scope, "Imag", x);
}
Output ComplexAbs(const Scope& scope, const Input& x) {
  return Part(scope, "ComplexAbs", x);
}
Output Angle(const Scope& scope, const Input& x) {
  return Part(scope, "Angle", x);
}
Output Conj(const Scope& scope, const Input& x) {
  const Output in = x.Resolve(scope);
  return Conjugate(scope, in);
}

}  // namespace ops
}  // namespace lockstep
