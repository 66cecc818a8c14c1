// SPDX-License-Identifier: Apache-2.0
#include "distributed/mpi_baseline.h"

#include "distributed/mpi_runtime.h"

namespace lockstep {

Status MpiAllReduceBaseline(float* data, int64_t count) {
  LS_MPI(MPI_Allreduce, MPI_IN_PLACE, data, static_cast<int>(count), MPI_FLOAT,
         MPI_SUM, MPI_COMM_WORLD);
  return Ok();
}

}  // namespace lockstep
