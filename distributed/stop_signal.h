// SPDX-License-Identifier: Apache-2.0
#pragma once

// The wish to stop that comes as a signal: SIGTERM, or SIGUSR2, which mpirun
// hands on to its ranks. Noted, not acted on.

namespace lockstep {

// Where the program takes no care of these signals itself. The calling thread
// and those that it makes from then on block them, a thread of their own waits
// for them: to be called before threads that compute are made. Processes that
// are started inherit what is blocked.
void TakeStopSignals();
// SIGTERM ends the process again, on the same thread; SIGUSR2 is still taken.
void LetTermEnd();
// As they were before, on the same thread. Where one came, SIGUSR2 does not end
// the process even then: lockstep launch repeats it until all ranks have ended.
void RestoreStopSignals();
// The last one that came; 0: none.
int StopSignal();

}  // namespace lockstep
