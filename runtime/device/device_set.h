// SPDX-License-Identifier: Apache-2.0
#pragma once

// DeviceSet: the devices of a job, as one task of it sees them - its own, which
// have hardware, and those of the other tasks, which have names only.
//
//   DeviceSet devices;
//   devices.Add({.name = *DeviceName::Parse("/job:worker/task:0/cpu:0")});
//   devices.all()[0].name.Short();   // "/cpu:0"

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/device/device_memory.h"
#include "runtime/device/device_name.h"

namespace lockstep {

struct Device {
  DeviceName name;  // complete
  // Null for the devices of other tasks, and where nothing is run.
  std::shared_ptr<DeviceMemory> memory = nullptr;

  DeviceKind kind() const { return name.type == "GPU" ? kGpu : kCpu; }
  bool is_virtual() const {
    return memory != nullptr && memory->hardware().is_virtual();
  }
};

class DeviceSet {
 public:
  // The CPU devices of a task, without memory: for placement alone.
  static DeviceSet Local(int task, int cpus);

  void Add(Device device) {
    names_.push_back(device.name.ToString());
    devices_.push_back(std::move(device));
  }
  const std::vector<Device>& all() const { return devices_; }
  // The device of that complete name, as its place in all(); -1: none.
  int IndexOf(std::string_view name) const;
  std::string ToString() const;  // "/cpu:0, /gpu:0", for messages

 private:
  std::vector<Device> devices_;
  std::vector<std::string> names_;  // complete; looked up for every node
};

}  // namespace lockstep
