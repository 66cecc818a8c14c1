// SPDX-License-Identifier: Apache-2.0
#pragma once

// Graph: nodes with TensorFlow's op names, attributes and semantics.
//
// A node has data inputs (outputs of other nodes), control inputs (nodes that
// run before it) and outputs with dtypes and inferred shapes. Programs build
// graphs through Scope (builder.h) and the functions of ops/; this class is
// what passes and importers work on. Nodes belong to their graph and keep
// their address. Not thread-safe while it is changed.
//
//   Graph g;
//   LS_ASSIGN_OR_RETURN(Node* a, g.AddNode({.name = "a", .op = "Placeholder",
//       .attrs = {{"dtype", kFloat}, {"shape", Shape{-1, 2}}}}));
//   LS_ASSIGN_OR_RETURN(Node* b, g.AddNode({.name = "b", .op = "Relu",
//       .inputs = {{a, 0}}}));
//   b->output_shape(0);    // [?,2]

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "runtime/op/op_def.h"
#include "runtime/op/shape_context.h"

namespace lockstep {

class FunctionLibrary;  // runtime/graph/function.h
class Node;

// Output `index` of `node`: one tensor of the graph.
struct Output {
  Node* node = nullptr;
  int index = 0;

  bool defined() const { return node != nullptr; }
  DType dtype() const;         // with kRefOffset for references
  const Shape& shape() const;  // as inferred so far
  std::string name() const;    // "node:0"
  bool operator==(const Output&) const = default;
};

struct OutputHash {
  size_t operator()(const Output& o) const {
    return std::hash<const void*>()(o.node) * 31 + static_cast<size_t>(o.index);
  }
};

class Node {
 public:
  int id() const { return id_; }  // unique in the graph, in order of creation
  const std::string& name() const { return name_; }
  const OpDef& def() const { return *def_; }
  const std::string& op() const { return def_->name; }
  const OpTraits& traits() const { return def_->traits; }

  const AttrMap& attrs() const { return attrs_; }
  AttrMap& mutable_attrs() { return attrs_; }
  // Requires the attribute to exist with that kind.
  template <class T>
  const T& Attr(std::string_view attr) const {
    return *attrs_.find(attr)->second.template get_if<T>();
  }

  const std::vector<Output>& inputs() const { return inputs_; }
  const std::vector<Node*>& control_inputs() const { return control_inputs_; }
  int num_inputs() const { return static_cast<int>(inputs_.size()); }
  int num_outputs() const { return static_cast<int>(output_types_.size()); }
  const Output& input(int i) const { return inputs_[static_cast<size_t>(i)]; }
  Output output(int i) { return {this, i}; }

  DType output_type(int i) const {
    return output_types_[static_cast<size_t>(i)];
  }
  const Shape& output_shape(int i) const {
    return output_shapes_[static_cast<size_t>(i)];
  }
  void set_output_shape(int i, const Shape& s) {
    output_shapes_[static_cast<size_t>(i)] = s;
  }
  // The output's value when the shape rule knows it without running the node;
  // an undefined tensor otherwise.
  const Tensor& output_value(int i) const;
  void set_output_value(int i, Tensor v);

  const std::string& requested_device() const { return requested_device_; }
  void set_requested_device(std::string d) { requested_device_ = std::move(d); }
  const std::string& assigned_device() const { return assigned_device_; }
  void set_assigned_device(std::string d) { assigned_device_ = std::move(d); }

 private:
  friend class Graph;
  int id_ = 0;
  std::string name_;
  const OpDef* def_ = nullptr;
  AttrMap attrs_;
  std::vector<Output> inputs_;
  std::vector<Node*> control_inputs_;
  std::vector<DType> output_types_;
  std::vector<Shape> output_shapes_;
  std::vector<Tensor> output_values_;  // empty when none is known
  std::string requested_device_;
  std::string assigned_device_;
};

inline DType Output::dtype() const { return node->output_type(index); }
inline const Shape& Output::shape() const { return node->output_shape(index); }

// What AddNode makes a node from.
struct NodeSpec {
  std::string name;
  std::string op;
  std::vector<Output> inputs = {};
  std::vector<Node*> control_inputs = {};
  AttrMap attrs = {};  // dtype attributes that inputs decide may be left out
  std::string device = {};
};

class Graph {
 public:
  Graph() = default;
  Graph(Graph&&) = default;
  Graph& operator=(Graph&&) = default;

