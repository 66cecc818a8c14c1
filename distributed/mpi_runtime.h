// SPDX-License-Identifier: Apache-2.0
#pragma once

// MpiRuntime: the MPI library of this process, for the files of this folder
// (programs use mpi_context.h).
//
// Started at most once; ended when its last user (the context, communicators)
// goes. The library is asked for MPI_THREAD_SERIALIZED: every MPI call is made
// under mutex(), and no call that could block for long is made at all once the
// job runs: communicators post non-blocking calls and test them.

#include <mpi.h>
#include <sched.h>

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "runtime/core/status.h"

namespace lockstep {

class Lifeline;

// UNAVAILABLE: "MPI_Foo: text of the library" unless `code` is MPI_SUCCESS.
Status MpiStatus(int code, const char* call);

#define LS_MPI(function, ...) \
  LS_RETURN_IF_ERROR(::lockstep::MpiStatus(function(__VA_ARGS__), #function))

class MpiRuntime {
 public:
  // Requires that a launcher started this process.
  static Result<std::shared_ptr<MpiRuntime>> Start(int* argc, char*** argv);
  // Waits for the other ranks (see the file's end) and finalises.
  ~MpiRuntime();
  MpiRuntime(const MpiRuntime&) = delete;
  MpiRuntime& operator=(const MpiRuntime&) = delete;

  // Errors are returned, not fatal, on it and on what is derived from it.
  MPI_Comm world() const { return world_; }
  int rank() const { return rank_; }
  int size() const { return size_; }
  // The ranks on this machine.
  MPI_Comm node() const { return node_; }
  int node_rank() const { return node_rank_; }
  // Their affinity masks when they started, by node rank.
  const std::vector<cpu_set_t>& node_masks() const { return node_masks_; }
  std::mutex& mutex() { return mutex_; }
  // Null for one rank, and where it cannot be or is not wanted.
  Lifeline* lifeline() { return lifeline_.get(); }

  // Returns when all ranks of `comm` have called it; DEADLINE_EXCEEDED else.
  // Before a blocking call, which then cannot block for long.
  Status Meet(MPI_Comm comm, uint64_t deadline_micros);

  // Freed, in order, when the job ends: to free one is a meeting of its ranks.
  // Requires mutex(). Communicators are never freed before the end: a new one
  // with the old number would get late messages of the old one.
  std::vector<MPI_Win>& windows() { return windows_; }
  // Memory that unfinished calls may still use.
  void KeepUntilEnd(std::shared_ptr<void> memory);
  // A communicator failed: the end does not wait long for the other ranks.
  void NoteFailure();

 private:
  MpiRuntime();
  Status LearnNode();

  MPI_Comm world_ = MPI_COMM_NULL;
  MPI_Comm node_ = MPI_COMM_NULL;
  int rank_ = 0;
  int size_ = 1;
  int node_rank_ = 0;
  std::vector<cpu_set_t> node_masks_;
  std::mutex mutex_;
  std::vector<MPI_Win> windows_;             // guarded by mutex_
  std::vector<std::shared_ptr<void>> kept_;  // guarded by mutex_; shared: void
  bool failed_ = false;                      // guarded by mutex_
  std::unique_ptr<Lifeline> lifeline_;
};

}  // namespace lockstep
