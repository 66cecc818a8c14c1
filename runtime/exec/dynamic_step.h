// SPDX-License-Identifier: Apache-2.0
#pragma once

// DynamicStep: a step whose shapes are known only as it runs. It infers its
// output shapes from the operands it meets, takes memory from the heap, and
// prepares its kernel anew when shapes or deciding values have changed. Also
// how the planner evaluates a node on constants. Internal to runtime/exec.

#include <memory>
#include <span>
#include <vector>

#include "runtime/exec/binder.h"
#include "runtime/exec/step_runner.h"

namespace lockstep {

// Where and how a step runs.
struct StepHome {
  const Device* device = nullptr;
  const KernelDef* kernel = nullptr;  // null for alias nodes
  void* stream = nullptr;
  // For each output; null: the heap.
  std::vector<Allocator*> allocators = {};
  Allocator* scratch = nullptr;  // for scratch memory; null: the heap
};

class DynamicStep final : public StepRunner {
 public:
  // `node` must outlive the step. An alias node copies its input to each output
  // if `copy_alias` says so, else they share it.
  DynamicStep(const Node& node, StepHome home, std::vector<Variable*> variables,
              RunInfo* run, SessionResources* resources,
              bool copy_alias = false);

  Status Run(std::span<Tensor* const> inputs,
             std::span<Tensor* const> outputs) override;

 private:
  Allocator* AllocatorOf(size_t output) const {
    return output < home_.allocators.size() ? home_.allocators[output]
                                            : nullptr;
  }
  // Infers output shapes, and prepares the kernel unless that was done for the
  // same shapes and values.
  Status Prepare(std::span<Tensor* const> inputs);
  bool PreparedFor(std::span<Tensor* const> inputs) const;
  Status CopyAlias(size_t i, Tensor* output);
  Status AllocateOutputs(std::span<Tensor* const> outputs);

  const Node& node_;
  StepHome home_;
  RunInfo* run_;
  SessionResources* resources_;
  StepOperands operands_;
  std::vector<Tensor> decided_by_;  // copies of the needs_value operands
  bool prepared_ = false;
  bool copy_alias_;
  std::shared_ptr<void> state_;
  Tensor scratch_;
};

}  // namespace lockstep
