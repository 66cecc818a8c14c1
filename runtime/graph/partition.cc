// SPDX-License-Identifier: Apache-2.0
#include "runtime/graph/partition.h"

#include <map>

#include "runtime/graph/memory_spaces.h"

namespace lockstep {
namespace {

class Cutter {
 public:
  explicit Cutter(Graph* graph) : graph_(*graph) {}

  Status Run() {
    for (Node* n : graph_.nodes()) {
      const auto types = ArgTypes(n->def(), n->def().inputs, n->attrs());
      const OperandMemory wanted = OperandMemoryOf(*n);
      for (int i = 0; i < n->num_inputs(); ++i) {
        const auto at = static_cast<size_t>(i);
        const Output in = n->input(i);
        if (types.ok() && IsHandle((*types)[at])) {
          LS_RETURN_IF_ERROR(CheckHandle(*n, in));
          continue;
        }
        const std::string to = SpaceName(*n, wanted.input_on_gpu[at]);
        if (IsThere(in, *n, to)) continue;
        LS_ASSIGN_OR_RETURN(Output arrived, Arrive(in, to));
        graph_.SetInput(n, i, arrived);
      }
    }
    return Ok();
  }

  int pairs() const { return pairs_; }

 private:
  static Status CheckHandle(const Node& n, Output in) {
    if (in.node->assigned_device() == n.assigned_device()) return Ok();
    return InvalidArgument("node '", n.name(), "' on ", n.assigned_device(),
                           " updates variable '", in.node->name(), "' on ",
                           in.node->assigned_device(),
                           ": they must be on one device");
  }

  static std::string SpaceOf(Output o) {
    const OperandMemory memory = OperandMemoryOf(*o.node);
    return SpaceName(*o.node,
                     memory.output_on_gpu[static_cast<size_t>(o.index)]);
  }

  // Whether `reader` finds `tensor` in memory `to` as it is. A GPU's node and
  // the CPU of its task reach the same host memory.
  static bool IsThere(Output tensor, const Node& reader,
                      const std::string& to) {
    if (tensor.node->assigned_device() == reader.assigned_device() &&
        !IsOnGpu(reader)) {
      return true;
    }
    return SpaceOf(tensor) == to;
  }

  // `tensor` in the memory of `device`, by a pair or copy made for an earlier
  // consumer where there is one.
  Result<Output> Arrive(Output tensor, const std::string& device) {
    Output& there = arrived_[{tensor.name(), device}];
    if (there.defined()) return there;
    if (tensor.node->traits().constant) {
      LS_ASSIGN_OR_RETURN(
          Node * copy,
          graph_.AddNode({.name = graph_.UniqueName(tensor.node->name()),
                          .op = tensor.node->op(),
                          .control_inputs = tensor.node->control_inputs(),
                          .attrs = tensor.node->attrs()}));
      copy->set_assigned_device(device);
      return there = copy->output(0);
    }
    const std::string from = SpaceOf(tensor);
    const AttrMap attrs = {{"tensor_name", tensor.name()},
                           {"send_device", from},
                           {"recv_device", device}};
    LS_ASSIGN_OR_RETURN(
        Node * send, graph_.AddNode({.name = graph_.UniqueName(
                                         StrCat(tensor.node->name(), "/_send")),
                                     .op = "_Send",
                                     .inputs = {tensor},
                                     .attrs = attrs}));
    send->set_assigned_device(tensor.node->assigned_device());
    LS_ASSIGN_OR_RETURN(
        Node * recv, graph_.AddNode({.name = graph_.UniqueName(
                                         StrCat(tensor.node->name(), "/_recv")),
                                     .op = "_Recv",
                                     .inputs = {send->output(0)},
                                     .attrs = attrs}));
    recv->set_assigned_device(device);
    ++pairs_;
    return there = recv->output(0);
  }

  Graph& graph_;
  std::map<std::pair<std::string, std::string>, Output> arrived_;
  int pairs_ = 0;
};

}  // namespace

Status CutCrossingEdges(Graph* graph, int* added) {
  Cutter cutter(graph);
  LS_RETURN_IF_ERROR(cutter.Run());
  if (added) *added = cutter.pairs();
  return Ok();
}

}  // namespace lockstep
