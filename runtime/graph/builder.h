// SPDX-License-Identifier: Apache-2.0
#pragma once

// Scope: where in a graph new nodes go - name prefix, device, control
// dependencies, seed. The builder functions of ops/ take one as their first
// argument:
//
//   Graph graph;
//   Scope root(&graph);
//   Output x = ops::Placeholder(root.WithName("x"), kFloat, {-1, 784});
//   Scope layer = root.SubScope("layer1");
//   Output h = ops::Relu(layer, ops::MatMul(layer, x, w));  // layer1/MatMul ..
//
// A mistake (wrong dtype, impossible shape) is kept in graph.status() - the
// first one, naming the node - and later calls do nothing and return undefined
// outputs, so that a program checks once, and a session refuses the graph.
// Scopes are small values; not thread-safe for one graph.

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/graph/graph.h"

namespace lockstep {

class NodeBuilder;

class Scope {
 public:
  explicit Scope(Graph* graph) : graph_(graph) {}

  // Names of nodes made through it begin with "<prefix>/<name>/"; unique:
  // a second SubScope("a") is "a_1".
  Scope SubScope(std::string_view name) const;
  // The next node is called exactly that (made unique) within the prefix.
  Scope WithName(std::string_view name) const;
  // Nodes ask for this device: "/gpu:0", in full or in part. Parts that it
  // leaves open are those of the scope before; "" asks for nothing again. See
  // device_function.h for devices chosen node by node.
  Scope WithDevice(std::string device) const;
  Scope WithControlDependencies(std::vector<Node*> nodes) const;
  Scope WithControlDependencies(const std::vector<Output>& outputs) const;
  // Attribute "_class": the node is placed where `node` is, and asks for what
  // that asks for. Several calls add up.
  Scope ColocateWith(const Node* node) const;
  // Random ops made through it derive their seeds from this one (0: the
  // default). Equal programs draw equal numbers.
  Scope WithSeed(int64_t seed) const;

  Graph* graph() const { return graph_; }
  const Status& status() const { return graph_->status(); }
  bool ok() const { return graph_->status().ok(); }
  int64_t graph_seed() const { return seed_; }
  const std::string& device() const { return device_; }

  // A node of `op`, to be completed: see NodeBuilder.
  NodeBuilder Op(std::string_view op) const;

 private:
  friend class NodeBuilder;
  Graph* graph_;
  std::string prefix_;  // "" or ends in '/'
  std::string name_;    // "" for the op's name
  std::string device_;
  std::vector<Node*> control_;
  std::string colocate_;
  int64_t seed_ = 0;
};

// An argument of a builder function: an output of a node, or a value that
// becomes a Const node ("Const", under the scope).
class Input {
 public:
  Input(Output output) : output_(output) {}          // NOLINT: implicit
  Input(Tensor value) : value_(std::move(value)) {}  // NOLINT: implicit
  Input(float v) : value_(v) {}                      // NOLINT: implicit
  Input(double v) : value_(v) {}                     // NOLINT: implicit
  Input(int32_t v) : value_(v) {}                    // NOLINT: implicit
  Input(int64_t v) : value_(v) {}                    // NOLINT: implicit
  Input(bool v) : value_(v) {}                       // NOLINT: implicit
  Input(const char* v) : value_(v) {}                // NOLINT: implicit
  Input(std::string v) : value_(std::move(v)) {}     // NOLINT: implicit
  Input(std::initializer_list<int32_t> v)            // NOLINT: implicit
      : value_(Tensor::Of<int32_t>(Shape{static_cast<int64_t>(v.size())}, v)) {}
  Input(std::initializer_list<float> v)  // NOLINT: implicit
      : value_(Tensor::Of<float>(Shape{static_cast<int64_t>(v.size())}, v)) {}

  // The output, made from the value when it is one. A numeric scalar or vector
  // given as a value takes `hint` as its dtype when that is a numeric type (so
  // Mul(s, x_double, 2.0f) works).
  Output Resolve(const Scope& scope, DType hint = kInvalidType) const;
  bool is_value() const { return !output_.defined(); }
  DType dtype() const {
    return output_.defined() ? output_.dtype() : value_.dtype();
  }

 private:
  Output output_;
  Tensor value_;
};

// Makes one node:
//   return scope.Op("MatMul").In(a).In(b).Attr("transpose_a", true).Out();
class NodeBuilder {
 public:
  NodeBuilder(const Scope& scope, std::string_view op);
  NodeBuilder& In(const Input& input);
  // Two operands that must have one dtype: values take the other's.
  NodeBuilder& InPair(const Input& a, const Input& b);
  NodeBuilder& In(const std::vector<Output>& inputs);  // a sequence argument
  NodeBuilder& Attr(std::string_view name, AttrValue value);
  NodeBuilder& ControlInput(Node* node);
  // Null after an error (see Scope).
  Node* Build();
  // The node's output 0 (or `index`); undefined after an error.
  Output Out(int index = 0);
  std::vector<Output> Outs();

 private:
  Scope scope_;
  NodeSpec spec_;
  Node* built_ = nullptr;
  bool done_ = false;
};

}  // namespace lockstep
