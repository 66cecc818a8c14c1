// SPDX-License-Identifier: Apache-2.0
#pragma once

// How a node meets its kernel: the PrepareContext that the planner hands to
// kernels, and the filling in of KernelContexts. Internal to runtime/exec.

#include <memory>
#include <string_view>
#include <vector>

#include "runtime/graph/graph.h"
#include "runtime/op/kernel.h"

namespace lockstep {

// Operands of one kernel invocation as the planner knows them.
struct StepOperands {
  std::vector<Shape> input_shapes;
  std::vector<const Tensor*> input_values;  // null where unknown
  std::vector<Shape> output_shapes;
  std::vector<Variable*> variables;  // null for inputs that are none
};

class StepPrepare final : public PrepareContext {
 public:
  // All must outlive the object.
  StepPrepare(const Node& node, const StepOperands& operands,
              SessionResources& resources, const Device& device)
      : node_(node),
        operands_(operands),
        resources_(resources),
        device_(device) {}

  std::string_view node_name() const override { return node_.name(); }
  const OpDef& def() const override { return node_.def(); }
  const AttrMap& attrs() const override { return node_.attrs(); }
  int num_inputs() const override { return node_.num_inputs(); }
  int num_outputs() const override { return node_.num_outputs(); }
  DType input_dtype(int i) const override {
    return BaseOf(node_.input(i).dtype());
  }
  DType output_dtype(int i) const override {
    return BaseOf(node_.output_type(i));
  }
  const Shape& input_shape(int i) const override {
    return operands_.input_shapes[static_cast<size_t>(i)];
  }
  const Shape& output_shape(int i) const override {
    return operands_.output_shapes[static_cast<size_t>(i)];
  }
  const Tensor* input_value(int i) const override {
    return operands_.input_values[static_cast<size_t>(i)];
  }
  Variable* variable(int i) override {
    return operands_.variables[static_cast<size_t>(i)];
  }
  SessionResources& resources() override { return resources_; }
  const Device& device() const override { return device_; }
  void RequestScratch(size_t bytes) override { scratch_bytes_ += bytes; }

  size_t scratch_bytes() const { return scratch_bytes_; }
  std::shared_ptr<void> TakeState() { return std::move(state_); }

 protected:
  void SetState(std::shared_ptr<void> state) override {
    state_ = std::move(state);
  }

 private:
  const Node& node_;
  const StepOperands& operands_;
  SessionResources& resources_;
  const Device& device_;
  size_t scratch_bytes_ = 0;
  std::shared_ptr<void> state_;
};

class KernelBinder {
 public:
  struct Fields {
    std::span<Tensor* const> inputs;
    std::span<Tensor* const> outputs;
    std::span<Variable* const> variables;
    void* scratch = nullptr;
    void* state = nullptr;
    void* stream = nullptr;
    Allocator* allocator = nullptr;
    RunInfo* run = nullptr;
    SessionResources* resources = nullptr;
    const Node* node = nullptr;
  };
  static KernelContext Bind(const Fields& f) {
    KernelContext k;
    k.inputs_ = f.inputs;
    k.outputs_ = f.outputs;
    k.variables_ = f.variables;
    k.scratch_ = f.scratch;
    k.state_ = f.state;
    k.stream_ = f.stream;
    k.allocator_ = f.allocator;
    k.run_ = f.run;
    k.resources_ = f.resources;
    k.attrs_ = &f.node->attrs();
    k.node_name_ = f.node->name();
    return k;
  }
};

// "[rank 3] /cpu:0 node 'conv1/Conv2D' (Conv2D)"; the rank only in jobs that
// have several.
// Of a fused node, if `input` is one of its inputs, the op that reads it:
// "/cpu:0 node 'a' (Mul), fused into 'b/fused'".
std::string WhereIs(const Node& node, int task, int tasks, int input = -1);

}  // namespace lockstep
