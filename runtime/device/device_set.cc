// SPDX-License-Identifier: Apache-2.0
#include "runtime/device/device_set.h"

#include <algorithm>

namespace lockstep {

DeviceSet DeviceSet::Local(int task, int cpus) {
  DeviceSet set;
  for (int i = 0; i < cpus; ++i) {
    set.Add({.name = {.job = "worker",
                      .replica = {},
                      .task = task,
                      .type = "CPU",
                      .index = i}});
  }
  return set;
}

int DeviceSet::IndexOf(std::string_view name) const {
  const auto it = std::ranges::find(names_, name);
  return it == names_.end() ? -1 : static_cast<int>(it - names_.begin());
}

std::string DeviceSet::ToString() const {
  std::string out;
  for (const Device& d : devices_) {
    if (!out.empty()) out += ", ";
    out += d.name.Short();
  }
  return out;
}

}  // namespace lockstep
