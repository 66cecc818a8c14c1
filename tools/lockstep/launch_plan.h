// SPDX-License-Identifier: Apache-2.0
#pragma once

// What lockstep launch decides, apart from processes: the command of an
// attempt, what of its output is shown, and what comes after it.

#include <string>
#include <string_view>
#include <vector>

#include "runtime/core/status.h"

namespace lockstep {

struct LaunchOptions {
  int ranks = 0;
  int min_ranks = 0;  // 0: as many as `ranks`
  int max_restarts = 0;
  std::vector<std::string> hosts;   // "name" or "name:slots"
  std::string resume = "--resume";  // given to the program from a restart on
  std::vector<std::string> program;
  bool help = false;
};

// The options end with "--"; what follows is the program. INVALID_ARGUMENT, in
// one line.
Result<LaunchOptions> ParseLaunchOptions(const std::vector<std::string>& args);
int ShowLaunchHelp();

// The program is told to go on from its checkpoint in the first attempt, too.
bool AsksToResume(const LaunchOptions& options);

// The command of an attempt with `ranks` ranks on `hosts`. `resumes`: after a
// failure, if the program keeps checkpoints and there is one.
std::vector<std::string> LaunchCommand(const LaunchOptions& options, int ranks,
                                       const std::vector<std::string>& hosts,
                                       bool resumes);
// The folder of the program's --checkpoint-dir; empty: it has none.
std::string CheckpointDir(const std::vector<std::string>& program);

// Sorts what an attempt writes, line by line: what the program says is shown
// at once behind its rank; verdicts of the lifeline are kept, once; the
// launcher's own talk is dropped.
class OutputSorter {
 public:
  // A line of standard output or standard error, without its end. Returns what
  // to show now; empty: nothing.
  std::string Take(std::string_view line, bool error);
  // Whether the ranks have told why they end.
  bool HasVerdict() const { return !verdict_.empty(); }
  // What began the end: the lifeline's first verdict, else the first error
  // line, else the rank that mpirun names: one that ended before it had a
  // lifeline. Empty: nobody said anything.
  std::string Cause() const;
  // The host of the rank that the verdict names; empty: unknown.
  std::string CulpritHost() const;
  // Whether mpirun did not find the program, or may not run it.
  bool NoProgram() const { return !executable_.empty(); }

 private:
  bool TakeLaunchersTalk(std::string_view line);

  std::string verdict_;
  std::string first_error_;
  std::string ended_first_;        // by mpirun
  std::string executable_, node_;  // that mpirun could not start, and where
  std::string handed_on_;          // a signal that mpirun got
};

// NOT_FOUND or PERMISSION_DENIED, with its name, when there is no such program
// on this machine, in PATH or where it says.
Status CheckProgram(const std::string& program);

// Whether an attempt that ended with `status` may succeed when it is made
// again: not when input was bad, and not when it was asked to stop.
bool WorthRestart(int status);
// The ranks of the next attempt: all, or as many as the hosts that are left
// have room for; 0: too few.
int RanksLeft(const LaunchOptions& options,
              const std::vector<std::string>& hosts);

}  // namespace lockstep
