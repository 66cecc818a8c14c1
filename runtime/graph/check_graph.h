// SPDX-License-Identifier: Apache-2.0
#pragma once

// What in a graph of somebody else would not run here, all at once: unknown
// ops, attributes that an op does not take, types without a kernel, and, when
// there is nothing of these, the first thing that keeps the graph from being
// imported. Bodies of library functions are looked at too. A function of any
// thread.
//
//   LS_ASSIGN_OR_RETURN(GraphCheck check, CheckGraphFile(env, "model.meta"));
//   for (const GraphProblem& p : check.problems) Print(p.text, p.nodes);

#include <string>
#include <vector>

#include "runtime/core/env.h"

namespace lockstep {

struct GraphProblem {
  enum class Kind { kUnknownOp, kAttribute, kKernel, kGraph };
  Kind kind = Kind::kUnknownOp;
  std::string op;    // empty for kGraph
  std::string text;  // "there is no op 'Foo'"
  // Names of the nodes; those of a function's body as "function/node".
  std::vector<std::string> nodes;
};

struct GraphCheck {
  int num_nodes = 0;  // with those of function bodies
  int num_functions = 0;
  std::vector<GraphProblem> problems;  // equal ones are put together
};

// `path` as for ReadGraphFile (meta_graph.h), and its errors for a file that
// is no graph at all. Kernels are looked for on the CPU.
Result<GraphCheck> CheckGraphFile(Env& env, const std::string& path);

}  // namespace lockstep
