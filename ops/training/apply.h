// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the ops that update variables share: from the arithmetic of one element
// to ApplyX, ResourceApplyX and their sparse forms, which change the rows that
// `indices` number. For authors of ops.
//
//   template <class A> struct Momentum {           // A: float or double
//     static constexpr int kSlots = 1;
//     A lr, momentum;
//     Momentum(const A* h, const ApplyFlags&) : lr(h[0]), momentum(h[1]) {}
//     void operator()(A grad, A* v) const {        // v: variable, slots
//       v[1] = v[1] * momentum + grad;
//       v[0] -= v[1] * lr;
//     }
//   };
//   const ApplyOps<Momentum> kMomentum({.name = "Momentum",
//       .slots = {"accum"}, .inputs = {"lr", "grad", "momentum"}});

#include <array>
#include <vector>

#include "ops/array/axes.h"
#include "ops/math/elementwise.h"
#include "ops/training/rules.h"
#include "runtime/op/kernel.h"
#include "runtime/op/shape_context.h"

namespace lockstep {

// Elements of a variable that are worth a thread.
inline constexpr int64_t kApplyGrain = 8192;

// A family of update ops, in TensorFlow's names.
struct ApplySpec {
  const char* name;                // "Momentum": ApplyMomentum and so on
  std::vector<const char*> slots;  // the references behind the variable
  // The others in order: hyper-parameters (scalars of dtype T, or with their
  // type, "global_step: int64") and the gradient, "grad" or "delta". Sparse
  // forms have "grad" and "indices" in its place.
  std::vector<const char*> inputs;
  std::vector<const char*> attrs = {};
  bool references = true;  // there are forms for reference variables
  bool dense = true, sparse = true;
};

namespace detail {

inline constexpr int kMaxHyper = 8;

// Which of an op's inputs is what, and its attributes.
struct ApplyInputs {
  int grad = -1, indices = -1;  // -1: not sparse
  std::array<int, kMaxHyper> hyper{};
  int num_hyper = 0;
  ApplyFlags flags;
};

// The op without its kernels.
OpBuilder ApplyBuilder(const ApplySpec& spec, bool resource, bool sparse);
// Variables' dtype and shapes are only certain when the step runs.
Status CheckVariables(KernelContext& k, int slots, DType dtype);
// The gradient's shape, and for sparse forms that each index is one of a row.
Status CheckGradient(KernelContext& k, const ApplyInputs& in);

template <class Rule, class T>
LS_SIMD_CLONES void UpdateRange(const Rule& rule, T* const* values,
                                const T* grad, int64_t n) {
  using A = ArithmeticType<T>;
  constexpr int kValues = Rule::kSlots + 1;
  const Rule r = rule;
  T* p[kValues];
  for (int j = 0; j < kValues; ++j) p[j] = values[j];
    // Elements do not depend on each other, whichever arrays are the same.
#pragma GCC ivdep
  for (int64_t i = 0; i < n; ++i) {
    A v[kValues];
    for (int j = 0; j < kValues; ++j) v[j] = A(p[j][i]);
    r(A(grad[i]), v);
    for (int j = 0; j < kValues; ++j) p[j][i] = T(v[j]);
  }
}

template <class Rule, class T>
void UpdateAt(const Rule& rule, T* const* values, const T* grad, int64_t offset,
              int64_t n) {
  T* at[Rule::kSlots + 1];
  for (int j = 0; j <= Rule::kSlots; ++j) at[j] = values[j] + offset;
  UpdateRange<Rule, T>(rule, at, grad, n);
}

template <template <class> class RuleOf, class T>
RuleOf<ArithmeticType<T>> RuleFor(KernelContext& k, const ApplyInputs& in) {
  using A = ArithmeticType<T>;
  A hyper[kMaxHyper];
  for (int i = 0; i < in.num_hyper; ++i) {
    const Tensor& t = k.input(in.hyper[static_cast<size_t>(i)]);
    hyper[i] = t.dtype() == kInt64 ? static_cast<A>(t.scalar<int64_t>())
                                   : static_cast<A>(t.scalar<T>());
  }
  return {hyper, in.flags};
}

// KernelDef::update.
template <template <class> class RuleOf, class T>
Status ApplyUpdate(KernelContext& k, int64_t begin, int64_t count,
                   const void* grad) {
  using Rule = RuleOf<ArithmeticType<T>>;
  const ApplyInputs& in = k.state<ApplyInputs>();
  LS_RETURN_IF_ERROR(CheckVariables(k, Rule::kSlots, DTypeOf<T>::value));
  T* values[Rule::kSlots + 1];
  for (int j = 0; j <= Rule::kSlots; ++j) values[j] = k.variable(j).data<T>();
  UpdateAt<Rule, T>(RuleFor<RuleOf, T>(k, in), values,
                    static_cast<const T*>(grad), begin, count);
  return Ok();
}

template <template <class> class RuleOf, class T>
Status ApplyRun(KernelContext& k) {
  using Rule = RuleOf<ArithmeticType<T>>;
  const ApplyInputs& in = k.state<ApplyInputs>();
  LS_RETURN_IF_ERROR(CheckVariables(k, Rule::kSlots, DTypeOf<T>::value));
  LS_RETURN_IF_ERROR(CheckGradient(k, in));
  const Rule rule = RuleFor<RuleOf, T>(k, in);
  T* values[Rule::kSlots + 1];
  for (int j = 0; j <= Rule::kSlots; ++j) values[j] = k.variable(j).data<T>();
  const T* grad = k.in<T>(in.grad);
  if (in.indices < 0) {
    ParallelFor(k.input(in.grad).NumElements(), kApplyGrain,
                [&](int64_t begin, int64_t end) {
                  UpdateAt<Rule, T>(rule, values, grad + begin, begin,
                                    end - begin);
                });
    return Ok();
  }
  // One row after the other: equal indices are updated as often, in order.
  const Tensor& indices = k.input(in.indices);
  const Shape& shape = k.variable(0).value().shape();
  const int64_t width = DimProduct(shape, 1, shape.rank());
  for (int64_t i = 0; i < indices.NumElements(); ++i) {
    UpdateAt<Rule, T>(rule, values, grad + i * width, IntAt(indices, i) * width,
                      width);
  }
  return Ok();
}

Status ApplyPrepare(PrepareContext& p);

}  // namespace detail

// Registers the ops of a family, for all float types.
template <template <class> class RuleOf>
struct ApplyOps {
  explicit ApplyOps(const ApplySpec& spec) {
    for (const bool resource : {false, true}) {
      if (!resource && !spec.references) continue;
      if (spec.dense) {
        Add(detail::ApplyBuilder(spec, resource, false), []<class T>() {
          return KernelDef{.run = detail::ApplyRun<RuleOf, T>,
                           .prepare = detail::ApplyPrepare,
                           .update = detail::ApplyUpdate<RuleOf, T>};
        });
      }
      if (spec.sparse) {
        Add(detail::ApplyBuilder(spec, resource, true), []<class T>() {
          return KernelDef{.run = detail::ApplyRun<RuleOf, T>,
                           .prepare = detail::ApplyPrepare};
        });
      }
    }
  }

 private:
  template <class F>
  static void Add(OpBuilder op, F kernel) {
    op.Kernels<LS_FLOAT_TYPES>(kCpu, kernel);
    OpRegistrar registrar(op);
  }
};

}  // namespace lockstep
