// SPDX-License-Identifier: Apache-2.0
#include "runtime/op/source_rule.h"

#include "runtime/op/kernel_rules.h"

namespace lockstep {

void AddSourceRule(RunFn kernel, const SourceRule& rule) {
  KernelRules<SourceRule>::Add(kernel, rule);
}

const SourceRule* FindSourceRule(const OpDef& def, const AttrMap& attrs) {
  return KernelRules<SourceRule>::Find(def, attrs);
}

}  // namespace lockstep
