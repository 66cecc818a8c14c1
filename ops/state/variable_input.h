// SPDX-License-Identifier: Apache-2.0
#pragma once

// For kernels of ops that read or write variables.

#include "runtime/op/kernel.h"

namespace lockstep {

// INVALID_ARGUMENT unless input i leads to a variable: a handle that is fed, or
// is of something else, does not.
inline Status RequireVariable(PrepareContext& p, int i) {
  if (p.variable(i) != nullptr) return Ok();
  return InvalidArgument("input ", i, " '",
                         p.def().inputs[static_cast<size_t>(i)].name,
                         "' is not the handle of a variable in this graph");
}
inline Status RequireVariable(PrepareContext& p) {
  return RequireVariable(p, 0);
}

// `value`, or a copy of it when it is memory of the variable, for kernels that
// would overwrite what they have yet to read.
inline Tensor ApartFrom(const Tensor& value, const Tensor& variable) {
  const char* v = static_cast<const char*>(variable.data());
  const char* at = static_cast<const char*>(value.data());
  return at >= v && at < v + variable.bytes() ? value.Clone() : value;
}

}  // namespace lockstep
