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
constexpr int kMostValues = 4;  // a variable and its slots
// Updates of a launch, and elements of a group of threads.
constexpr int kMostTargets = 64;
constexpr int64_t kChunk = 4096;

struct ApplyState {
  int slots = 0, gradient = -1;
  int hyper[kMostHyper] = {};
  bool is_integer[kMostHyper] = {};  // int64, not the variable's type
  int num_hyper = 0;
  ApplyFlags flags;
  // The inputs of so many updates, one update's after the other.
  int inputs = 0, updates = 1;
  RunFn run = nullptr;  // of several, the update's
};

struct HyperPointers {
  const void* data[kMostHyper] = {};
  bool is_integer[kMostHyper] = {};
  int count = 0;
};

// What a launch updates; passed by value, as the parameters of a kernel.
template <class T>
struct Target {
  T* values[kMostValues];
  const T* gradient;
  int64_t size;
  int64_t first_chunk;
};
template <class T>
struct Targets {
  Target<T> at[kMostTargets] = {};
  int count = 0;
  int64_t chunks = 0;

  LS_HOST_DEVICE const Target<T>& Of(int64_t chunk) const {
    int low = 0, high = count;
    while (high - low > 1) {
      const int middle = (low + high) / 2;
      (at[middle].first_chunk <= chunk ? low : high) = middle;
    }
    return at[low];
  }
};

Status CheckVariables(KernelContext& k, const ApplyState& s, int first,
                      DType dtype) {
  const Shape& gradient = k.input(first + s.gradient).shape();
  for (int i = first; i <= first + s.slots; ++i) {
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
    HyperPointers h;
    h.count = s.num_hyper;
    for (int i = 0; i < s.num_hyper; ++i) {
      h.data[i] = k.input(s.hyper[i]).data();
      h.is_integer[i] = s.is_integer[i];
    }
    Targets<T> targets;
    for (int u = 0; u < s.updates; ++u) {
      LS_RETURN_IF_ERROR(Add(k, s, u * s.inputs, &targets));
      if (targets.count < kMostTargets && u + 1 < s.updates) continue;
      LS_RETURN_IF_ERROR(
          (Launch<RuleOf<ArithmeticType<T>>, T>(k, s.flags, h, targets)));
      targets.count = 0;
      targets.chunks = 0;
    }
    return Ok();
  }

  template <class T>
  static Status Add(KernelContext& k, const ApplyState& s, int first,
                    Targets<T>* targets) {
    LS_RETURN_IF_ERROR(CheckVariables(k, s, first, DTypeOf<T>::value));
    Target<T>& target = targets->at[targets->count];
    target.gradient = k.in<T>(first + s.gradient);
    target.size = k.input(first + s.gradient).NumElements();
    target.first_chunk = targets->chunks;
    for (int j = 0; j <= s.slots; ++j) {
      target.values[j] = k.variable(first + j).template data<T>();
    }
    if (target.size == 0) return Ok();
    ++targets->count;
    targets->chunks += (target.size + kChunk - 1) / kChunk;
    return Ok();
  }

  template <class Rule, class T>
  static Status Launch(KernelContext& k, const ApplyFlags& flags,
                       const HyperPointers& h, const Targets<T>& targets) {
    using A = ArithmeticType<T>;
    constexpr int kValues = Rule::kSlots + 1;
    static_assert(kValues <= kMostValues);
    return Groups(
        k, targets.chunks, kChunk,
        [=] LS_DEVICE(int64_t chunk, const Group& group) {
          A hyper[kMostHyper];
          for (int j = 0; j < h.count; ++j) {
            hyper[j] =
                h.is_integer[j]
                    ? static_cast<A>(*static_cast<const int64_t*>(h.data[j]))
                    : static_cast<A>(*static_cast<const T*>(h.data[j]));
          }
          const Rule rule(hyper, flags);
          const Target<T>& target = targets.Of(chunk);
          const int64_t begin = (chunk - target.first_chunk) * kChunk;
          const int64_t rest = target.size - begin;
          const int64_t end = begin + (rest < kChunk ? rest : kChunk);
          for (int64_t i = begin + group.lane(); i < end; i += group.width()) {
            A v[kValues];
            for (int j = 0; j < kValues; ++j) {
              v[j] = static_cast<A>(target.values[j][i]);
            }
            rule(static_cast<A>(target.gradient[i]), v);
            for (int j = 0; j < kValues; ++j) target.values[j][i] = T(v[j]);
          }
        });
  }
};

