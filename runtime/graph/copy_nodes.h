// SPDX-License-Identifier: Apache-2.0
#pragma once

// Copies a part of a graph into another graph, or elsewhere in the same one.
//
//   NodeCopier copier(&to, {.prefix = "call/"});
//   copier.Map(arg->output(0), value);          // what comes from outside
//   LS_RETURN_IF_ERROR(copier.Copy(body.nodes()));
//   Output y = copier.Now(result);

#include <string>
#include <unordered_map>
#include <vector>

#include "runtime/graph/graph.h"

namespace lockstep {

// `nodes` so that each comes after its inputs, except that a NextIteration
// comes before its input: the only way round a cycle. FAILED_PRECONDITION
// naming a node when there is another cycle. Edges from other nodes are
// ignored.
Result<std::vector<Node*>> OrderWithLoops(const std::vector<Node*>& nodes);

struct CopyOptions {
  std::string prefix;  // of names, frames; made unique
  std::string device;  // for nodes that ask for none
};

class NodeCopier {
 public:
  NodeCopier(Graph* to, CopyOptions options)
      : to_(*to), options_(std::move(options)) {}

  // Uses of `from` by copied nodes read `now`.
  void Map(Output from, Output now) { outputs_[from] = now; }
  // Copied nodes that wait for `from` wait for `now`; null: for nothing.
  void MapControl(const Node* from, Node* now) { nodes_[from] = now; }
  // Nodes already mapped are left out. INTERNAL when a node needs an output
  // that is neither copied nor mapped; control edges from elsewhere are
  // dropped.
  Status Copy(const std::vector<Node*>& nodes);

  // Undefined when it was neither mapped nor copied.
  Output Now(Output from) const;
  // Null when it was not copied.
  Node* NodeNow(const Node* from) const;

 private:
  Result<Node*> CopyOne(const Node* from);

  Graph& to_;
  CopyOptions options_;
  std::unordered_map<Output, Output, OutputHash> outputs_;
  std::unordered_map<const Node*, Node*> nodes_;
};

}  // namespace lockstep
