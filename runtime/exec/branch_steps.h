// SPDX-License-Identifier: Apache-2.0
#pragma once

// The steps that Switch and Merge become. Conditions (runtime/graph/
// conditions.h) are bytes of the plan; a step runs when all of its own are 1.
// Internal to runtime/exec.

#include <cstdint>
#include <vector>

#include "runtime/device/hardware.h"
#include "runtime/exec/step_runner.h"
#include "runtime/op/resource.h"

namespace lockstep {

// Pointers to the conditions that have to hold.
using OnlyIf = std::vector<const uint8_t*>;

inline bool Holds(const OnlyIf& conditions) {
  for (const uint8_t* c : conditions) {
    if (!*c) return false;
  }
  return true;
}

// Takes the predicate (input 0) down as two conditions.
class ConditionStep final : public StepRunner {
 public:
  ConditionStep(uint8_t* when_false, uint8_t* when_true)
      : when_false_(when_false), when_true_(when_true) {}
  Status Run(std::span<Tensor* const> inputs,
             std::span<Tensor* const> outputs) override;

 private:
  uint8_t* when_false_;
  uint8_t* when_true_;
};

// Output 0 is a copy of the first input that has a value, output 1 its number.
class MergeStep final : public StepRunner {
 public:
  struct Input {
    OnlyIf only_if;
    const Variable* variable = nullptr;  // that the value is read from
  };
  // `ran`, if given, is set to whether any input had one; without, one must.
  MergeStep(std::vector<Input> inputs, uint8_t* ran)
      : inputs_(std::move(inputs)), ran_(ran) {}
  Status Run(std::span<Tensor* const> inputs,
             std::span<Tensor* const> outputs) override;

 private:
  std::vector<Input> inputs_;
  const Tensor first_{int32_t{0}};  // what an input's number is like
  uint8_t* ran_;
};

// Outputs are copies of input 0, made by a queue: from one device's memory to
// another's, or beside it.
class CopyStep final : public StepRunner {
 public:
  // `allocator` is where a value of unknown size goes; null: the heap.
  CopyStep(Queue* queue, Allocator* allocator)
      : queue_(*queue), allocator_(allocator) {}
  Status Run(std::span<Tensor* const> inputs,
             std::span<Tensor* const> outputs) override;

 private:
  Queue& queue_;
  Allocator* allocator_;
};

// FAILED_PRECONDITION naming the variable when it has no value yet.
Status CheckInitialized(const Variable& variable);

// Gives `out` the dtype and shape of `like`, anew unless it has them in memory
// that nobody shares or that is the arena's.
Status MakeRoom(const Tensor& like, Tensor* out,
                Allocator* allocator = nullptr);

// Makes `to` equal `from`: in place when `to` has room of that dtype and shape
// that nobody shares or that is the arena's, else anew.
Status CopyInto(const Tensor& from, Tensor* to);

}  // namespace lockstep
