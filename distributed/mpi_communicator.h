// SPDX-License-Identifier: Apache-2.0
#pragma once

// Ranks on any machines, over MPI's non-blocking calls. Programs get one from
// mpi_context.h; of threads, deadlines and errors see communicator.h.
//
// A collective begins with a packet from each rank to each other: what it
// calls, and the data itself when that is small. So ranks that disagree find
// out before MPI does, and it is known who did not come. Data then goes in
// chunks through staging buffers of our own, never straight to the caller's
// arrays, which may be gone by the time a call given up at its deadline ends.
// Sums are made here, not by MPI, whose order is its own affair.

#include <memory>

#include "distributed/communicator.h"
#include "distributed/mpi_runtime.h"

namespace lockstep {

// Requires that all ranks of `comm` call this, and that nothing else uses it.
Result<std::unique_ptr<Communicator>> MakeMpiCommunicator(
    std::shared_ptr<MpiRuntime> runtime, MPI_Comm comm, size_t chunk_bytes);

}  // namespace lockstep
