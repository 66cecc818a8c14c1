// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the data-parallel rewrite knows of a gradient. Internal to distributed/.

#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "runtime/graph/graph.h"

namespace lockstep {

// The position of what is not in the graph as it was built: after all of it.
inline constexpr int kLastPosition = std::numeric_limits<int>::max();

// A gradient and the Apply* inputs that read it.
struct Gradient {
  Output output;
  std::vector<std::pair<Node*, int>> uses;
  // Where the graph as it was built makes the gradient, and where the last of
  // its uses is.
  int position = kLastPosition;
  int last_use = 0;
  std::string first_use;  // name, for ties
};

}  // namespace lockstep
