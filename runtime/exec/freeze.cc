// SPDX-License-Identifier: Apache-2.0
#include "runtime/exec/freeze.h"

#include <unordered_set>
#include <utility>

#include "proto/graph.pb.h"
#include "runtime/graph/graph_def.h"
#include "runtime/io/parse_proto.h"
#include "runtime/io/tensor_proto.h"

namespace lockstep {
namespace {

bool IsRead(const Node& node) { return node.op() == "ReadVariableOp"; }

// Whether the node becomes a constant.
bool IsFrozen(const Node& node) {
  return IsRead(node) || (node.traits().variable && IsRef(node.output_type(0)));
}

// What the outputs need once variables are constants.
Result<std::unordered_set<std::string>> Needed(
    const Graph& graph, const std::vector<std::string>& outputs) {
  std::unordered_set<std::string> needed;
  std::vector<Node*> todo;
  for (const std::string& name : outputs) {
    LS_ASSIGN_OR_RETURN(const Output output, graph.FindOutput(name));
    todo.push_back(output.node);
  }
  while (!todo.empty()) {
    Node* node = todo.back();
    todo.pop_back();
    if (!needed.insert(node->name()).second || IsFrozen(*node)) continue;
    for (const Output& input : node->inputs()) {
      if (input.dtype() == kResource && input.node->traits().variable) {
        return Unimplemented("node '", node->name(), "' (", node->op(),
                             ") uses the resource '", input.node->name(),
                             "' otherwise than by reading it");
      }
      todo.push_back(input.node);
    }
    for (Node* control : node->control_inputs()) todo.push_back(control);
  }
  return needed;
}

void MakeConstant(const proto::TensorProto& value, proto::NodeDef* node) {
  node->set_op("Const");
  node->clear_input();
  node->clear_attr();
  auto& attrs = *node->mutable_attr();
  attrs["dtype"].set_type(value.dtype());
  *attrs["value"].mutable_tensor() = value;
}

// The form of an op for values where it had references.
void DropReference(proto::NodeDef* node) {
  static constexpr std::string_view kOps[] = {
      "RefIdentity", "RefSwitch", "RefEnter",
      "RefExit",     "RefMerge",  "RefNextIteration"};
  for (const std::string_view op : kOps) {
    if (node->op() == op) node->set_op(std::string(op.substr(3)));
  }
}

}  // namespace

Result<Graph> FreezeGraph(const Graph& graph, Session& session,
                          const std::vector<std::string>& outputs) {
  LS_ASSIGN_OR_RETURN(const auto needed, Needed(graph, outputs));
  std::vector<std::string> fetches;
  for (const Node* node : graph.nodes()) {
    if (needed.contains(node->name()) && IsFrozen(*node)) {
      fetches.push_back(node->name() + ":0");
    }
  }
  LS_ASSIGN_OR_RETURN(const std::vector<Tensor> values,
                      session.Run({}, fetches));
  proto::GraphDef whole;
  LS_RETURN_IF_ERROR(ToProto(graph, &whole));
  proto::GraphDef frozen;
  *frozen.mutable_versions() = whole.versions();
  *frozen.mutable_library() = whole.library();
  size_t next = 0;
  for (proto::NodeDef& node : *whole.mutable_node()) {
    if (!needed.contains(node.name())) continue;
    proto::NodeDef* kept = frozen.add_node();
    *kept = std::move(node);
    DropReference(kept);
    if (!IsFrozen(*graph.Find(kept->name()))) continue;
    proto::TensorProto value;
    LS_RETURN_IF_ERROR(ToProto(values[next++], &value));
    MakeConstant(value, kept);
  }
  LS_ASSIGN_OR_RETURN(const std::string bytes, SerializeProto(frozen));
  return FromGraphDef(bytes);
}

}  // namespace lockstep
