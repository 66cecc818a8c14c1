// SPDX-License-Identifier: Apache-2.0
#include "runtime/graph/passes/frames.h"

#include "runtime/graph/control_flow.h"
#include "runtime/graph/copy_nodes.h"

namespace lockstep {

Status Frames::Find(const Graph& graph) {
  LS_ASSIGN_OR_RETURN(std::vector<Node*> order, OrderWithLoops(graph.nodes()));
  for (Node* n : order) {
    Frame* frame = nullptr;
    auto from = [&](const Node* m) {
      if (IsNextIteration(*m)) return;
      Frame* f = of_[m];
      if (f && IsExit(*m)) f = f->parent;
      if (f && (!frame || f->depth > frame->depth)) frame = f;
    };
    for (const Output& in : n->inputs()) {
      if (!IsNextIteration(*n)) from(in.node);
    }
    for (const Node* c : n->control_inputs()) from(c);
    if (IsExit(*n) && !frame) {
      return InvalidArgument("node '", n->name(), "' (", n->op(),
                             "): Invalid Exit op: Cannot find a ",
                             "corresponding Enter op.");
    }
    of_[n] = IsEnter(*n) ? Child(frame, *n) : frame;
  }
  for (Node* n : order) {
    if (IsNextIteration(*n)) of_[n] = of_[n->input(0).node];
  }
  return Ok();
}

Frame* Frames::Child(Frame* parent, const Node& enter) {
  const std::string& name = enter.Attr<std::string>("frame_name");
  std::unique_ptr<Frame>& slot = frames_[{parent, name}];
  if (!slot) {
    slot = std::make_unique<Frame>(
        Frame{name, parent, parent ? parent->depth + 1 : 1});
  }
  return slot.get();
}

}  // namespace lockstep
