// SPDX-License-Identifier: Apache-2.0

// _GroupedUpdate: several updates of variables (Apply* ops) by one rule, at
// once.
//   inputs: those of the updates, one update's after the other
//   update: the op and the attributes of each; nodes: the updates' names
// Brought in for updates on a GPU (runtime/exec/group_updates.h), where it is
// one launch. The CPU's kernel is for virtual ones.

#include <atomic>

#include "ops/training/apply.h"
#include "runtime/core/threads.h"
#include "runtime/op/inner_update.h"

namespace lockstep {
namespace {

using Updates = std::vector<InnerUpdate>;

Status PrepareGrouped(PrepareContext& p) {
  Updates& updates = p.MakeState<Updates>();
  const auto& ref = p.Attr<FunctionRef>("update");
  for (int first = 0; first < p.num_inputs();) {
    LS_ASSIGN_OR_RETURN(InnerUpdate update, InnerUpdate::Find(ref, first));
    LS_RETURN_IF_ERROR(update.Prepare(p).WithContext(ref.name));
    first += update.count();
    updates.push_back(std::move(update));
  }
  return Ok();
}

Status RunGrouped(KernelContext& k) {
  for (const InnerUpdate& u : k.state<Updates>()) {
    const Tensor& gradient = k.input(u.gradient());
    const Variable& variable = k.variable(u.first());
    if (variable.value().shape() != gradient.shape()) {
      return InvalidArgument("variable '", variable.name(), "' has shape ",
                             variable.value().shape(), ", its gradient ",
                             gradient.shape());
    }
    KernelContext inner = u.Context(k);
    const size_t width = DTypeSize(gradient.dtype());
    const char* const elements = static_cast<const char*>(gradient.data());
    std::atomic<bool> failed = false;
    Status status;
    ParallelFor(
        gradient.NumElements(), kApplyGrain, [&](int64_t begin, int64_t end) {
          Status done = u.Apply(inner, begin, end - begin,
                                elements + static_cast<size_t>(begin) * width);
          if (done.ok() || failed.exchange(true)) return;
          status = std::move(done);
        });
    LS_RETURN_IF_ERROR(status);
  }
  return Ok();
}

LOCKSTEP_OP("_GroupedUpdate")
    .Input("inputs: Tin")
    .Attr("Tin: list(type) >= 1")
    .Attr("update: func")
    .Attr("nodes: list(string) = []")
    .Shape(NoOutputs)
    .NoGradient()
    .Stateful()
    .Kernel(kCpu, {RunGrouped, PrepareGrouped});

}  // namespace
}  // namespace lockstep
