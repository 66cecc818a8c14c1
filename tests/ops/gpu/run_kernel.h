// SPDX-License-Identifier: Apache-2.0
#pragma once

// Runs one kernel by itself, so that the GPU's functions, compiled as loops
// (see runtime/op/gpu_launch.h), can be held to the CPU's where there is no
// GPU.
//
//   KernelCase c("AddV2", {x, y});
//   c.Attr("T", kFloat).ExpectLikeCpu({gpu::Add, gpu::PrepareBroadcast}, 1e-6);

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "runtime/graph/builder.h"
#include "runtime/op/gpu_kernel.h"

namespace lockstep::testing {

// An operand: a value, or a variable that has it.
struct Operand {
  Operand(Tensor v) : value(std::move(v)) {}  // NOLINT: implicit
  static Operand Variable(Tensor v) {
    Operand o(std::move(v));
    o.is_variable = true;
    return o;
  }
  Tensor value;
  bool is_variable = false;
};

class KernelCase {
 public:
  KernelCase(std::string op, std::vector<Operand> operands)
      : op_(std::move(op)), operands_(std::move(operands)) {}
  KernelCase& Attr(const std::string& name, AttrValue value) {
    attrs_[name] = std::move(value);
    return *this;
  }
  // Inputs `first` and the `count` - 1 after it are one sequence.
  KernelCase& Sequence(size_t first, size_t count) {
    sequence_ = first;
    sequence_size_ = count;
    return *this;
  }
  // Output 0 is in the place of input 0 (and of operands that are the same
  // tensor).
  KernelCase& InPlace() {
    in_place_ = true;
    return *this;
  }
  // The outputs, then the values of variables; equal to the CPU's.
  void ExpectLikeCpu(GpuFunctions gpu, double tolerance) const;
  // Of kernels that the CPU and GPUs share: with a stream and without.
  void ExpectSameOnStream() const;

 private:
  struct Inputs;
  Status MakeInputs(Inputs* in) const;
  Result<std::vector<Tensor>> Run(RunFn run, PrepareFn prepare,
                                  void* stream) const;
  Result<Node*> Build(Graph* graph) const;
  void Compare(const Result<std::vector<Tensor>>& got,
               const Result<std::vector<Tensor>>& want, double tolerance) const;
  Result<const KernelDef*> CpuKernel() const;

  std::string op_;
  std::vector<Operand> operands_;
  AttrMap attrs_;
  bool in_place_ = false;
  size_t sequence_ = 0, sequence_size_ = 0;
};

}  // namespace lockstep::testing
