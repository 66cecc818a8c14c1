// SPDX-License-Identifier: Apache-2.0
#include "runtime/op/element_rule.h"

#include <unordered_map>

namespace lockstep {
namespace {

std::unordered_map<RunFn, ElementRule>& Rules() {
  // Never destroyed, like the op registry.
  static auto* rules = new std::unordered_map<RunFn, ElementRule>;
  return *rules;
}

}  // namespace

void AddElementRule(RunFn kernel, const ElementRule& rule) {
  Rules().emplace(kernel, rule);
}

const ElementRule* FindElementRule(const OpDef& def, const AttrMap& attrs) {
  const KernelDef* kernel = def.FindKernel(kCpu, attrs);
  if (!kernel) return nullptr;
  const auto it = Rules().find(kernel->run);
  return it == Rules().end() ? nullptr : &it->second;
}

}  // namespace lockstep
