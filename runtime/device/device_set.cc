// SPDX-License-Identifier: Apache-2.0
#include "runtime/device/device_set.h"

namespace lockstep {

DeviceSet DeviceSet::Local(int task, int cpus) {
  DeviceSet set;
  for (int i = 0; i < cpus; ++i) {
    set.Add({.name = {.job = "worker", .replica = {}, .task = task,
                      .type = "CPU", .index = i}});
  }
  return set;
}

int DeviceSet::IndexOf(std::string_view name) const {
  for (size_t i = 0; i < devices_.size(); ++i) {
    if (devices_[i].name.ToString() == name) return static_cast<int>(i);
  }
  return -1;
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
