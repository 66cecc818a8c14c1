// SPDX-License-Identifier: Apache-2.0

// Cast: to another dtype, element by element.
//   x: SrcT (numbers, bool)   y: DstT, same shape; of complex numbers the real
//   part
// What integers make of floats is said in move_functors.h.
// Gradient: dy cast back, between floats only.

#include "ops/math/elementwise.h"
#include "ops/math/math.h"
#include "ops/math/move_functors.h"
#include "runtime/graph/gradients.h"
#include "runtime/op/shape_context.h"

namespace lockstep {
namespace {

template <class D, class S>
LS_SIMD_CLONES void CastRunSimd(const S* x, D* y, int64_t n) {
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) y[i] = CastTo<D>::template Apply<S>(x[i]);
}

template <class T>
inline constexpr bool kOften =
    detail::kVectorized<T> || std::is_same_v<T, bool> ||
    std::is_same_v<T, uint8_t>;

template <class D, class S>
inline constexpr bool kOfFloat16 = (kIsFloat16<D> &&
                                    std::is_same_v<S, float>) ||
                                   (std::is_same_v<D, float> && kIsFloat16<S>);

template <class D, class S>
void CastRun(const void* from, void* to, int64_t begin, int64_t end) {
  const S* x = static_cast<const S*>(from);
  D* y = static_cast<D*>(to);
  if constexpr (kOfFloat16<D, S>) {
    Convert(x + begin, y + begin, end - begin);
  } else if constexpr (kOften<S> && kOften<D>) {
    CastRunSimd<D, S>(x + begin, y + begin, end - begin);
  } else {
    for (int64_t i = begin; i < end; ++i)
      y[i] = CastTo<D>::template Apply<S>(x[i]);
  }
}

using CastFn = void (*)(const void*, void*, int64_t, int64_t);

template <class D, class S>
void CastElements(const void* x, const void*, const void*, void* y, int64_t n) {
  CastRun<D, S>(x, y, 0, n);
}

struct CastFunctions {
  CastFn run = nullptr;
  ElementFn elements = nullptr;
};

template <class F>
Status VisitNumber(DType t, const F& f) {
  if (t == kComplex64) return f(std::type_identity<std::complex<float>>());
  if (t == kComplex128) return f(std::type_identity<std::complex<double>>());
  return VisitDType(t, f);
}

Result<CastFunctions> FunctionsFor(DType from, DType to) {
  CastFunctions found;
  LS_RETURN_IF_ERROR(VisitNumber(from, [&]<class S>(std::type_identity<S>) {
    return VisitNumber(to, [&]<class D>(std::type_identity<D>) {
      found = {CastRun<D, S>, CastElements<D, S>};
      return Ok();
    });
  }));
  return found;
}

ElementFn ElementsOf(const AttrMap& attrs) {
  const Result<CastFunctions> found = FunctionsFor(
      GetOr(attrs, "SrcT", kInvalidType), GetOr(attrs, "DstT", kInvalidType));
  return found.ok() ? found->elements : nullptr;
}

Status PrepareCast(PrepareContext& c) {
  LS_ASSIGN_OR_RETURN(c.MakeState<CastFunctions>(),
                      FunctionsFor(c.input_dtype(0), c.output_dtype(0)));
  return Ok();
}

Status CastCpu(KernelContext& k) {
  const CastFunctions& state = k.state<CastFunctions>();
  const void* x = k.input(0).data();
  void* y = k.output(0).data();
  ParallelFor(k.input(0).NumElements(), kCheapGrain,
              [&](int64_t begin, int64_t end) { state.run(x, y, begin, end); });
  return Ok();
}

Status CastGradient(GradContext& g) {
  const DType from = BaseOf(g.x(0).dtype());
  const auto differentiable = [](DType t) {
    return IsFloating(t) || IsComplex(t);
  };
  if (!differentiable(from) || !differentiable(g.y(0).dtype())) return Ok();
  return g.SetDx(0, ops::Cast(g.scope(), g.dy(0), from));
}

int SameType(ShapeContext& c) {
  return c.Attr<DType>("SrcT") == c.Attr<DType>("DstT") ? 0 : -1;
}

LOCKSTEP_OP("Cast")
    .Input("x: SrcT")
    .Output("y: DstT")
    .Attr("SrcT: type")
    .Attr("DstT: type")
    .Attr("Truncate: bool = false")
    .Shape(UnchangedShape)
    .Gradient(CastGradient)
    .IdentityWhen(SameType)
    .Kernel(kCpu, (AddElementRule(CastCpu, {.choose = ElementsOf}),
                   KernelDef{CastCpu, PrepareCast}));

}  // namespace

namespace ops {

Output Cast(const Scope& scope, const Input& x, DType to) {
  return scope.Op("Cast").In(x).Attr("DstT", to).Out();
}

}  // namespace ops
}  // namespace lockstep
