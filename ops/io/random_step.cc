// SPDX-License-Identifier: Apache-2.0
// _RandomStep, _SetRandomStep: the session's count of runs that draw random
// numbers, read and written by savers.
#include "runtime/op/kernel.h"
#include "runtime/op/shape_context.h"

namespace lockstep {
namespace {

Status GetCpu(KernelContext& k) {
  *k.out<int64_t>(0) = static_cast<int64_t>(k.resources().random_step());
  return Ok();
}

LOCKSTEP_OP("_RandomStep")
    .Output("step: int64")
    .Shape(ScalarShape)
    .Stateful()
    .NoGradient()
    .Kernel(kCpu, {GetCpu});

Status SetCpu(KernelContext& k) {
  if (k.input(0).NumElements() != 1 || *k.in<int64_t>(0) < 0) {
    return InvalidArgument("a random step is one number, not negative; got ",
                           k.input(0).ToString());
  }
  k.resources().set_random_step(static_cast<uint64_t>(*k.in<int64_t>(0)));
  return Ok();
}

LOCKSTEP_OP("_SetRandomStep")
    .Input("step: int64")
    .Shape(NoOutputs)
    .Stateful()
    .NoGradient()
    .Kernel(kCpu, {SetCpu});

}  // namespace
}  // namespace lockstep
