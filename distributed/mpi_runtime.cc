// SPDX-License-Identifier: Apache-2.0
#include "distributed/mpi_runtime.h"

#include <unistd.h>

#include <cstdio>

#include "distributed/backoff.h"
#include "distributed/lifeline.h"
#include "distributed/mpi_lifeline.h"
#include "distributed/start_guard.h"
#include "distributed/time_setting.h"
#include "runtime/core/env.h"
#include "runtime/core/logging.h"

namespace lockstep {
namespace {

// For all ranks to be there, on a large cluster with slow files too.
constexpr uint64_t kStartMicros = 300'000'000;
// How long a rank that has ended waits for the others. Without an error one of
// them may still write a checkpoint.
constexpr uint64_t kEndMicros = 600'000'000;
constexpr uint64_t kEndAfterFailureMicros = 5'000'000;
constexpr unsigned kAbortSeconds = 2;
constexpr unsigned kFinalizeSeconds = 10;

}  // namespace

Status MpiStatus(int code, const char* call) {
  if (code == MPI_SUCCESS) [[likely]]
    return Ok();
  char text[MPI_MAX_ERROR_STRING] = {};
  int length = 0;
  MPI_Error_string(code, text, &length);
  return Unavailable(call, ": ",
                     std::string_view(text, static_cast<size_t>(length)));
}

MpiRuntime::MpiRuntime() = default;

Result<std::shared_ptr<MpiRuntime>> MpiRuntime::Start(int* argc, char*** argv) {
  int initialized = 0;
  MPI_Initialized(&initialized);
  if (initialized != 0) {
    return FailedPrecondition("MPI was initialised already in this process");
  }
  std::shared_ptr<MpiRuntime> runtime(new MpiRuntime);
  cpu_set_t mask;
  CPU_ZERO(&mask);
  (void)sched_getaffinity(0, sizeof(mask), &mask);
  LS_ASSIGN_OR_RETURN(const uint64_t limit,
                      TimeSetting("LOCKSTEP_START_TIMEOUT", kStartMicros));
  const StartGuard guard(limit);  // until there is a lifeline
  int provided = 0;
  LS_MPI(MPI_Init_thread, argc, argv, MPI_THREAD_SERIALIZED, &provided);
  if (provided < MPI_THREAD_SERIALIZED) {
    return FailedPrecondition(
        "this MPI library does not support MPI_THREAD_SERIALIZED");
  }
  MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
  LS_MPI(MPI_Comm_dup, MPI_COMM_WORLD, &runtime->world_);
  LS_MPI(MPI_Comm_rank, runtime->world_, &runtime->rank_);
  LS_MPI(MPI_Comm_size, runtime->world_, &runtime->size_);
  runtime->node_masks_.push_back(mask);
  LS_RETURN_IF_ERROR(runtime->LearnNode());
  if (runtime->size_ > 1) {
    LS_ASSIGN_OR_RETURN(runtime->lifeline_,
                        StartLifeline(runtime->world_, runtime->node_));
  }
  return runtime;
}

Status MpiRuntime::LearnNode() {
  const cpu_set_t mask = node_masks_[0];
  LS_MPI(MPI_Comm_split_type, world_, MPI_COMM_TYPE_SHARED, rank_,
         MPI_INFO_NULL, &node_);
  int size = 1;
  LS_MPI(MPI_Comm_rank, node_, &node_rank_);
  LS_MPI(MPI_Comm_size, node_, &size);
  node_masks_.resize(static_cast<size_t>(size));
  LS_MPI(MPI_Allgather, &mask, sizeof(mask), MPI_BYTE, node_masks_.data(),
         sizeof(mask), MPI_BYTE, node_);
  return Ok();
}

Status MpiRuntime::Meet(MPI_Comm comm, uint64_t deadline_micros) {
  MPI_Request request = MPI_REQUEST_NULL;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    LS_MPI(MPI_Ibarrier, comm, &request);
  }
  Backoff backoff(0);
  while (true) {
    int done = 0;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      LS_MPI(MPI_Test, &request, &done, MPI_STATUS_IGNORE);
    }
    if (done != 0) return Ok();
    if (backoff.Pause() && Env::Default()->SteadyMicros() > deadline_micros) {
      return DeadlineExceeded("[rank ", rank_,
                              "] not all ranks arrived to form a group");
    }
  }
}

void MpiRuntime::KeepUntilEnd(std::shared_ptr<void> memory) {
  const std::lock_guard<std::mutex> lock(mutex_);
  kept_.push_back(std::move(memory));
}

void MpiRuntime::NoteFailure() {
  const std::lock_guard<std::mutex> lock(mutex_);
  failed_ = true;
}

// MPI_Finalize and MPI_Win_free wait for all ranks, for ever if one is dead or
// hung. So the ranks meet first, with a deadline, and a rank that misses the
// others ends the job instead. What then still blocks, an alarm ends.
MpiRuntime::~MpiRuntime() {
  if (world_ == MPI_COMM_NULL) return;
  if (lifeline_ != nullptr) lifeline_->Leave();
  const uint64_t limit = failed_ ? kEndAfterFailureMicros : kEndMicros;
  const Status met = Meet(world_, Env::Default()->SteadyMicros() + limit);
  if (!met.ok()) {
    std::fprintf(stderr, "[rank %d] ends the job: the others did not end\n",
                 rank_);
    std::fflush(stderr);
    alarm(kAbortSeconds);
    MPI_Abort(MPI_COMM_WORLD, 1);
  }
  if (lifeline_ != nullptr) lifeline_->Goodbye();
  alarm(kFinalizeSeconds);
  for (MPI_Win& window : windows_) MPI_Win_free(&window);
  MPI_Finalize();
  alarm(0);
}

}  // namespace lockstep
