// SPDX-License-Identifier: Apache-2.0
#pragma once

// PlanValues: where the outputs of a plan's nodes live - fed memory, constants,
// variables, the arena of a device, what the caller is given, the heap - and
// which of them share memory.
// Internal to runtime/exec.

#include <deque>
#include <string>
#include <unordered_map>
#include <vector>

#include "runtime/exec/lane_waits.h"
#include "runtime/exec/plan_builder.h"

namespace lockstep {

enum class Storage {
  kNone,
  kFeed,
  kConstant,
  kVariable,
  kArena,
  kResult,  // what the caller is given: other memory in each run
  kHeap,
};

// A value or a group of aliases that share memory.
struct Buffer {
  Storage storage = Storage::kNone;
  int device = 0;  // whose memory it is in, by its number in the set
  size_t bytes = 0;
  size_t offset = 0;  // in the arena, once planned
  char* address = nullptr;
  int merged_into = -1;  // the buffer whose memory it shares, when in place
  int first_step = 0;
  int last_step = -1;
  bool fetched = false;
  std::vector<Tensor*> views;
  std::vector<int> uses;         // steps that write or read it
  Variable* variable = nullptr;  // of kVariable
  Tensor constant;               // of kConstant on a GPU: the value
  std::string owner;             // the value's name, for messages
};

struct Value {
  Tensor* tensor = nullptr;
  int buffer = -1;
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
  int NewBuffer(Storage storage, int device, const std::string& owner, int step,
                size_t bytes = 0);
  Buffer& buffer(int number) { return buffers_[static_cast<size_t>(number)]; }
  std::deque<Buffer>& buffers() { return buffers_; }
  // A tensor of the output's dtype and, if known, shape; without memory until
  // the buffer has its place.
  Tensor* NewTensor(Output o);
  Tensor* NewTensor(Tensor value);
  void AddView(Output o, int buffer, Tensor* tensor);
  // `o` is the value `of`, tensor and all.
  void Same(Output o, Value of) { AddView(o, of.buffer, of.tensor); }
  void Use(Output o, int step);

  // Merges buffers of the step's outputs into those of inputs that die there,
  // where the op can work in place. Steps that read such an input are added to
  // `overwritten`, as what `step` has to come after.
  void ShareInPlace(Node* n, int step, std::vector<int>* overwritten);
  // What each step has to come after because it is given memory that others
  // used before it. `needs` by step, as far as they have lanes of their own.
  void AddMemoryNeeds(const std::vector<int>& lane_of,
                      std::vector<LaneClock>* needs) const;
  void* Address(int buffer) const;

 private:
  int Root(int buffer) const;

  std::deque<Tensor>& tensors_;
  std::unordered_map<Output, Value, OutputHash> values_;
  std::deque<Buffer> buffers_;
};

}  // namespace lockstep
