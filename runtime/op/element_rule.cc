// SPDX-License-Identifier: Apache-2.0
#include "runtime/op/element_rule.h"

#include "runtime/op/kernel_rules.h"

namespace lockstep {

void AddElementRule(RunFn kernel, const ElementRule& rule) {
  KernelRules<ElementRule>::Add(kernel, rule);
}

const ElementRule* FindElementRule(const OpDef& def, const AttrMap& attrs) {
  return KernelRules<ElementRule>::Find(def, attrs);
}

}  // namespace lockstep
