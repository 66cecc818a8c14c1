// SPDX-License-Identifier: Apache-2.0

// The dense updates: one element of the variable and its slots a thread.
//   variable, slots, gradient: [...]   hyper-parameters: [], on the device too,
//   so that a learning rate that is computed there is never waited for

#include "ops/math/gpu_float16.h"
#include "ops/state/variable_input.h"
#include "ops/training/gpu.h"
#include "ops/training/rules.h"

namespace lockstep::gpu {
namespace {

constexpr int kMostHyper = 8;

struct ApplyState {
  int slots = 0, gradient = -1;
  int hyper[kMostHyper] = {};
  bool is_integer[kMostHyper] = {};  // int64, not the variable's type
  int num_hyper = 0;
  ApplyFlags flags;
};

struct HyperPointers {
  const void* data[kMostHyper] = {};
  bool is_integer[kMostHyper] = {};
  int count = 0;
};

Status CheckVariables(KernelContext& k, const ApplyState& s, DType dtype) {
  const Shape& gradient = k.input(s.gradient).shape();
  for (int i = 0; i <= s.slots; ++i) {
    const Variable& v = k.variable(i);
    if (v.dtype() != dtype || v.value().shape() != gradient) {
      return InvalidArgument("variable '", v.name(), "' is ",
                             DTypeName(v.dtype()), " ", v.value().shape(),
                             ", the gradient ", DTypeName(dtype), " ",
                             gradient);
    }
  }
  return Ok();
}

template <template <class> class RuleOf>
struct ApplyOf {
  template <class T>
  static Status Run(KernelContext& k) {
    const ApplyState& s = k.state<ApplyState>();
    LS_RETURN_IF_ERROR(CheckVariables(k, s, DTypeOf<T>::value));
    HyperPointers h;
    h.count = s.num_hyper;
    for (int i = 0; i < s.num_hyper; ++i) {
      h.data[i] = k.input(s.hyper[i]).data();
      h.is_integer[i] = s.is_integer[i];
    }
    return Launch<RuleOf<ArithmeticType<T>>, T>(k, s, h);
  }

  template <class Rule, class T>
  static Status Launch(KernelContext& k, const ApplyState& s,
                       const HyperPointers& h) {
    using A = ArithmeticType<T>;
    constexpr int kValues = Rule::kSlots + 1;
    T* values[kValues];
    for (int j = 0; j < kValues; ++j)
      values[j] = k.variable(j).template data<T>();
    T* v0 = values[0];
    T* v1 = values[kValues > 1 ? 1 : 0];
    T* v2 = values[kValues > 2 ? 2 : 0];
    T* v3 = values[kValues > 3 ? 3 : 0];
    const T* gradient = k.in<T>(s.gradient);
    const ApplyFlags flags = s.flags;
    return Each(k, k.input(s.gradient).NumElements(), [=] LS_DEVICE(int64_t i) {
      A hyper[kMostHyper];
      for (int j = 0; j < h.count; ++j) {
        hyper[j] = h.is_integer[j]
                       ? static_cast<A>(*static_cast<const int64_t*>(h.data[j]))
                       : static_cast<A>(*static_cast<const T*>(h.data[j]));
      }
      const Rule rule(hyper, flags);
      T* const at[4] = {v0, v1, v2, v3};
      A v[kValues];
      for (int j = 0; j < kValues; ++j) {
        v[j] = static_cast<A>(at[j][i]);
      }
      rule(static_cast<A>(gradient[i]), v);
      for (int j = 0; j < kValues; ++j) at[j][i] = T(v[j]);
    });
  }
};

template <template <class> class RuleOf>
Status Apply(KernelContext& k) {
  return ForFloat<ApplyOf<RuleOf>>(
      k.input(k.state<ApplyState>().gradient).dtype(), k);
}

}  // namespace

Status PrepareApply(PrepareContext& p) {
  ApplyState& s = p.MakeState<ApplyState>();
  const std::vector<ArgDef>& inputs = p.def().inputs;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const int at = static_cast<int>(i);
    if (inputs[i].is_ref || inputs[i].type == kResource) {
      LS_RETURN_IF_ERROR(RequireVariable(p, at));
      s.slots = at;
    } else if (inputs[i].name == "grad" || inputs[i].name == "delta") {
      s.gradient = at;
    } else if (s.num_hyper < kMostHyper) {
      s.is_integer[s.num_hyper] = inputs[i].type == kInt64;
      s.hyper[s.num_hyper++] = at;
    }
  }
  s.flags.use_nesterov = GetOr(p.attrs(), "use_nesterov", false);
  s.flags.update_slots = GetOr(p.attrs(), "update_slots", false);
  s.flags.multiply_linear_by_lr =
      GetOr(p.attrs(), "multiply_linear_by_lr", false);
  return Ok();
}

#define LS_APPLY(Name) \
  Status Apply##Name(KernelContext& k) { return Apply<Name>(k); }
LS_APPLY(AdaMax)
LS_APPLY(Adadelta)
LS_APPLY(Adagrad)
LS_APPLY(AdagradDA)
LS_APPLY(AdagradV2)
LS_APPLY(Adam)
LS_APPLY(AdamWithAmsgrad)
LS_APPLY(AddSign)
LS_APPLY(CenteredRMSProp)
LS_APPLY(Ftrl)
LS_APPLY(FtrlV2)
LS_APPLY(GradientDescent)
LS_APPLY(KerasMomentum)
LS_APPLY(Momentum)
LS_APPLY(PowerSign)
LS_APPLY(ProximalAdagrad)
LS_APPLY(ProximalGradientDescent)
LS_APPLY(RMSProp)

}  // namespace lockstep::gpu
