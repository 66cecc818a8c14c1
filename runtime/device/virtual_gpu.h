// SPDX-License-Identifier: Apache-2.0
#pragma once

// Virtual GPUs stand in for GPUs where there are none: each has a byte limit,
// memory that counts against it, and queues of its own; its kernels are the
// CPU's, but only of ops that a GPU has kernels for. Thread-safe.
//
//   std::vector<std::shared_ptr<Hardware>> gpus = VirtualGpus({.count = 2});
//   gpus[1]->description();    // "virtual GPU 1"

#include <memory>
#include <vector>

#include "runtime/device/hardware.h"

namespace lockstep {

struct VirtualGpuOptions {
  int count = 0;
  size_t bytes = size_t{256} << 20;  // each
};

// The first `count` virtual GPUs of this size; the same objects each time, so
// that sessions share them.
std::vector<std::shared_ptr<Hardware>> VirtualGpus(
    const VirtualGpuOptions& options);

}  // namespace lockstep
