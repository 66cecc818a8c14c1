// SPDX-License-Identifier: Apache-2.0
// lockstep: the command line.
//   lockstep run --graph graph.pb --case case.json --out values
//   lockstep bench mlp --threads 2      step times, see lockstep bench --help
#include <csignal>
#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include "tools/lockstep/bench.h"
#include "tools/lockstep/check.h"
#include "tools/lockstep/command.h"
#include "tools/lockstep/inspect.h"
#include "tools/lockstep/launch.h"
#include "tools/lockstep/ops.h"
#include "tools/lockstep/plan.h"
#include "tools/lockstep/report.h"
#include "tools/lockstep/run.h"
#include "tools/lockstep/train.h"

namespace lockstep {
namespace {

struct Command {
  const char* name;
  const char* summary;
  int (*main)(const std::vector<std::string>& args);
};

constexpr Command kCommands[] = {
    {"bench", "step times of a reference model", BenchMain},
    {"check", "all of a graph that would not run, at once", CheckMain},
    {"inspect", "what a graph, checkpoint or event file holds", InspectMain},
    {"launch", "ranks under mpirun, started again when one fails", LaunchMain},
    {"ops", "the ops there are, with types and gradients", OpsMain},
    {"plan", "where each op would run and why, and the memory it takes",
     PlanMain},
    {"report", "where the time of a traced job went", ReportMain},
    {"run", "the steps of a case file in one session", RunMain},
    {"train", "trains an exported graph, alone or under mpirun", TrainMain},
};

std::string Usage() {
  std::string text = "usage: lockstep COMMAND ...\n";
  for (const Command& c : kCommands) {
    std::string name = c.name;
    name.resize(10, ' ');
    text += StrCat("  ", name, c.summary, "\n");
  }
  return text + "lockstep COMMAND --help tells more.\n";
}

int Main(const std::vector<std::string>& args) {
  if (args.empty() || args[0] == "--help" || args[0] == "help") {
    std::fputs(Usage().c_str(), args.empty() ? stderr : stdout);
    return args.empty() ? kExitBadInput : 0;
  }
  std::vector<std::string> names;
  for (const Command& c : kCommands) {
    if (args[0] == c.name) return c.main({args.begin() + 1, args.end()});
    names.push_back(c.name);
  }
  const std::string near = NearestName(args[0], names);
  std::fprintf(stderr, "lockstep: there is no command '%s'%s\n",
               args[0].c_str(),
               near.empty() ? "" : StrCat(" (", near, "?)").c_str());
  return kExitBadInput;
}

}  // namespace
}  // namespace lockstep

int main(int argc, char** argv) {
  std::signal(SIGXFSZ, SIG_IGN);  // of ulimit -f: an error of the file instead
  try {
    return lockstep::WithOutput("lockstep",
                                lockstep::Main({argv + 1, argv + argc}));
  } catch (const std::exception& e) {  // out of memory
    std::fprintf(stderr, "lockstep: %s\n", e.what());
    return lockstep::kExitFailed;
  }
}
