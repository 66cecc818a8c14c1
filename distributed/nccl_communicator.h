// SPDX-License-Identifier: Apache-2.0
#pragma once

// Ranks that each have a GPU, over NCCL, on a stream of its own. For builds
// with CUDA.
//
// Arrays are in the memory of the rank's GPU; what was enqueued on them is
// done, or on the stream that FollowStream named. Those in host memory are left
// to the communicator below. Calls return when theirs is done. A second
// communicator of the same ranks, over the host, compares the calls before data
// moves, carries NCCL's id and the first failure, and knows who is missing;
// NCCL's own is non-blocking, so that a call is given up at its deadline and
// the communicator aborted. Reductions combine in NCCL's order: the same each
// time for the same ranks on the same machines, not that of the ranks.
//
//   LS_ASSIGN_OR_RETURN(auto host, mpi->MakeCommunicator());
//   LS_ASSIGN_OR_RETURN(auto nccl, MakeNcclCommunicator(std::move(host), 0));
//   LS_RETURN_IF_ERROR(nccl->AllReduce(x, x, n, kFloat));

#include <memory>

#include "distributed/gpu_exchange.h"

namespace lockstep {

// Requires that all ranks of `host` call this. `gpu` is CUDA's number.
Result<std::unique_ptr<GpuCommunicator>> MakeNcclCommunicator(
    std::unique_ptr<Communicator> host, int gpu);

}  // namespace lockstep
