// SPDX-License-Identifier: Apache-2.0
#pragma once

// The files of a kernel's session: its Env service, else the real ones.

#include "runtime/core/env.h"
#include "runtime/op/kernel.h"

namespace lockstep::detail {

inline Env& EnvOf(KernelContext& k) {
  Env* env = k.resources().Service<Env>();
  return env ? *env : *Env::Default();
}

}  // namespace lockstep::detail
