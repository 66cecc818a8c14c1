// SPDX-License-Identifier: Apache-2.0
#pragma once

// ElementRule: how a kernel that works element by element computes a run of
// elements outside its step, so that neighbouring ops can be computed together
// (runtime/graph/passes/fuse_elements.h). For authors of kernels; a kernel
// without a rule is never fused.
//
// Rules are registered with the kernel, by its run function, before main:
//
//   void ReluElements(const void* x, const void*, const void*, void* y,
//                     int64_t n) {
//     UnaryRun<ReluFn, float>(...);       // the loop that the kernel runs, too
//   }
//   AddElementRule(ReluCpu, {.run = ReluElements});
//
// Binary(), Unary() and VectorUnary() of ops/math do it for their functors.
// Read by any thread.

#include "runtime/core/shape.h"
#include "runtime/op/op_def.h"

namespace lockstep {

// Runs have a multiple of so many elements, so that loops have no remainder.
inline constexpr int64_t kElementBlock = 16;

// y[i] = f(a[i], b[i], c[i]) for i < n, a multiple of kElementBlock; what the
// op lacks of a, b, c is not read. y may be one of them. Each result must
// depend on its own elements alone, to the bit. No operand is refused.
using ElementFn = void (*)(const void* a, const void* b, const void* c, void* y,
                           int64_t n);

struct ElementRule {
  // Null when `choose` is given, or for an op whose output is its first input,
  // spread over the output's shape (BroadcastTo).
  ElementFn run = nullptr;
  // For kernels of several types: the run by the node's attributes.
  ElementFn (*choose)(const AttrMap&) = nullptr;
  // Whether operands broadcast to the output as NumPy's do; null: always.
  bool (*fits)(const AttrMap&, std::span<const Shape> inputs) = nullptr;
  // The inputs that have elements, from the first; 0: all of them.
  int operands = 0;
  // More than two inputs are computed as f(f(a, b), c) ...
  bool folds = false;
  // Of one element, in additions.
  int cost = 1;

  ElementFn RunOf(const AttrMap& attrs) const {
    return choose != nullptr ? choose(attrs) : run;
  }
  bool spreads() const { return run == nullptr && choose == nullptr; }
};

void AddElementRule(RunFn kernel, const ElementRule& rule);
// Of the CPU's kernel of an op with these attributes; null when it has none.
const ElementRule* FindElementRule(const OpDef& def, const AttrMap& attrs);

}  // namespace lockstep
