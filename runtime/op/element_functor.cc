// SPDX-License-Identifier: Apache-2.0
#include "runtime/op/element_functor.h"

#include <unordered_map>

#include "runtime/op/op_def.h"

namespace lockstep {
namespace {

std::unordered_map<std::string, std::string>& Functors() {
  // Never destroyed, like the op registry.
  static auto* functors = new std::unordered_map<std::string, std::string>;
  return *functors;
}

}  // namespace

void AddElementFunctor(const std::string& op, std::string functor) {
  Functors().emplace(op, std::move(functor));
}

const std::string* ElementFunctorOf(const OpDef& def) {
  const auto it = Functors().find(def.name);
  return it == Functors().end() ? nullptr : &it->second;
}

}  // namespace lockstep
