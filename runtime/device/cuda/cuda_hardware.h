// SPDX-License-Identifier: Apache-2.0
#pragma once

// The machine's GPUs. For builds with CUDA; where there is no driver or no GPU
// there are none, and nothing fails. Thread-safe.
//
//   for (const auto& gpu : CudaGpus()) LogInfo(gpu->description());
//
// Memory comes from a pool of each GPU. It is given back in the order of the
// work that the GPU has been given: whatever is enqueued when it is freed may
// still use it.

#include <vector>

#include "runtime/device/hardware.h"

namespace lockstep {

// In the order of CUDA_VISIBLE_DEVICES; the same objects each time.
const std::vector<std::shared_ptr<Hardware>>& CudaGpus();

// The number by which CUDA knows a GPU of CudaGpus(); -1 for other hardware.
int CudaIndex(const Hardware& hardware);

// A range of GPU `index`'s memory that grows in place.
Result<std::unique_ptr<Arena>> MakeCudaArena(int index, size_t limit);
// A stream with events.
Result<std::unique_ptr<Queue>> MakeCudaQueue(int index, QueueKind kind);

}  // namespace lockstep
