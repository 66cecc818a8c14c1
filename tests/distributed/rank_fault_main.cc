// SPDX-License-Identifier: Apache-2.0
// A job whose rank 1 misbehaves after a few steps, for tests under mpirun:
//   mpirun -np 3 rank_fault leave|kill|hang|abort|differ [tasks]
// The ranks add up numbers, or run one graph, each a task of it. The others
// print their error and end with status 3.
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <functional>
#include <string_view>

#include "distributed/lifeline.h"
#include "distributed/mpi_context.h"
#include "distributed/task_channel.h"
#include "runtime/exec/session.h"
#include "runtime/graph/builder.h"

namespace lockstep {
namespace {

using StepFn = std::function<Status()>;

// A number goes from rank to rank, and the result to all.
Result<StepFn> MakeTasks(Communicator& comm) {
  Graph graph;
  const Scope root(&graph);
  Output x = root.WithName("x")
                 .Op("Placeholder")
                 .Attr("dtype", kFloat)
                 .Attr("shape", Shape{})
                 .Out();
  for (int r = 0; r < comm.size(); ++r) {
    x = root.WithDevice(StrCat("/task:", r)).Op("Neg").In(x).Out();
  }
  SessionOptions options;
  LS_RETURN_IF_ERROR(UseTasks(comm, &options));
  LS_ASSIGN_OR_RETURN(std::shared_ptr<Session> session,
                      Session::Create(graph, options));
  return StepFn([session, name = x.name()] {
    return session->RunOne({{"x:0", Tensor(1.0f)}}, name).status();
  });
}

int Main(int argc, char** argv) {
  auto mpi = MpiContext::Init(&argc, &argv);
  if (!mpi.ok() || argc < 2) return 2;
  auto comm = (*mpi)->MakeCommunicator();
  if (!comm.ok()) return 2;
  const std::string_view fault = argv[1];
  uint64_t digest = 1;  // of what the ranks have alike
  Lifeline* const line = (*mpi)->lifeline();
  const auto marks = line != nullptr ? line->TakeMarks() : nullptr;
  Result<StepFn> step = StepFn([&] {
    float x = 1;
    if (marks != nullptr) marks->Add(digest);
    return (*comm)->AllReduce(&x, &x, 1, kFloat, ReduceOp::kSum,
                              {.name = "step"});
  });
  if (argc > 2) step = MakeTasks(**comm);
  for (int i = 0;; ++i) {
    if (i == 5 && (*comm)->rank() == 1) {
      if (fault == "leave") return 2;
      if (fault == "kill") kill(getpid(), SIGKILL);
      if (fault == "hang") sleep(300);
      if (fault == "differ") digest = 2;
      if (fault == "abort") (*mpi)->Abort(Internal("out of luck"));
    }
    const Status s = step.ok() ? (*step)() : step.status();
    if (!s.ok()) {
      std::fprintf(stderr, "%s\n", s.ToString().c_str());
      return 3;
    }
  }
}

}  // namespace
}  // namespace lockstep

int main(int argc, char** argv) { return lockstep::Main(argc, argv); }
