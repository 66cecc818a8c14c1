// SPDX-License-Identifier: Apache-2.0
#include "runtime/op/reduce_rule.h"

#include <unordered_map>

namespace lockstep {
namespace {

std::unordered_map<RunFn, ReduceRule>& Rules() {
  // Never destroyed, like the op registry.
  static auto* rules = new std::unordered_map<RunFn, ReduceRule>;
  return *rules;
}

}  // namespace

void AddReduceRule(RunFn kernel, const ReduceRule& rule) {
  Rules().emplace(kernel, rule);
}

const ReduceRule* FindReduceRule(const OpDef& def, const AttrMap& attrs) {
  const KernelDef* kernel = def.FindKernel(kCpu, attrs);
  if (!kernel) return nullptr;
  const auto it = Rules().find(kernel->run);
  return it == Rules().end() ? nullptr : &it->second;
}

}  // namespace lockstep
