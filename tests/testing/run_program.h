// SPDX-License-Identifier: Apache-2.0
#pragma once

// Runs a program of the build, alone or under mpirun, and keeps what it said.
//
//   Finished run = RunProgram({LOCKSTEP_PROGRAM, "ops"});
//   Finished both = RunProgram({MNIST_PROGRAM, "--steps", "5"}, /*ranks=*/2);
//   EXPECT_EQ(run.status, 0) << run.err;

#include <cstdint>
#include <string>
#include <vector>

namespace lockstep {

struct Finished {
  int status = -1;  // exit status; 128 + n after signal n
  std::string out;
  std::string err;
};

// Requires argv[0] to be a path. Standard input is empty. `ranks` 0: without
// mpirun.
Finished RunProgram(std::vector<std::string> argv, int ranks = 0);

// The same, but after so many microseconds, at the most, every process of it is
// killed with SIGKILL, mpirun and its ranks at once; when this returns all are
// gone. The status is 128 + 9 unless it ended before.
Finished RunAndKill(std::vector<std::string> argv, int ranks,
                    int64_t kill_after_micros);

// Lines of `text` that contain `part`.
std::vector<std::string> LinesWith(const std::string& text,
                                   const std::string& part);

// A folder that is removed with all it holds at the end.
class ScratchFolder {
 public:
  ScratchFolder();
  ~ScratchFolder();
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  const std::string& path() const { return path_; }
  std::string operator/(const std::string& name) const {
    return path_ + "/" + name;
  }

 private:
  std::string path_;
};

}  // namespace lockstep
