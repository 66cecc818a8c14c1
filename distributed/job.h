// SPDX-License-Identifier: Apache-2.0
#pragma once

// Job: the ranks that run this program together, or the one process there is
// when nobody started more (or the build has no MPI). For programs that train
// in step and need no more of distributed/ than that.
//
// Calls that return a Status are made by all ranks, in the same order.
//
//   LS_ASSIGN_OR_RETURN(Job job, Job::Start(&argc, &argv));
//   Status loaded = job.speaks() ? Load() : Ok();
//   LS_RETURN_IF_ERROR(job.Agree(loaded));   // all go on, or none does

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "runtime/core/status.h"
#include "runtime/core/tensor.h"
#include "runtime/core/trace.h"
#include "runtime/exec/session_options.h"

namespace lockstep {

class Job {
 public:
  static Result<Job> Start(int* argc, char*** argv);
  Job(Job&&) noexcept;
  ~Job();  // leaves the other ranks

  int rank() const;
  int size() const;
  // Rank 0 prints and writes files.
  bool speaks() const { return rank() == 0; }
  // Threads of this rank when nobody says how many.
  int default_threads() const;
  // What exchanges the gradients: "shm", "mpi"; "local" or empty alone.
  std::string transport() const;

  // OK when every rank's status is. Else the first failing rank gets its own
  // error, to print, and the others CANCELLED, to end without a word. The error
  // names the ranks that have it, unless all have (agreed_status.h).
  Status Agree(Status mine);
  // Adds each value up over the ranks.
  Status Sum(std::span<double> values);
  // Makes `t` rank 0's on every rank; others pass undefined tensors. Plain
  // dtypes.
  Status Share(Tensor* t);
  // Ends what the other ranks wait for with `why`: for an error that they do
  // not have, in the middle of a run.
  void Abort(const Status& why);
  // Something that all ranks must have in common, such as a setting of the
  // program or the size of a file; compared when the session is made. Before
  // Configure.
  void Declare(const std::string& name, const std::string& value);
  // The same of an array's dtype, shape and checksum.
  void Declare(const std::string& name, const Tensor& data);
  // For programs that train in steps and can go on from a checkpoint: SIGTERM,
  // or SIGUSR2, is the wish that all ranks stop. Before step `step`, whether to
  // stop instead of making it: all ranks hear the same.
  void TakeStopSignals();
  bool StopAt(int64_t step);
  // Records what this process does in a file in `dir` (runtime/core/trace.h):
  // the job's calls, and the runs of sessions configured afterwards. Rank 0's
  // folder counts; when it gives none, what its LOCKSTEP_TRACE says, and when
  // that says none, nothing is recorded. All ranks call it.
  Status StartTrace(const std::string& dir);
  // Null when nothing is recorded.
  Trace* trace() const;
  // The session averages gradients over the ranks, weighted by the examples
  // that each feeds to the tensor `batch`, such as "images:0".
  void Configure(const std::string& batch, SessionOptions* options);
  // One line for the end of a run: what talking to the other ranks took since
  // Configure, and what limits it. Empty for one rank.
  std::string CommunicationSummary() const;
  // The session's graph is one over the ranks, if it asks for tasks: see
  // distributed/task_channel.h.
  Status ConfigureTasks(SessionOptions* options);

 private:
  struct State;
  explicit Job(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace lockstep
