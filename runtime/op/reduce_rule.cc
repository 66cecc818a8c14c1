// SPDX-License-Identifier: Apache-2.0
#include "runtime/op/reduce_rule.h"

#include "runtime/op/kernel_rules.h"

namespace lockstep {

void AddReduceRule(RunFn kernel, const ReduceRule& rule) {
  KernelRules<ReduceRule>::Add(kernel, rule);
}

const ReduceRule* FindReduceRule(const OpDef& def, const AttrMap& attrs) {
  return KernelRules<ReduceRule>::Find(def, attrs);
}

}  // namespace lockstep