template <template <class> class RuleOf>
Status Apply(KernelContext& k) {
  return ForFloat<ApplyOf<RuleOf>>(
      k.input(k.state<ApplyState>().gradient).dtype(), k);
}

// Which inputs of an update are what.
Status FindInputs(const OpDef& def, const AttrMap& attrs, ApplyState* s) {
  for (size_t i = 0; i < def.inputs.size(); ++i) {
    const ArgDef& input = def.inputs[i];
    const int at = static_cast<int>(i);
    if (input.is_ref || input.type == kResource) {
      s->slots = at;
    } else if (input.name == "grad" || input.name == "delta") {
      s->gradient = at;
    } else if (s->num_hyper < kMostHyper) {
      s->is_integer[s->num_hyper] = input.type == kInt64;
      s->hyper[s->num_hyper++] = at;
    }
  }
  if (s->gradient < 0 || s->slots >= kMostValues) {
    return Internal(def.name, " is no update of a variable on a GPU");
  }
  s->inputs = static_cast<int>(def.inputs.size());
  s->flags.use_nesterov = GetOr(attrs, "use_nesterov", false);
  s->flags.update_slots = GetOr(attrs, "update_slots", false);
  s->flags.multiply_linear_by_lr = GetOr(attrs, "multiply_linear_by_lr", false);
  return Ok();
}

Status RequireVariables(PrepareContext& p, const ApplyState& s) {
  for (int u = 0; u < s.updates; ++u) {
    for (int i = 0; i <= s.slots; ++i) {
      LS_RETURN_IF_ERROR(RequireVariable(p, u * s.inputs + i));
    }
  }
  return Ok();
}

}  // namespace

Status PrepareApply(PrepareContext& p) {
  ApplyState& s = p.MakeState<ApplyState>();
  LS_RETURN_IF_ERROR(FindInputs(p.def(), p.attrs(), &s));
  return RequireVariables(p, s);
}

#define LS_EACH_RULE(DO)      \
  DO(AdaMax)                  \
  DO(Adadelta)                \
  DO(Adagrad)                 \
  DO(AdagradDA)               \
  DO(AdagradV2)               \
  DO(Adam)                    \
  DO(AdamWithAmsgrad)         \
  DO(AddSign)                 \
  DO(CenteredRMSProp)         \
  DO(Ftrl)                    \
  DO(FtrlV2)                  \
  DO(GradientDescent)         \
  DO(KerasMomentum)           \
  DO(Momentum)                \
  DO(PowerSign)               \
  DO(ProximalAdagrad)         \
  DO(ProximalGradientDescent) \
  DO(RMSProp)

#define LS_APPLY(Name) \
  Status Apply##Name(KernelContext& k) { return Apply<Name>(k); }
LS_EACH_RULE(LS_APPLY)

Status PrepareGroupedUpdate(PrepareContext& p) {
  ApplyState& s = p.MakeState<ApplyState>();
  const auto& ref = p.Attr<FunctionRef>("update");
  const OpDef* update = OpRegistry::Global().Find(ref.name);
  if (update == nullptr || ref.attrs == nullptr) {
    return NotFound("no op ", ref.name);
  }
#define LS_RULE(Name)                                                   \
  if (ref.name == "Apply" #Name || ref.name == "ResourceApply" #Name) { \
    s.run = Apply##Name;                                                \
  }
  LS_EACH_RULE(LS_RULE)
  if (s.run == nullptr) return Unimplemented(ref.name, " on a GPU");
  LS_RETURN_IF_ERROR(FindInputs(*update, *ref.attrs, &s));
  s.updates = p.num_inputs() / s.inputs;
  if (s.updates * s.inputs != p.num_inputs() || s.updates == 0) {
    return InvalidArgument(p.num_inputs(), " inputs for updates by ", ref.name,
                           ", which has ", s.inputs);
  }
  return RequireVariables(p, s);
}
Status GroupedUpdate(KernelContext& k) { return k.state<ApplyState>().run(k); }

}  // namespace lockstep::gpu
