// SPDX-License-Identifier: Apache-2.0
#include "runtime/graph/function.h"

#include <algorithm>

namespace lockstep {

bool HasEffect(const Node& node) {
  const OpTraits& t = node.traits();
  return t.stateful && !t.random && !t.variable && !t.placeholder &&
         !t.constant && !t.only_reads && t.alias.first < 0 &&
         node.op() != "_Feed";
}

std::vector<Node*> Function::Effects() const {
  std::vector<Node*> nodes = control_results;
  for (Node* n : body.nodes()) {
    if (HasEffect(*n) && std::ranges::find(nodes, n) == nodes.end()) {
      nodes.push_back(n);
    }
  }
  return nodes;
}

Status FunctionLibrary::Add(Function function) {
  if (Find(function.name)) {
    return AlreadyExists("there is already a function '", function.name, "'");
  }
  std::string name = function.name;
  functions_.emplace(std::move(name),
                     std::make_shared<const Function>(std::move(function)));
  return Ok();
}

void FunctionLibrary::AddBroken(const std::string& name, Status error) {
  broken_.insert_or_assign(name, std::move(error));
}

void FunctionLibrary::SetGradient(const std::string& function,
                                  const std::string& gradient) {
  gradients_.insert_or_assign(function, gradient);
}

std::string FunctionLibrary::GradientOf(std::string_view function) const {
  for (const FunctionLibrary* at = this; at; at = at->parent_.get()) {
    auto it = at->gradients_.find(function);
    if (it != at->gradients_.end()) return it->second;
  }
  return "";
}

std::shared_ptr<const Function> FunctionLibrary::Find(
    std::string_view name) const {
  for (const FunctionLibrary* at = this; at; at = at->parent_.get()) {
    auto it = at->functions_.find(name);
    if (it != at->functions_.end()) return it->second;
  }
  return nullptr;
}

Result<std::shared_ptr<const Function>> FunctionLibrary::Get(
    std::string_view name) const {
  if (auto found = Find(name)) return found;
  for (const FunctionLibrary* at = this; at; at = at->parent_.get()) {
    auto it = at->broken_.find(name);
    if (it != at->broken_.end()) return it->second;
  }
  const std::string near = NearestName(name, Names());
  return NotFound("there is no function '", name, "' in the library",
                  near.empty() ? "" : StrCat("; did you mean '", near, "'?"));
}

std::string FunctionLibrary::UniqueName(std::string_view base) const {
  std::string name(base);
  for (int i = 1; Find(name); ++i) name = StrCat(base, "_", i);
  return name;
}

std::vector<std::string> FunctionLibrary::Names() const {
  std::vector<std::string> names =
      parent_ ? parent_->Names() : std::vector<std::string>();
  for (const auto& [name, unused] : functions_) names.push_back(name);
  std::ranges::sort(names);
  return names;
}

}  // namespace lockstep