  // Checks the op, its attributes and its input dtypes, infers the outputs'
  // shapes, adds the node. An error names the node, what was wanted and what
  // came; the graph is then unchanged. A dtype or count attribute that is
  // missing is deduced from the inputs.
  Result<Node*> AddNode(NodeSpec spec);

  // All nodes, in order of creation; inputs may come later than their users
  // only in graphs with loops or after rewrites.
  std::vector<Node*> nodes() const;
  int num_nodes() const { return static_cast<int>(by_name_.size()); }
  int max_id() const { return static_cast<int>(nodes_.size()); }
  Node* Find(std::string_view name) const;  // null when there is none
  // "node", "node:1", "^node" is not accepted. NOT_FOUND with the nearest name
  // when there is no such node, INVALID_ARGUMENT for a bad output number.
  Result<Output> FindOutput(std::string_view tensor_name) const;
  // `base`, or `base_1`, `base_2` ... : the first that is free.
  std::string UniqueName(std::string_view base) const;
  // The same for name scopes; each name is handed out once.
  std::string UniqueScopeName(std::string_view base);

  // Editing, for passes. Dtypes must agree; shapes are not inferred anew.
  void SetInput(Node* node, int i, Output to);
  void AddControlEdge(Node* from, Node* to);  // no duplicates
  void RemoveControlEdge(Node* from, Node* to);
  // All data uses of `from` (but not by `except`) read `to` instead.
  void ReplaceUses(Output from, Output to, const Node* except = nullptr);
  // Requires that nothing uses the node.
  void RemoveNode(Node* node);

  // Infers `node`'s output shapes and values from its inputs' current ones.
  // `identity`, if given, receives the input that output 0 equals, or -1.
  Status InferShapes(Node* node, int* identity = nullptr);

  // Nodes so that every node comes after its data and control inputs; among
  // the ready ones the smallest id first, those in `before` just before the
  // node of that id. FAILED_PRECONDITION naming a node of the cycle when there
  // is one.
  Result<std::vector<Node*>> TopologicalOrder(
      const std::unordered_map<const Node*, int>& before = {}) const;

  // The copy's nodes have equal names; `map`, if given, takes old to new.
  Graph Clone(std::unordered_map<const Node*, Node*>* map = nullptr) const;

  // The functions that nodes name in their attributes; shared by copies. Null
  // when there are none.
  const std::shared_ptr<const FunctionLibrary>& functions() const {
    return functions_;
  }
  void set_functions(std::shared_ptr<const FunctionLibrary> functions) {
    functions_ = std::move(functions);
  }

  // The first error of a builder function on this graph; sessions refuse a
  // graph that has one.
  const Status& status() const { return status_; }
  void UpdateStatus(Status s) { status_.Update(std::move(s)); }

 private:
  struct StringHash {
    using is_transparent = void;
    size_t operator()(std::string_view s) const {
      return std::hash<std::string_view>()(s);
    }
  };
  std::vector<std::unique_ptr<Node>> nodes_;  // null where removed
  std::unordered_map<std::string, Node*, StringHash, std::equal_to<>> by_name_;
  mutable std::unordered_map<std::string, int, StringHash, std::equal_to<>>
      next_suffix_;
  std::unordered_map<std::string, int, StringHash, std::equal_to<>> scopes_;
  std::shared_ptr<const FunctionLibrary> functions_;
  Status status_;
};

// For each output its readers: (node, input number) in order of node id.
class Consumers {
 public:
  explicit Consumers(const Graph& graph);
  const std::vector<std::pair<Node*, int>>& Of(Output output) const;
  const std::vector<Node*>& ControlledBy(const Node* node) const;
  // No data or control edge leaves the node.
  bool Unused(const Node* node) const;

 private:
  std::unordered_map<Output, std::vector<std::pair<Node*, int>>, OutputHash>
      data_;
  std::unordered_map<const Node*, std::vector<Node*>> control_;
};

}  // namespace lockstep
