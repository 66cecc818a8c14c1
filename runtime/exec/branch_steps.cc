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

Status MakeRoom(const Tensor& like, Tensor* out, Allocator* allocator) {
  const bool borrowed = out->defined() && !out->owns_memory() && out->data();
  const bool fits =
      out->dtype() == like.dtype() && out->shape() == like.shape();
  if (fits && (borrowed || out->unique())) return Ok();
  LS_ASSIGN_OR_RETURN(*out,
                      Tensor::Make(like.dtype(), like.shape(), allocator));
  return Ok();
}

Status CopyInto(const Tensor& from, Tensor* to) {
  LS_RETURN_IF_ERROR(MakeRoom(from, to));
  to->CopyFrom(from);
  return Ok();
}

Status CopyStep::Run(std::span<Tensor* const> inputs,
                     std::span<Tensor* const> outputs) {
  const Tensor& from = *inputs[0];
  for (Tensor* to : outputs) {
    LS_RETURN_IF_ERROR(MakeRoom(from, to, allocator_));
    if (IsPod(from.dtype())) {
      LS_RETURN_IF_ERROR(queue_.Copy(to->data(), from.data(), from.bytes()));
    } else {
      to->CopyFrom(from);
    }
  }
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
    LS_RETURN_IF_ERROR(MakeRoom(first_, outputs[1]));
    outputs[1]->flat<int32_t>()[0] = static_cast<int32_t>(i);
    return Ok();
  }
  return ran_ ? Ok() : Internal("no input of a Merge has a value");
}

}  // namespace lockstep
