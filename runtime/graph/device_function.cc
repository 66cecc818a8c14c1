// SPDX-License-Identifier: Apache-2.0
#include "runtime/graph/device_function.h"

#include "runtime/device/device_name.h"

namespace lockstep {

DeviceFunction::~DeviceFunction() {
  for (Node* n : graph_.nodes()) {
    if (n->id() >= first_) Ask(n);
  }
}

void DeviceFunction::Ask(Node* node) const {
  if (const Node* beside = Beside(*node)) {
    node->set_requested_device(beside->requested_device());
    return;
  }
  std::string device = function_(*node);
  const Status parsed = DeviceName::Parse(device).status();
  if (parsed.ok()) {
    node->set_requested_device(std::move(device));
  } else {
    graph_.UpdateStatus(
        parsed.WithContext(StrCat("device of node '", node->name(), "'")));
  }
}

const Node* DeviceFunction::Beside(const Node& node) const {
  constexpr std::string_view kPrefix = "loc:@";
  const auto* groups = GetIf<std::vector<std::string>>(node.attrs(), "_class");
  if (!groups) return nullptr;
  for (const std::string& group : *groups) {
    if (!group.starts_with(kPrefix)) continue;
    const Node* other = graph_.Find(group.substr(kPrefix.size()));
    if (other && other != &node) return other;
  }
  return nullptr;
}

}  // namespace lockstep
