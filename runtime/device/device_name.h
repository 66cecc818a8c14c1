// SPDX-License-Identifier: Apache-2.0
#pragma once

// DeviceName: "/job:worker/task:1/device:GPU:0", in full or in part.
//
// "/gpu:1", "/device:GPU:*", "/cpu:0" and "/job:worker/replica:0/task:1" are
// partial names; a missing part stands for "any". The type is upper case.
//
//   LS_ASSIGN_OR_RETURN(DeviceName want, DeviceName::Parse("/gpu:1"));
//   want.Covers(*DeviceName::Parse("/job:worker/task:0/device:GPU:1"));  //
//   true

#include <optional>
#include <string>
#include <string_view>

#include "runtime/core/status.h"

namespace lockstep {

enum DeviceKind { kCpu, kGpu };

struct DeviceName {
  std::optional<std::string> job;
  std::optional<int> replica;
  std::optional<int> task;
  std::optional<std::string> type;  // "CPU", "GPU"
  std::optional<int> index;

  // INVALID_ARGUMENT with the text. "" is the name that covers all devices.
  static Result<DeviceName> Parse(std::string_view text);
  // Every part that is given is the same in `other`.
  bool Covers(const DeviceName& other) const;
  // Parts given here, else those of `outer`: how device scopes nest.
  DeviceName Over(const DeviceName& outer) const;
  std::string ToString() const;  // "/job:worker/task:0/device:CPU:0"
  std::string Short() const;     // "/cpu:0"
};

}  // namespace lockstep
