// SPDX-License-Identifier: Apache-2.0
#pragma once

// The wish to stop that comes as a signal: SIGTERM, or SIGUSR2, which mpirun
// hands on to its ranks. Noted, not acted on.

namespace lockstep {

// Where the program takes no care of these signals itself.
void TakeStopSignals();
// As they were before.
void RestoreStopSignals();
// The last one that came; 0: none.
int StopSignal();

}  // namespace lockstep
