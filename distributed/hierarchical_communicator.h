// SPDX-License-Identifier: Apache-2.0
#pragma once

// Ranks on several machines that reduce in three steps: each rank combines its
// slice of what the ranks of its machine have, exchanges it with the ranks that
// have the same slice on other machines, and gives the result to its machine.
// So all that goes between machines goes once for a machine, by all its ranks
// at the same time; of a machine with more ranks than the smallest one, by so
// many of them, the first. Whatever is small, or no reduction, goes through the
// communicator of all ranks. Programs get one from mpi_context.h; of threads,
// deadlines and errors see communicator.h.
//
// Machines whose ranks are a power of two of consecutive ranks are subtrees of
// the tree that sums follow (reduce.h): the bits are those of other backends.
// The update of a reduction is made by each machine for itself, divided among
// its ranks; where it fails, other machines may learn so by their next call.

#include <memory>

#include "distributed/communicator.h"

namespace lockstep {

struct RankGroups {
  // Of all ranks; of the ranks of this one's machine; of the ranks with this
  // one's number on each machine, null where a machine has none of that number.
  // Shared: a program may keep using one of them between the calls of this one.
  std::shared_ptr<Communicator> world, machine, across;
};

// Called by all ranks.
Result<std::unique_ptr<Communicator>> MakeHierarchicalCommunicator(
    RankGroups groups);

}  // namespace lockstep
