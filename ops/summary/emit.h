// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the summary ops share.

#include <string>
#include <utility>

#include "runtime/io/summary.h"
#include "runtime/op/kernel.h"

namespace lockstep::detail {

// Input `i` as the tag it has to be: one string.
inline Result<std::string> TagOf(const KernelContext& k, int i) {
  if (!k.input(i).shape().IsScalar()) {
    return InvalidArgument("tag must be scalar, has shape ",
                           k.input(i).shape());
  }
  return k.input(i).scalar<std::string>();
}

// The op's one output: the summary, serialized.
inline Status Emit(KernelContext& k, const Summary& summary) {
  k.SetOutput(0, Tensor(summary.Serialize()));
  return Ok();
}

}  // namespace lockstep::detail
