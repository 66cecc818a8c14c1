// SPDX-License-Identifier: Apache-2.0
#pragma once

// The mnist example as a program. MNIST_PROGRAM is defined by CMake.

#include <string>
#include <vector>

#include "tests/testing/run_program.h"

namespace lockstep {

// `ranks` 0: without mpirun.
inline Finished RunMnist(std::vector<std::string> args, int ranks = 0) {
  args.insert(args.begin(), MNIST_PROGRAM);
  return RunProgram(std::move(args), ranks);
}

}  // namespace lockstep
