// SPDX-License-Identifier: Apache-2.0
#pragma once

// PlanValues: where the outputs of a plan's nodes live - fed memory, constants,
// variables, the arena, the heap - and which of them share memory. Internal to
// runtime/exec.

#include <deque>
#include <string>
#include <unordered_map>
#include <vector>

#include "runtime/exec/plan_builder.h"

namespace lockstep {

enum class Storage { kNone, kFeed, kConstant, kVariable, kArena, kHeap };

// A value or a group of aliases that share memory.
struct Buffer {
  Storage storage = Storage::kNone;
  size_t bytes = 0;
  size_t offset = 0;     // in the arena, once planned
  int merged_into = -1;  // the buffer whose memory it shares, when in place
  int first_step = 0;
  int last_step = -1;
  bool fetched = false;
  std::vector<Tensor*> views;
  std::string owner;  // the value's name, for messages
};

struct Value {
  Tensor* tensor = nullptr;
  int buffer = -1;
};

// What PlaceBuffers found.
struct MemoryUse {
  size_t arena_bytes = 0;
  size_t lower_bound_bytes = 0;
};

class PlanValues {
 public:
  // Tensors are made in `tensors`, which keeps their addresses.
  explicit PlanValues(std::deque<Tensor>* tensors) : tensors_(*tensors) {}

  bool Has(Output o) const { return values_.contains(o); }
  const Value& Of(Output o) const { return values_.at(o); }
  Tensor* TensorOf(Output o) const { return Of(o).tensor; }
  Buffer& BufferOf(Output o);
  Storage StorageOf(Output o) { return BufferOf(o).storage; }

  // A buffer first written in step `step`.
  int NewBuffer(Storage storage, const std::string& owner, int step,
                size_t bytes = 0);
  // A tensor of the output's dtype and, if known, shape; without memory unless
  // `data` is given.
  Tensor* NewTensor(Output o, void* data = nullptr);
  Tensor* NewTensor(Tensor value);
  void AddView(Output o, int buffer, Tensor* tensor);
  // `o` is the value `of`, tensor and all.
  void Same(Output o, Value of) { AddView(o, of.buffer, of.tensor); }
  void Use(Output o, int step);

  // Merges buffers of the step's outputs into those of inputs that die there,
  // where the op can work in place.
  void ShareInPlace(Node* n, int step);
  // Gives every arena buffer its place. RESOURCE_EXHAUSTED with the largest
  // values when that is over the session's limit.
  Result<MemoryUse> Place(const PlanEnvironment& environment);
  void* Address(int buffer) const;

 private:
  int Root(int buffer) const;
  Status OverLimit(const PlanEnvironment& environment, size_t need) const;

  std::deque<Tensor>& tensors_;
  std::unordered_map<Output, Value, OutputHash> values_;
  std::vector<Buffer> buffers_;
  char* base_ = nullptr;
};

}  // namespace lockstep
