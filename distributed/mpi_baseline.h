// SPDX-License-Identifier: Apache-2.0
#pragma once

// MPI's own all-reduce, to compare with: `lockstep bench allreduce`. Requires
// that MPI runs (mpi_context.h) and that nothing else calls it meanwhile.

#include <cstdint>

#include "runtime/core/status.h"

namespace lockstep {

// MPI_Allreduce of floats over all ranks, in place; blocks until all have come.
Status MpiAllReduceBaseline(float* data, int64_t count);

}  // namespace lockstep
