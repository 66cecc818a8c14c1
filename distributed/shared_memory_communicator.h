// SPDX-License-Identifier: Apache-2.0
#pragma once

// Ranks as processes on one machine, over an MPI shared window. After the
// group is formed no MPI call is made. Programs get one from mpi_context.h; of
// threads, deadlines and errors see communicator.h.

#include <memory>

#include "distributed/mpi_runtime.h"
#include "distributed/segment_communicator.h"

namespace lockstep {

// Requires that all ranks of `comm` are on one machine and call this together.
// RESOURCE_EXHAUSTED on all of them when one cannot map the memory. `host`:
// what this rank's arrays are in; null: new memory. Where the system does not
// let ranks map each other's, arrays are copied through the window.
Result<std::unique_ptr<Communicator>> MakeSharedMemoryCommunicator(
    std::shared_ptr<MpiRuntime> runtime, MPI_Comm comm, size_t half_bytes,
    std::shared_ptr<SharedHost> host = nullptr);

}  // namespace lockstep
