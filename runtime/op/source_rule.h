// SPDX-License-Identifier: Apache-2.0
#pragma once

// SourceRule: how a kernel whose elements are functions of their numbers (and
// of the run) alone, as random ones are, makes some of them outside its step,
// so that they need not be in memory: what reads them makes them block by block
// (runtime/graph/passes/fuse_elements.h). For authors of kernels.
//
// Rules are registered with the kernel, by its run function, before main:
//
//   AddSourceRule(RandomCpu, {.make = MakeStream, .fill = FillFromStream});
//
// Read by any thread.

#include <memory>
#include <string_view>

#include "runtime/core/shape.h"
#include "runtime/op/op_def.h"

namespace lockstep {

struct RunInfo;  // runtime/op/kernel.h

struct SourceRule {
  // What `fill` is given, of the node of that name and its output's shape.
  std::shared_ptr<const void> (*make)(const AttrMap& attrs,
                                      std::string_view node,
                                      const Shape& shape) = nullptr;
  // y[i] = what the kernel makes as element first + i, to the bit. Any thread.
  void (*fill)(const void* source, const RunInfo& run, int64_t first, int64_t n,
               void* y) = nullptr;
  // Of one element, in additions.
  int cost = 1;
};

void AddSourceRule(RunFn kernel, const SourceRule& rule);
// Of the CPU's kernel of an op with these attributes; null when it has none.
const SourceRule* FindSourceRule(const OpDef& def, const AttrMap& attrs);

}  // namespace lockstep
