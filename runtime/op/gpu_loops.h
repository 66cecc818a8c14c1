// SPDX-License-Identifier: Apache-2.0
#pragma once

// What gpu_launch.h makes of kernels where the compiler is not CUDA's: loops.
// Whoever links .cu files that were compiled so defines these; tests do.
//
// gpu_loops_test runs a loop at once, with groups of one lane. The stand-in for
// GPUs (tests/gpu/stand_in) gives it to a stream, with lanes that wait for each
// other as threads do.

#include <cstddef>
#include <functional>

#include "runtime/core/status.h"

namespace lockstep::gpu {

// Runs `loops` in the order of a stream, a cudaStream_t or null. `captured`:
// the kernel's operands, among which addresses may be looked for.
Status RunLoops(void* stream, const void* captured, size_t bytes,
                std::function<void()> loops);

// How many lanes a group gets that would have `width` threads.
int LanesOf(int width);
// Runs lane(0) to lane(lanes - 1), which call AwaitLanes equally often.
void RunLanes(int lanes, const std::function<void(int)>& lane);
// Returns when all lanes have called it.
void AwaitLanes();

}  // namespace lockstep::gpu
