// SPDX-License-Identifier: Apache-2.0
#pragma once

// Device functions: what tf.device(function) is in Python. The function is
// called for each node made in the graph while the object lives - when it ends,
// in order of creation - and its result is what the node asks for. It sees what
// scopes and inner functions ask for, and gives that back where it has no wish
// of its own; outer functions come after inner ones, and see what those gave.
// Nodes that are colocated are not asked about: they ask for what the node asks
// for that they are colocated with. Used by the thread that changes the graph.
//
//   DeviceFunction on_gpu(&graph, [](const Node& n) {
//     return n.traits().variable ? "/cpu:0" : "/gpu:1";
//   });
//   Output y = ops::MatMul(root, x, w);
//
// A text that is no device name is a mistake of the graph: graph.status().

#include <functional>
#include <string>

#include "runtime/graph/graph.h"

namespace lockstep {

class DeviceFunction {
 public:
  using Function = std::function<std::string(const Node& node)>;

  DeviceFunction(Graph* graph, Function function)
      : graph_(*graph),
        function_(std::move(function)),
        first_(graph->max_id()) {}
  ~DeviceFunction();
  DeviceFunction(const DeviceFunction&) = delete;
  DeviceFunction& operator=(const DeviceFunction&) = delete;

 private:
  void Ask(Node* node) const;
  // The node that a colocated one was put beside; null for others.
  const Node* Beside(const Node& node) const;

  Graph& graph_;
  Function function_;
  int first_;  // id of the first node made while this lives
};

}  // namespace lockstep
