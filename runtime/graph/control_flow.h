// SPDX-License-Identifier: Apache-2.0
#pragma once

// The ops that decide what runs: Switch and Merge, the frames of TensorFlow
// 1's loops, calls of functions. The planner itself carries them out, so they
// have no kernels.
//
//   Switch, Merge           stay in the plan: steps behind a Switch have
//                           conditions and are passed over when one is false
//   Enter ... Exit          become one `_Loop` each (passes/extract_loops.h)
//   PartitionedCall ...     are replaced by the function's body
//                           (passes/inline_calls.h)
//   If, Case, While, _Loop  are steps that run plans of their functions

#include <string>
#include <string_view>
#include <vector>

#include "runtime/graph/graph.h"

namespace lockstep {

bool IsSwitch(const Node& n);  // Switch, RefSwitch
bool IsMerge(const Node& n);   // Merge, RefMerge
bool IsEnter(const Node& n);   // Enter, RefEnter
bool IsExit(const Node& n);
bool IsNextIteration(const Node& n);
bool IsLoopCond(const Node& n);
// PartitionedCall, StatefulPartitionedCall, SymbolicGradient
bool IsCall(const Node& n);
bool IsGradientCall(const Node& n);  // SymbolicGradient
bool IsBranch(const Node& n);        // If, StatelessIf, Case, StatelessCase
bool IsLoop(const Node& n);          // While, StatelessWhile, _Loop
bool IsArg(const Node& n);           // _Arg, _RefArg

// An op that the planner carries out itself.
bool IsControlFlowOp(std::string_view op);

// If, Case, While, _Loop: a step that runs functions.
inline bool RunsFunctions(const Node& n) { return IsBranch(n) || IsLoop(n); }

// The functions that a call, branch or loop names: the callee; then, else;
// cond, body; the branches. Empty for other nodes.
std::vector<std::string> FunctionsOf(const Node& n);

// A `_Loop` or branch updates the variable that its input i stands for, or may.
bool PassesHandle(const Node& n, int i);

// What two shapes agree on: sizes that differ are unknown, ranks that differ
// leave nothing.
Shape CommonShape(const Shape& a, const Shape& b);

}  // namespace lockstep
