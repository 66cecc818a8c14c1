// SPDX-License-Identifier: Apache-2.0
#pragma once

// NodeImporter: the NodeDefs of a GraphDef or of a FunctionDef's body become
// nodes of a Graph. For graph_def.cc and function_def.cc.
//
//   NodeImporter importer(def.node(), NodeImporter::Names::kGraph, signatures,
//                         &graph);
//   LS_RETURN_IF_ERROR(importer.Import());

#include <google/protobuf/repeated_field.h>

#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "runtime/graph/graph.h"

namespace lockstep {

namespace proto {
class FunctionDef;
class GraphDef;
class NodeDef;
}  // namespace proto

// The functions of a library by name. A node whose op is one of them calls it.
using FunctionSignatures = std::map<std::string, const proto::FunctionDef*>;

class NodeImporter {
 public:
  using NodeDefs = google::protobuf::RepeatedPtrField<proto::NodeDef>;
  // How inputs are written: "node:1", or "node:output name:1" in functions.
  enum class Names { kGraph, kFunction };

  // The references must outlive the importer. `consumed` is null or `nodes`:
  // then messages are emptied once they are nodes, so that a large graph is
  // not held twice.
  NodeImporter(const NodeDefs& nodes, Names names,
               const FunctionSignatures& functions, Graph* graph,
               NodeDefs* consumed = nullptr)
      : nodes_(nodes),
        names_(names),
        functions_(functions),
        graph_(*graph),
        consumed_(consumed) {}

  // An argument of the function, known as `name`.
  void AddArg(const std::string& name, Node* arg) { known_[name].node = arg; }
  // INVALID_ARGUMENT for two nodes of a name, an input that does not exist, a
  // cycle that is no loop, a node that does not fit its op. UNIMPLEMENTED
  // lists every unknown op with the nodes that use it.
  Status Import();
  // An output named as the nodes' inputs are, once imported.
  Result<Output> Find(const std::string& text) const;
  Node* FindNode(const std::string& name) const;  // null when there is none

 private:
  enum class State : char { kNew, kOpen, kDone };
  struct InputName {
    std::string node;
    std::string output;  // its name, in functions
    int index = 0;
    bool control = false;
  };

  Status CheckOps() const;
  Result<InputName> Parse(const std::string& text) const;
  Status AddWithInputs(int root);
  Status AddNode(const proto::NodeDef& n);
  Status CloseLoops();
  Result<Output> Resolve(const InputName& name, const std::string& text) const;

  const NodeDefs& nodes_;
  Names names_;
  const FunctionSignatures& functions_;
  Graph& graph_;
  NodeDefs* consumed_;
  // By name: the place among nodes_, and the node once there is one.
  struct Known {
    int index = -1;
    Node* node = nullptr;
  };
  std::unordered_map<std::string, Known> known_;
  std::vector<State> state_;
  std::vector<const proto::NodeDef*> next_iterations_;
};

}  // namespace lockstep
