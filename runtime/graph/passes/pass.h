// SPDX-License-Identifier: Apache-2.0
#pragma once

// GraphPass: one rewrite of a pruned graph on its way to a Plan.
//
// Passes see a private copy with shapes inferred from the feeds. The fetched
// and fed outputs and the targets are given as mutable lists, so that a pass
// may replace what they point at. Passes run in a fixed order:
//   prune -> specialise (shapes, constants) -> rules registered by ops ->
//   passes of the session's configuration (data parallelism) -> late rules of
//   ops -> CSE -> place.
// A session's own passes are shared by its plans; Run must be thread-safe.

#include <string>
#include <vector>

#include "runtime/graph/graph.h"

namespace lockstep {

struct PassContext {
  Graph& graph;
  std::vector<Output>& feeds;
  std::vector<Output>& fetches;
  std::vector<Node*>& targets;
  // The shapes inferred while the graph was built (unknown batch dimensions
  // still unknown), by node name; null when the node is new.
  const Graph& original;
  bool has_gpus = false;            // of the session
  bool reproducible = false;        // so is its mode
  bool direct_convolution = false;  // convolutions by definition only
};

class GraphPass {
 public:
  virtual ~GraphPass() = default;
  virtual std::string name() const = 0;
  virtual Status Run(PassContext& context) const = 0;
};

}  // namespace lockstep
