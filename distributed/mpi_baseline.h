// SPDX-License-Identifier: Apache-2.0
#pragma once

// What to compare all-reduce with: `lockstep bench allreduce`. Requires that
// MPI runs (mpi_context.h) and that nothing else calls it meanwhile.

#include <cstdint>
#include <memory>

#include "runtime/core/status.h"

namespace lockstep {

// MPI_Allreduce of floats over all ranks, in place; blocks until all have come.
Status MpiAllReduceBaseline(float* data, int64_t count);

// What the machine allows: each rank's array is in memory that all map, each
// rank adds up its part of all arrays and writes it to all, in one loop.
// Nothing is checked and nobody is missed: a rank that does not come is waited
// for, spinning. For one thread of each rank.
//
//   LS_ASSIGN_OR_RETURN(auto plain, PlainAllReduce::Create(1 << 20));
//   plain->Sum(count);                      // of plain->data(), in place
class PlainAllReduce {
 public:
  // For up to `most` elements. Collective. FAILED_PRECONDITION when the ranks
  // are not on one machine, RESOURCE_EXHAUSTED.
  static Result<std::unique_ptr<PlainAllReduce>> Create(int64_t most);
  ~PlainAllReduce();

  float* data() const;
  void Sum(int64_t count);

 private:
  struct Shared;
  explicit PlainAllReduce(std::unique_ptr<Shared> shared);

  std::unique_ptr<Shared> shared_;
};

}  // namespace lockstep
