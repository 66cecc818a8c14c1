// SPDX-License-Identifier: Apache-2.0

// Relu, Relu6, Elu, Selu, LeakyRelu, Softplus, Softsign and their gradient ops:
// y = f(x), element by element.   x: [...]  y: same shape
// The gradient at a kink is that of TensorFlow: Relu 0 at 0, LeakyRelu alpha.

#include "ops/math/elementwise.h"
#include "ops/math/math.h"
#include "ops/math/vector_math.h"
#include "ops/nn/activation_functors.h"
#include "ops/nn/nn.h"
#include "runtime/graph/gradients.h"

namespace lockstep {
namespace {

// Gradient rule of f whose gradient op `kOp` reads dy and f's output.
template <const char* kOp>
Status ByOutput(GradContext& g) {
  return g.SetDx(0, g.scope().Op(kOp).In(g.dy(0)).In(g.y(0)).Out());
}
// The same, reading f's input.
template <const char* kOp>
Status ByInput(GradContext& g) {
  return g.SetDx(0, g.scope().Op(kOp).In(g.dy(0)).In(g.x(0)).Out());
}
// Of gradient ops that are linear in dy and piecewise constant in the other.
template <const char* kOp>
Status LinearGrad(GradContext& g) {
  return g.SetDx(0, g.scope().Op(kOp).In(g.dy(0)).In(g.x(1)).Out());
}
// Of EluGrad and SeluGrad: also d/dy of (y + c) dy where y < 0.
template <const char* kOp>
Status ExpGrad(GradContext& g) {
  const Scope& s = g.scope();
  LS_RETURN_IF_ERROR(LinearGrad<kOp>(g));
  const Output product = ops::Mul(s, g.dy(0), g.x(0));
  const Output negative = ops::Less(s, g.x(1), 0.0f);
  return g.SetDx(1, ops::SelectV2(s, negative, product, 0.0f));
}
// dy / (1 + |x|)^2 by dy and by x.
Status SoftsignGradGradient(GradContext& g) {
  const Scope& s = g.scope();
  const Output x = g.x(1);
  const Output by_dy = s.Op("SoftsignGrad").In(g.dy(0)).In(x).Out();
  LS_RETURN_IF_ERROR(g.SetDx(0, by_dy));
  const Output slope = ops::RealDiv(s, ops::Mul(s, ops::Sign(s, x), -2.0f),
                                    ops::Add(s, ops::Abs(s, x), 1.0f));
  return g.SetDx(1, ops::Mul(s, ops::Mul(s, by_dy, g.x(0)), slope));
}
// dy sigmoid(x) by dy and by x.
Status SoftplusGradGradient(GradContext& g) {
  const Scope& s = g.scope();
  const Output x = g.x(1);
  const Output by_dy = s.Op("SoftplusGrad").In(g.dy(0)).In(x).Out();
  LS_RETURN_IF_ERROR(g.SetDx(0, by_dy));
  const Output rest = ops::Sub(s, 1.0f, ops::Sigmoid(s, x));
  return g.SetDx(1, ops::Mul(s, ops::Mul(s, by_dy, g.x(0)), rest));
}

constexpr char kReluGrad[] = "ReluGrad", kRelu6Grad[] = "Relu6Grad",
               kEluGrad[] = "EluGrad", kSeluGrad[] = "SeluGrad",
               kSoftplusGrad[] = "SoftplusGrad",
               kSoftsignGrad[] = "SoftsignGrad";

#define LS_ACTIVATION(NAME, TYPES) \
  LOCKSTEP_OP(NAME)                \
      .Input("features: T")        \
      .Output("activations: T")    \
      .Attr("T: " TYPES)           \
      .Shape(UnchangedShape)       \
      .InPlace(0, 0)
#define LS_ACTIVATION_GRAD(NAME, SECOND, TYPES) \
  LOCKSTEP_OP(NAME)                             \
      .Input("gradients: T")                    \
      .Input(SECOND ": T")                      \
      .Output("backprops: T")                   \
      .Attr("T: " TYPES)                        \
      .Shape(SameShapes)                        \
      .InPlace(0, 0)

LS_ACTIVATION("Relu", "realnumbertype")
    .Gradient(ByOutput<kReluGrad>)
    .Kernels<LS_REAL_TYPES>(kCpu, []<class T>() { return Unary<ReluFn, T>(); });
LS_ACTIVATION_GRAD("ReluGrad", "features", "realnumbertype")
    .Gradient(LinearGrad<kReluGrad>)
    .Kernels<LS_REAL_TYPES>(kCpu,
                            []<class T>() { return Binary<ReluGradFn, T>(); });
LS_ACTIVATION("Relu6", "realnumbertype")
    .Gradient(ByOutput<kRelu6Grad>)
    .Kernels<LS_REAL_TYPES>(kCpu,
                            []<class T>() { return Unary<Relu6Fn, T>(); });
LS_ACTIVATION_GRAD("Relu6Grad", "features", "realnumbertype")
    .Gradient(LinearGrad<kRelu6Grad>)
    .Kernels<LS_REAL_TYPES>(kCpu,
                            []<class T>() { return Binary<Relu6GradFn, T>(); });

LS_ACTIVATION("Elu", "floattype")
    .Gradient(ByOutput<kEluGrad>)
    .Kernels<LS_FLOAT_TYPES>(kCpu,
                             []<class T>() { return VectorUnary<EluFn, T>(); });
LS_ACTIVATION_GRAD("EluGrad", "outputs", "floattype")
    .Gradient(ExpGrad<kEluGrad>)
    .Kernels<LS_FLOAT_TYPES>(kCpu,
                             []<class T>() { return Binary<EluGradFn, T>(); });
LS_ACTIVATION("Selu", "floattype")
    .Gradient(ByOutput<kSeluGrad>)
    .Kernels<LS_FLOAT_TYPES>(kCpu, []<class T>() {
      return VectorUnary<SeluFn, T>();
    });
LS_ACTIVATION_GRAD("SeluGrad", "outputs", "floattype")
    .Gradient(ExpGrad<kSeluGrad>)
    .Kernels<LS_FLOAT_TYPES>(kCpu,
                             []<class T>() { return Binary<SeluGradFn, T>(); });

LS_ACTIVATION("Softplus", "floattype")
    .Gradient(ByInput<kSoftplusGrad>)
    .Kernels<LS_FLOAT_TYPES>(kCpu, []<class T>() {
      return VectorUnary<SoftplusFn, T>();
    });
LS_ACTIVATION_GRAD("SoftplusGrad", "features", "floattype")
    .Gradient(SoftplusGradGradient)
    .Kernels<LS_FLOAT_TYPES>(kCpu, []<class T>() {
      return Binary<SoftplusGradFn, T>();
    });
LS_ACTIVATION("Softsign", "floattype")
    .Gradient(ByInput<kSoftsignGrad>)
    .Kernels<LS_FLOAT_TYPES>(kCpu,
                             []<class T>() { return Unary<SoftsignFn, T>(); });
LS_ACTIVATION_GRAD("SoftsignGrad", "features", "floattype")
    .Gradient(SoftsignGradGradient)
    .Kernels<LS_FLOAT_TYPES>(kCpu, []<class T>() {
      return Binary<SoftsignGradFn, T>();
    });

// LeakyRelu and LeakyReluGrad have an attribute, kept in the kernel's state.
Status LeakyPrepare(PrepareContext& p) {
  p.MakeState<float>(p.Attr<float>("alpha"));
  return Ok();
}
template <class T>
LS_SIMD_CLONES void LeakyRange(T* out, const T* value, const T* sign,
                               float alpha, int64_t n) {
  using V = ValueType<T>;
  for (int64_t i = 0; i < n; ++i) {
    const V v = value[i], s = sign[i];
    out[i] = T(s > 0 ? v : v * V(alpha));
  }
}
// Both are "value, scaled by alpha where the last input is not positive".
template <class T>
Status LeakyRun(KernelContext& k) {
  const T* value = k.in<T>(0);
  const T* sign = k.in<T>(k.num_inputs() - 1);
  T* out = k.out<T>(0);
  const float alpha = k.state<float>();
  ParallelFor(k.output(0).NumElements(), kCheapGrain,
              [&](int64_t begin, int64_t end) {
                LeakyRange<T>(out + begin, value + begin, sign + begin, alpha,
                              end - begin);
              });
  return Ok();
}
Output LeakyReluGrad(GradContext& g, Output dy, Output features) {
  return g.scope()
      .Op("LeakyReluGrad")
      .In(dy)
      .In(features)
      .Attr("alpha", g.Attr<float>("alpha"))
      .Out();
}
Status LeakyReluGradient(GradContext& g) {
  return g.SetDx(0, LeakyReluGrad(g, g.dy(0), g.x(0)));
}
Status LeakyReluGradGradient(GradContext& g) {
  return g.SetDx(0, LeakyReluGrad(g, g.dy(0), g.x(1)));
}

LS_ACTIVATION("LeakyRelu", "floattype = DT_FLOAT")
    .Attr("alpha: float = 0.2")
    .Gradient(LeakyReluGradient)
    .Kernels<LS_FLOAT_TYPES>(kCpu, []<class T>() {
      return KernelDef{LeakyRun<T>, LeakyPrepare};
    });
LS_ACTIVATION_GRAD("LeakyReluGrad", "features", "floattype = DT_FLOAT")
    .Attr("alpha: float = 0.2")
    .Gradient(LeakyReluGradGradient)
    .Kernels<LS_FLOAT_TYPES>(kCpu, []<class T>() {
      return KernelDef{LeakyRun<T>, LeakyPrepare};
    });

}  // namespace

Output ops::Relu(const Scope& scope, const Input& features) {
  return scope.Op("Relu").In(features).Out();
}
Output ops::Relu6(const Scope& scope, const Input& features) {
  return scope.Op("Relu6").In(features).Out();
}
Output ops::Elu(const Scope& scope, const Input& features) {
  return scope.Op("Elu").In(features).Out();
}
Output ops::Selu(const Scope& scope, const Input& features) {
  return scope.Op("Selu").In(features).Out();
}
Output ops::LeakyRelu(const Scope& scope, const Input& features, float alpha) {
  return scope.Op("LeakyRelu").In(features).Attr("alpha", alpha).Out();
}
Output ops::Softplus(const Scope& scope, const Input& features) {
  return scope.Op("Softplus").In(features).Out();
}
Output ops::Softsign(const Scope& scope, const Input& features) {
  return scope.Op("Softsign").In(features).Out();
}

}  // namespace lockstep
