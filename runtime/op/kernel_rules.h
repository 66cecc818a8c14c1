// SPDX-License-Identifier: Apache-2.0
#pragma once

// KernelRules: what is known of kernels beside how they run, by their run
// function: ElementRule, ReduceRule. Filled before main, then read by any
// thread.

#include <unordered_map>

#include "runtime/op/op_def.h"

namespace lockstep {

template <class Rule>
class KernelRules {
 public:
  static void Add(RunFn kernel, const Rule& rule) {
    All().emplace(kernel, rule);
  }
  // Of the CPU's kernel of an op with these attributes; null when it has none.
  static const Rule* Find(const OpDef& def, const AttrMap& attrs) {
    const KernelDef* kernel = def.FindKernel(kCpu, attrs);
    if (!kernel) return nullptr;
    const auto it = All().find(kernel->run);
    return it == All().end() ? nullptr : &it->second;
  }

 private:
  static std::unordered_map<RunFn, Rule>& All() {
    // Never destroyed, like the op registry.
    static auto* rules = new std::unordered_map<RunFn, Rule>;
    return *rules;
  }
};

}  // namespace lockstep
