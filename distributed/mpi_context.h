// SPDX-License-Identifier: Apache-2.0
#pragma once

// MpiContext: this process's place in the job that mpirun (or srun) started,
// and the way to a communicator. A program makes one at the start of main.
//
// Without a launcher it is rank 0 of 1 and MPI is not initialised at all, so
// that a plain run starts at once. The end of the context and of all its
// communicators waits for the other ranks, then finalises MPI; ranks that do
// not come (dead, hung) make it end the job with a line on standard error.
//
// Threading: Init, the destructor and MakeCommunicator on one thread; Abort on
// any.
//
//   LS_ASSIGN_OR_RETURN(auto mpi, MpiContext::Init(&argc, &argv));
//   SetThreads(mpi->ThreadShare());
//   LS_ASSIGN_OR_RETURN(auto comm, mpi->MakeCommunicator());
//   UseDataParallel(std::move(comm), {.batch = "images:0"}, &session_options);
//   if (mpi->rank() == 0) PrintHeader();

#include <cstddef>
#include <memory>
#include <string>

#include "distributed/communicator.h"

namespace lockstep {

class Lifeline;
class MpiRuntime;

struct CommunicatorOptions {
  // "shm" (all ranks on one machine), "hierarchical" (several machines, one of
  // them with several ranks), "mpi", or "auto": the first that can be.
  // LOCKSTEP_COMM overrides auto.
  std::string backend = "auto";
  // Of each call; 0: LOCKSTEP_COMM_TIMEOUT in seconds, else 30 s.
  uint64_t timeout_micros = 0;
  // Data that is exchanged in one piece; 0: the backend's default.
  size_t chunk_bytes = 0;
  // For tests: so many consecutive ranks count as one machine, the rest as
  // another; 0: those that are on one.
  int ranks_per_machine = 0;
};

class MpiContext {
 public:
  // Both may be null. Makes "rank R" the prefix of log lines when there are
  // several ranks.
  static Result<std::unique_ptr<MpiContext>> Init(int* argc, char*** argv);
  ~MpiContext();

  int rank() const { return rank_; }
  int size() const { return size_; }
  // Among the ranks on this machine.
  int local_rank() const { return local_rank_; }
  int local_size() const { return local_size_; }
  const std::string& host() const { return host_; }
  // Threads this rank should use: its affinity mask, each processor divided
  // among the ranks that may use it; not more than its part of a container's
  // quota, nor than OMP_NUM_THREADS. At least 1.
  int ThreadShare() const { return thread_share_; }

  // A new group of all ranks, which all have to call this. INVALID_ARGUMENT
  // for an unknown backend, on all ranks when one of them asks for another.
  Result<std::unique_ptr<Communicator>> MakeCommunicator(
      const CommunicatorOptions& options = {});

  // What ends the job when a rank fails; null for one rank, or if not wanted.
  Lifeline* lifeline();

  // Ends the whole job, other ranks included, with status 1; `why` goes to
  // standard error, with rank, host and process.
  [[noreturn]] void Abort(const Status& why);

 private:
  MpiContext() = default;

  int rank_ = 0;
  int size_ = 1;
  int local_rank_ = 0;
  int local_size_ = 1;
  int thread_share_ = 1;
  std::string host_;
  // Shared with the communicators: MPI ends after the last; null without a
  // launcher.
  std::shared_ptr<MpiRuntime> runtime_;
};

}  // namespace lockstep
