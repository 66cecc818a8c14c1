// SPDX-License-Identifier: Apache-2.0
#pragma once

// DeviceSet: the devices that one task of a job can place ops on.
//
//   DeviceSet devices = DeviceSet::Local(/*task=*/0, /*cpus=*/1);
//   devices.all()[0].name.ToString();   // /job:worker/task:0/device:CPU:0

#include <vector>

#include "runtime/device/device_name.h"

namespace lockstep {

struct Device {
  DeviceName name;  // complete
};

class DeviceSet {
 public:
  // The CPU devices of a task.
  static DeviceSet Local(int task, int cpus) {
    DeviceSet set;
    for (int i = 0; i < cpus; ++i) {
      set.devices_.push_back({{.job = "worker", .replica = {}, .task = task,
                               .type = "CPU", .index = i}});
    }
    return set;
  }
  const std::vector<Device>& all() const { return devices_; }
  std::string ToString() const;  // "/cpu:0, /gpu:0", for messages

 private:
  std::vector<Device> devices_;
};

inline std::string DeviceSet::ToString() const {
  std::string out;
  for (const Device& d : devices_) {
    if (!out.empty()) out += ", ";
    out += d.name.Short();
  }
  return out;
}

}  // namespace lockstep
