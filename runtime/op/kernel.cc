// SPDX-License-Identifier: Apache-2.0
#include "runtime/op/kernel.h"

namespace lockstep {

Status KernelContext::AllocateOutput(int i, const Shape& shape) {
  Tensor& out = output(i);
  // A static output keeps its place in the arena.
  if (out.data() != nullptr && !out.owns_memory()) {
    if (out.shape() == shape) return Ok();
    return Internal("node '", node_name_, "': output ", i, " was planned as ",
                    out.shape(), ", the kernel made ", shape);
  }
  LS_ASSIGN_OR_RETURN(out, Tensor::Make(out.dtype(), shape, allocator_));
  return Ok();
}

}  // namespace lockstep
