// SPDX-License-Identifier: Apache-2.0
#pragma once

// What this machine knows of a rank's process, and of the processors given to
// the ranks that share the machine.

#include <sched.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace lockstep {

// False when no such process runs on this machine, or only its remains
// (a zombie). A process of another user counts as alive.
bool ProcessIsAlive(int32_t process);
// The letter that the system has for its state: 'R' and 'S' run or wait, 'T' is
// stopped, 'Z' what remains. 0: there is no such process, or it is hidden.
char ProcessState(int32_t process);
// Whether a process in that state runs, if perhaps without a processor just
// now.
bool StateRuns(char state);
// Of the remains of a process: "was killed by signal 9", "exited with status
// 0". Empty when they are gone or may not be looked at.
std::string ProcessEnd(int32_t process);

// A process of this host and the rank that it was started as.
struct JobProcess {
  int32_t process = 0;
  std::string rank;
};
// Those that were started with `variable` set to `value`, and what their
// `rank_variable` was. Those that may not be looked at are left out.
std::vector<JobProcess> ProcessesWith(const std::string& variable,
                                      const std::string& value,
                                      const std::string& rank_variable);

// The threads rank `rank` should use: each processor of its mask is divided
// among the ranks whose masks contain it. At least 1.
int ThreadShare(std::span<const cpu_set_t> masks, int rank);
// Processors in any of the masks.
int CountProcessors(std::span<const cpu_set_t> masks);

}  // namespace lockstep
