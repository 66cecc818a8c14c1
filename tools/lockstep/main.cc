// SPDX-License-Identifier: Apache-2.0
// lockstep: the command line.
//   lockstep bench mlp --threads 2      step times, see lockstep bench --help
#include <iostream>
#include <string>
#include <vector>

#include "tools/lockstep/bench.h"

int main(int argc, char** argv) {
  const std::vector<std::string> args(argv + 1, argv + argc);
  const std::string usage =
      "usage: lockstep COMMAND ...\n"
      "  bench NAME    step times of a reference model\n";
  if (args.empty() || args[0] == "--help" || args[0] == "help") {
    (args.empty() ? std::cerr : std::cout) << usage;
    return args.empty() ? 2 : 0;
  }
  if (args[0] == "bench") {
    return lockstep::BenchMain({args.begin() + 1, args.end()});
  }
  std::cerr << "lockstep: there is no command '" << args[0] << "'\n";
  return 2;
}
