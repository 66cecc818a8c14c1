// SPDX-License-Identifier: Apache-2.0
// A job whose rank 1 misbehaves after a few steps, for tests under mpirun:
//   mpirun -np 3 rank_fault leave|kill|hang|abort
// The others print their error and end with status 3.
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <string_view>

#include "distributed/mpi_context.h"

namespace lockstep {
namespace {

int Main(int argc, char** argv) {
  auto mpi = MpiContext::Init(&argc, &argv);
  if (!mpi.ok() || argc != 2) return 2;
  auto comm = (*mpi)->MakeCommunicator();
  if (!comm.ok()) return 2;
  const std::string_view fault = argv[1];
  for (int step = 0;; ++step) {
    if (step == 5 && (*comm)->rank() == 1) {
      if (fault == "leave") return 2;
      if (fault == "kill") kill(getpid(), SIGKILL);
      if (fault == "hang") sleep(300);
      if (fault == "abort") (*mpi)->Abort(Internal("out of luck"));
    }
    float x = 1;
    const Status s =
        (*comm)->AllReduce(&x, &x, 1, kFloat, ReduceOp::kSum, {.name = "step"});
    if (!s.ok()) {
      std::fprintf(stderr, "%s\n", s.ToString().c_str());
      return 3;
    }
  }
}

}  // namespace
}  // namespace lockstep

int main(int argc, char** argv) { return lockstep::Main(argc, argv); }
