// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the reducing ops share: shape rule, preparation, kernel, the identity
// test and pieces of their gradients. Input 0 is reduced over the axes that
// are the value of input 1, a scalar or a vector.

#include "ops/math/elementwise.h"
#include "ops/reduce/reduce_plan.h"
#include "runtime/graph/gradients.h"
#include "runtime/op/kernel.h"
#include "runtime/op/shape_context.h"

namespace lockstep {

Status ReductionShape(ShapeContext& c);
// 0 when nothing is reduced: no axes, or axes of size 1 that are kept.
int ReducesNothing(ShapeContext& c);
Result<ReducePlan> MakeReducePlan(const PrepareContext& c);

// The shape of g.y(0) with the reduced axes kept, as an int32 vector.
Output KeptShape(GradContext& g);
// `dy`, shaped like g.y(0), under that shape.
Output WithKeptAxes(GradContext& g, Output dy);

template <class M>
Status PrepareReduction(PrepareContext& c) {
  LS_ASSIGN_OR_RETURN(ReducePlan plan, MakeReducePlan(c));
  c.RequestScratch(plan.ScratchBytes(sizeof(typename M::Acc)));
  c.MakeState<ReducePlan>(plan);
  return Ok();
}

template <class M, class T>
Status RunReduction(KernelContext& k) {
  k.state<ReducePlan>().Run<M>(k.in<T>(0), k.out<T>(0), k.scratch());
  return Ok();
}

// How the kernel's elements are taken in elsewhere.
template <class M, class T>
void AddRuleOfReduction() {
  using Acc = typename M::Acc;
  static_assert(sizeof(Acc) <= kMaxAccumulatorBytes);
  using R = decltype(M::Finish(Acc(), 0));
  AddReduceRule(
      RunReduction<M, T>,
      {.bytes = sizeof(Acc),
       .begin =
           [](void* lanes) {
             std::fill_n(static_cast<Acc*>(lanes), kReduceLanes, M::Init());
           },
       .step =
           [](const void* x, int64_t n, void* lanes) {
             detail::StepLanes<M, T>(static_cast<const T*>(x), n,
                                     static_cast<Acc*>(lanes));
           },
       .end =
           [](void* lanes, void* acc) {
             *static_cast<Acc*>(acc) = M::Merge(
                 M::Init(), detail::MergeLanes<M>(static_cast<Acc*>(lanes)));
           },
       .merge =
           [](void* acc, const void* more) {
             auto& sum = *static_cast<Acc*>(acc);
             sum = M::Merge(sum, *static_cast<const Acc*>(more));
           },
       .finish =
           [](const void* acc, int64_t count, void* y) {
             *static_cast<R*>(y) =
                 M::Finish(*static_cast<const Acc*>(acc), count);
           }});
}

template <class M, class T>
KernelDef Reduction() {
  AddRuleOfReduction<M, T>();
  return {RunReduction<M, T>, PrepareReduction<M>, {"reduction_indices"}};
}

// The registration of a reduction, but for its kernels: `types` are attribute
// T's, null for bool; `gradient` null for none.
OpBuilder ReductionOp(const char* name, const char* types, GradientFn gradient);
// A node of such an op.
inline Output Reduce(const Scope& scope, const char* op, const Input& x,
                     const Input& axes, bool keep_dims) {
  return scope.Op(op).In(x).In(axes).Attr("keep_dims", keep_dims).Out();
}

// Sums of floats are accumulated in double, of integers in their own width.
template <class T>
using SumType = std::conditional_t<
    kIsFloat<T>, double,
    std::conditional_t<kIsComplex<T>, std::complex<double>, ArithmeticType<T>>>;

template <class T>
struct SumMonoid {
  using Acc = SumType<T>;
  static Acc Init() { return Acc{0}; }
  static Acc Step(Acc a, ValueType<T> x) { return a + static_cast<Acc>(x); }
  static Acc Merge(Acc a, Acc b) { return a + b; }
  static T Finish(Acc a, int64_t) {
    if constexpr (kIsFloat16<T>) {
      return T(static_cast<float>(a));
    } else {
      return static_cast<T>(a);
    }
  }
};

}  // namespace lockstep
