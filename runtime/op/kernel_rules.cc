// SPDX-License-Identifier: Apache-2.0
// What is known of kernels beside how they run, by their run function.
#include <unordered_map>

#include "runtime/op/element_rule.h"
#include "runtime/op/product_rule.h"
#include "runtime/op/reduce_rule.h"
#include "runtime/op/source_rule.h"

namespace lockstep {
namespace {

// Filled before main, then read by any thread.
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

}  // namespace

void AddElementRule(RunFn kernel, const ElementRule& rule) {
  KernelRules<ElementRule>::Add(kernel, rule);
}
const ElementRule* FindElementRule(const OpDef& def, const AttrMap& attrs) {
  return KernelRules<ElementRule>::Find(def, attrs);
}

void AddReduceRule(RunFn kernel, const ReduceRule& rule) {
  KernelRules<ReduceRule>::Add(kernel, rule);
}
const ReduceRule* FindReduceRule(const OpDef& def, const AttrMap& attrs) {
  return KernelRules<ReduceRule>::Find(def, attrs);
}

void AddSourceRule(RunFn kernel, const SourceRule& rule) {
  KernelRules<SourceRule>::Add(kernel, rule);
}
const SourceRule* FindSourceRule(const OpDef& def, const AttrMap& attrs) {
  return KernelRules<SourceRule>::Find(def, attrs);
}

void AddProductRule(RunFn kernel, const ProductRule& rule) {
  KernelRules<ProductRule>::Add(kernel, rule);
}
const ProductRule* FindProductRule(const OpDef& def, const AttrMap& attrs) {
  return KernelRules<ProductRule>::Find(def, attrs);
}

}  // namespace lockstep
