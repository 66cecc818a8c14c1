// SPDX-License-Identifier: Apache-2.0
#pragma once

// The devices of a session, with its memory on each, as its options ask for.
//
//   LS_ASSIGN_OR_RETURN(DeviceSet devices, MakeSessionDevices(options));
//   devices.ToString();   // "/cpu:0, /gpu:0"

#include "runtime/device/device_set.h"
#include "runtime/exec/session_options.h"

namespace lockstep {

// The GPUs of this process that options.gpu_options make visible, in order.
// INVALID_ARGUMENT for a visible_device_list that names none.
Result<std::vector<std::shared_ptr<Hardware>>> VisibleGpus(
    const SessionOptions& options);

// RESOURCE_EXHAUSTED naming both sessions when a device's memory is promised
// to others.
Result<DeviceSet> MakeSessionDevices(const SessionOptions& options);

}  // namespace lockstep
