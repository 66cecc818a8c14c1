// SPDX-License-Identifier: Apache-2.0
#pragma once

// The functor that computes an element of an op, by its name in files that the
// compilers for GPUs read too: "AddFn" of ops/math/functors.h. A % in it stands
// for the type of the result. What has none is not fused on a GPU.
// GpuKernels::Element() registers them, before main; read by any thread.

#include <string>

namespace lockstep {

struct OpDef;

void AddElementFunctor(const std::string& op, std::string functor);
// Null when there is none.
const std::string* ElementFunctorOf(const OpDef& def);

}  // namespace lockstep
