// SPDX-License-Identifier: Apache-2.0
#pragma once

// ReduceRule: how a kernel that reduces its input 0 over axes takes in its
// elements outside its step, so that they need not be in memory: the op can
// end a chain of element-wise ops (runtime/graph/passes/fuse_elements.h). For
// authors of kernels; a reduction without a rule ends no chain.
//
// Elements are accumulated in kReduceLanes lanes, element i of a run in lane
// i % kReduceLanes, as the kernel does, so that results have the same bits.
// Rules are registered with the kernel, by its run function, before main;
// Reduction() of ops/reduce does it. Read by any thread.

#include "runtime/core/tensor.h"
#include "runtime/op/op_def.h"

namespace lockstep {

inline constexpr int64_t kReduceLanes = 16;
// Of an accumulator, at most.
inline constexpr size_t kMaxAccumulatorBytes = 16;

struct ReduceRule {
  size_t bytes = 0;  // of an accumulator
  void (*begin)(void* lanes) = nullptr;
  // Takes in x[0..n) of a run; n is a multiple of kReduceLanes but at its end.
  void (*step)(const void* x, int64_t n, void* lanes) = nullptr;
  void (*end)(void* lanes, void* accumulator) = nullptr;
  // What another part of the same run has, which comes behind.
  void (*merge)(void* accumulator, const void* more) = nullptr;
  // y of `count` elements.
  void (*finish)(const void* accumulator, int64_t count, void* y) = nullptr;
};

void AddReduceRule(RunFn kernel, const ReduceRule& rule);
// Of the CPU's kernel of an op with these attributes; null when it has none.
const ReduceRule* FindReduceRule(const OpDef& def, const AttrMap& attrs);

}  // namespace lockstep
