// SPDX-License-Identifier: Apache-2.0
#pragma once

// StepRunner: a step that is more than a kernel call - its shapes are known
// only as it runs, it decides what runs, it runs functions. Internal to
// runtime/exec.

#include <span>

#include "runtime/core/tensor.h"

namespace lockstep {

class StepRunner {
 public:
  virtual ~StepRunner() = default;
  // `inputs` hold the operands, `outputs` receive the results. Errors do not
  // name the node: the caller adds it.
  virtual Status Run(std::span<Tensor* const> inputs,
                     std::span<Tensor* const> outputs) = 0;
};

}  // namespace lockstep
