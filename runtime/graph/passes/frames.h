// SPDX-License-Identifier: Apache-2.0
#pragma once

// The frames of TensorFlow 1's loops: an Enter leads into the frame that it
// names, an Exit out of it. For extract_loops.cc.

#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>

#include "runtime/graph/graph.h"

namespace lockstep {

struct Frame {
  std::string name;
  Frame* parent = nullptr;  // null: the graph outside all loops
  int depth = 1;
};

// Which frame every node is in.
class Frames {
 public:
  // FAILED_PRECONDITION when the graph has a cycle that is no loop.
  Status Find(const Graph& graph);
  // Null for nodes outside all loops, and for the loops made since.
  Frame* Of(const Node* n) const {
    auto it = of_.find(n);
    return it == of_.end() ? nullptr : it->second;
  }
  // The outermost frame around the node; null outside all.
  Frame* Outermost(const Node* n) const {
    Frame* f = Of(n);
    while (f && f->parent) f = f->parent;
    return f;
  }
  const std::map<std::pair<Frame*, std::string>, std::unique_ptr<Frame>>& all()
      const {
    return frames_;
  }

 private:
  Frame* Child(Frame* parent, const Node& enter);

  std::unordered_map<const Node*, Frame*> of_;
  std::map<std::pair<Frame*, std::string>, std::unique_ptr<Frame>> frames_;
};

}  // namespace lockstep
