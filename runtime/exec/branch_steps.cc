// SPDX-License-Identifier: Apache-2.0
#include "runtime/exec/branch_steps.h"

namespace lockstep {

Status ConditionStep::Run(std::span<Tensor* const> inputs,
                          std::span<Tensor* const> outputs) {
  (void)outputs;
  const Tensor& predicate = *inputs[0];
  if (predicate.NumElements() != 1) {
    return InvalidArgument("the predicate must be a scalar, has shape ",
                           predicate.shape());
  }
  const bool value = predicate.scalar<bool>();
  *when_false_ = !value;
  *when_true_ = value;
  return Ok();
}

Status CheckInitialized(const Variable& variable) {
  if (variable.initialized()) return Ok();
  return FailedPrecondition("Attempting to use uninitialized value ",
                            variable.name(),
                            ": run its initializer or restore it first");
}

Status CopyInto(const Tensor& from, Tensor* to) {
  const bool borrowed = to->defined() && !to->owns_memory() && to->data();
  const bool fits = to->dtype() == from.dtype() && to->shape() == from.shape();
  if (!(fits && (borrowed || to->unique()))) {
    LS_ASSIGN_OR_RETURN(*to, Tensor::Make(from.dtype(), from.shape()));
  }
  to->CopyFrom(from);
  return Ok();
}

Status MergeStep::Run(std::span<Tensor* const> inputs,
                      std::span<Tensor* const> outputs) {
  for (size_t i = 0; i < inputs_.size(); ++i) {
    if (!Holds(inputs_[i].only_if)) continue;
    if (const Variable* v = inputs_[i].variable) {
      LS_RETURN_IF_ERROR(CheckInitialized(*v));
    }
    if (ran_) *ran_ = 1;
    LS_RETURN_IF_ERROR(CopyInto(*inputs[i], outputs[0]));
    return CopyInto(Tensor(static_cast<int32_t>(i)), outputs[1]);
  }
  return ran_ ? Ok() : Internal("no input of a Merge has a value");
}

}  // namespace lockstep
