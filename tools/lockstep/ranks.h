// SPDX-License-Identifier: Apache-2.0
#pragma once

// A command that runs itself as several ranks.

#include <string>
#include <vector>

#include "runtime/core/status.h"

namespace lockstep {

// Whether a launcher started this process as one of several ranks.
bool IsRank();

// Lets Open MPI start ranks as root, in a container, and more of them than
// there are processors, as tools/mpi_environment does; and lets OpenMP's
// threads spin for a moment only, which costs nothing on processors of their
// own and much where other ranks need them (docs/performance.md). What the user
// has set stays.
void SetMpirunDefaults();

// Runs `lockstep ARGS` as `ranks` processes under mpirun, instead of this
// process; returns only when that cannot be done: NOT_FOUND without mpirun.
Status BecomeRanks(int ranks, const std::vector<std::string>& args);

}  // namespace lockstep
