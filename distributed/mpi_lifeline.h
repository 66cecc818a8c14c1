// SPDX-License-Identifier: Apache-2.0
#pragma once

// How the ranks that MPI started find each other's lifelines.

#include <mpi.h>

#include <memory>

#include "distributed/lifeline.h"

namespace lockstep {

// Called by all ranks of `world`; `node`: those on this machine. Null where
// LOCKSTEP_LIFELINE=0, and, with a warning, on all ranks when some cannot
// connect. An error, on all ranks, for settings that are wrong.
Result<std::unique_ptr<Lifeline>> StartLifeline(MPI_Comm world, MPI_Comm node);

}  // namespace lockstep
