// SPDX-License-Identifier: Apache-2.0
#include "distributed/mpi_context.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "distributed/hierarchical_communicator.h"
#include "distributed/lifeline.h"
#include "distributed/local_communicator.h"
#include "distributed/mpi_communicator.h"
#include "distributed/mpi_runtime.h"
#include "distributed/process_state.h"
#include "distributed/shared_memory_communicator.h"
#include "distributed/time_setting.h"
#include "runtime/core/cpu_quota.h"
#include "runtime/core/env.h"
#include "runtime/core/logging.h"
#include "runtime/core/threads.h"

namespace lockstep {
namespace {

// What Open MPI, PMIx, PMI-1/2 (Slurm, MPICH) and MVAPICH give their ranks.
constexpr const char* kLauncherVariables[] = {
    "OMPI_COMM_WORLD_SIZE", "PMIX_RANK", "PMI_RANK", "PMI_SIZE",
    "MV2_COMM_WORLD_RANK"};

bool StartedByLauncher() {
  return std::ranges::any_of(kLauncherVariables, [](const char* name) {
    return std::getenv(name) != nullptr;
  });
}

std::string HostName() {
  char name[256] = {};
  if (gethostname(name, sizeof(name) - 1) != 0) return "unknown host";
  return name;
}

enum Backend : int { kAuto, kShm, kHierarchical, kMpi };

Result<Backend> ParseBackend(const std::string& wanted) {
  std::string name = wanted;
  std::string_view source = "backend";
  const char* variable = std::getenv("LOCKSTEP_COMM");
  if (name == "auto" && variable != nullptr && *variable != '\0') {
    name = variable;
    source = "LOCKSTEP_COMM";
  }
  if (name == "auto") return kAuto;
  if (name == "shm") return kShm;
  if (name == "hierarchical") return kHierarchical;
  if (name == "mpi") return kMpi;
  return InvalidArgument(
      source, " must be auto, shm, hierarchical or mpi, is '", name, "'");
}

Result<uint64_t> Timeout(uint64_t wanted) {
  if (wanted != 0) return wanted;
  return TimeSetting("LOCKSTEP_COMM_TIMEOUT", kDefaultTimeoutMicros,
                     /*may_be_never=*/false);
}

// INVALID_ARGUMENT on all ranks unless all can and want the same. A rank with
// an error of its own takes part, so that the others need not wait for it.
Status AgreeOnBackend(MpiRuntime& runtime, const Result<Backend>& mine) {
  constexpr int kBad = 1000;
  const int code = mine.ok() ? static_cast<int>(*mine) : kBad;
  int highest_and_minus_lowest[2] = {code, -code};
  {
    const std::lock_guard<std::mutex> lock(runtime.mutex());
    LS_MPI(MPI_Allreduce, MPI_IN_PLACE, highest_and_minus_lowest, 2, MPI_INT,
           MPI_MAX, runtime.world());
  }
  if (!mine.ok()) return mine.status();
  if (highest_and_minus_lowest[0] == kBad) {
    return InvalidArgument("another rank asks for an unknown backend");
  }
  if (highest_and_minus_lowest[0] != -highest_and_minus_lowest[1]) {
    return InvalidArgument(
        "the ranks ask for different backends: set LOCKSTEP_COMM alike "
        "everywhere (mpirun -x LOCKSTEP_COMM)");
  }
  return Ok();
}

struct Machines {
  int least = 0, most = 0;  // ranks of one of them
};

Result<Machines> MachinesOf(MpiRuntime& runtime,
                            const CommunicatorOptions& options) {
  int here = static_cast<int>(runtime.node_masks().size());
  if (options.ranks_per_machine > 0) {
    const int first =
        runtime.rank() / options.ranks_per_machine * options.ranks_per_machine;
    here = std::min(options.ranks_per_machine, runtime.size() - first);
  }
  int most_and_minus_least[2] = {here, -here};
  const std::lock_guard<std::mutex> lock(runtime.mutex());
  LS_MPI(MPI_Allreduce, MPI_IN_PLACE, most_and_minus_least, 2, MPI_INT, MPI_MAX,
         runtime.world());
  return Machines{-most_and_minus_least[1], most_and_minus_least[0]};
}

// All ranks have just met: the splits do not block for long.
Result<RankGroups> MakeGroups(const std::shared_ptr<MpiRuntime>& runtime,
                              MPI_Comm comm, const Machines& machines,
                              const CommunicatorOptions& options) {
  MPI_Comm machine = MPI_COMM_NULL;
  MPI_Comm across = MPI_COMM_NULL;
  {
    const std::lock_guard<std::mutex> lock(runtime->mutex());
    int number = runtime->node_rank();
    if (options.ranks_per_machine > 0) {
      number = runtime->rank() % options.ranks_per_machine;
      LS_MPI(MPI_Comm_split, comm, runtime->rank() / options.ranks_per_machine,
             runtime->rank(), &machine);
    } else {
      LS_MPI(MPI_Comm_dup, runtime->node(), &machine);
    }
    LS_MPI(MPI_Comm_split, comm,
           number < machines.least ? number : MPI_UNDEFINED, runtime->rank(),
           &across);
  }
  RankGroups groups;
  LS_ASSIGN_OR_RETURN(
      groups.machine,
      MakeSharedMemoryCommunicator(runtime, machine, options.chunk_bytes));
  if (across != MPI_COMM_NULL) {
    LS_ASSIGN_OR_RETURN(
        groups.across,
        MakeMpiCommunicator(runtime, across, options.chunk_bytes));
  }
  LS_ASSIGN_OR_RETURN(groups.world,
                      MakeMpiCommunicator(runtime, comm, options.chunk_bytes));
  return groups;
}

}  // namespace

Result<std::unique_ptr<MpiContext>> MpiContext::Init(int* argc, char*** argv) {
  std::unique_ptr<MpiContext> context(new MpiContext);
  context->host_ = HostName();
  if (!StartedByLauncher()) {
    context->thread_share_ = LimitThreads(AffinityCount(), 1);
    return context;
  }
  LS_ASSIGN_OR_RETURN(context->runtime_, MpiRuntime::Start(argc, argv));
  const MpiRuntime& runtime = *context->runtime_;
  context->rank_ = runtime.rank();
  context->size_ = runtime.size();
  context->local_rank_ = runtime.node_rank();
  context->local_size_ = static_cast<int>(runtime.node_masks().size());
  context->thread_share_ = LimitThreads(
      lockstep::ThreadShare(runtime.node_masks(), runtime.node_rank()),
      context->local_size_);
  if (context->size_ > 1) SetLogPrefix(StrCat("rank ", context->rank_));
  return context;
}

MpiContext::~MpiContext() = default;

Result<std::unique_ptr<Communicator>> MpiContext::MakeCommunicator(
    const CommunicatorOptions& options) {
  Result<Backend> backend = ParseBackend(options.backend);
  Result<uint64_t> timeout = Timeout(options.timeout_micros);
  if (backend.ok() && !timeout.ok()) backend = timeout.status();
  if (size_ == 1) {
    LS_RETURN_IF_ERROR(backend.status());
    return std::move(
        MakeLocalCommunicators(1, {.half_bytes = options.chunk_bytes})[0]);
  }
  const uint64_t limit = timeout.ok() ? *timeout : kDefaultTimeoutMicros;
  LS_RETURN_IF_ERROR(runtime_->Meet(runtime_->world(),
                                    Env::Default()->SteadyMicros() + limit));
  LS_RETURN_IF_ERROR(AgreeOnBackend(*runtime_, backend));
  const bool one_node = local_size_ == size_;
  if (*backend == kShm && !one_node) {
    return InvalidArgument("backend shm needs all ranks on one machine; ",
                           local_size_, " of ", size_, " are on ", host_);
  }
  MPI_Comm comm = MPI_COMM_NULL;
  {
    const std::lock_guard<std::mutex> lock(runtime_->mutex());
    LS_MPI(MPI_Comm_dup, runtime_->world(), &comm);
  }
  LS_ASSIGN_OR_RETURN(const Machines machines, MachinesOf(*runtime_, options));
  const bool hierarchical = machines.most > 1 && machines.most < size_;
  if (*backend == kHierarchical && !hierarchical) {
    return InvalidArgument(
        "backend hierarchical needs several machines, one of them with several "
        "ranks; ",
        local_size_, " of ", size_, " are on ", host_);
  }
  Result<std::unique_ptr<Communicator>> made =
      FailedPrecondition("no communicator yet");
  if (*backend == kHierarchical || (*backend == kAuto && hierarchical)) {
    LS_ASSIGN_OR_RETURN(RankGroups groups,
                        MakeGroups(runtime_, comm, machines, options));
    groups.machine->set_timeout_micros(limit);
    if (groups.across != nullptr) groups.across->set_timeout_micros(limit);
    made = MakeHierarchicalCommunicator(std::move(groups));
    // A rank whose first call fails ends all groups: not while others are
    // still being made.
    if (made.ok()) {
      LS_RETURN_IF_ERROR(runtime_->Meet(
          runtime_->world(), Env::Default()->SteadyMicros() + limit));
    }
  } else if (*backend != kMpi && one_node) {
    made = MakeSharedMemoryCommunicator(runtime_, comm, options.chunk_bytes);
    if (!made.ok() && *backend == kAuto &&
        made.code() == Code::kResourceExhausted) {
      LogWarning(made.status(), "; exchanging through MPI instead");
      made = MakeMpiCommunicator(runtime_, comm, options.chunk_bytes);
    }
  } else {
    made = MakeMpiCommunicator(runtime_, comm, options.chunk_bytes);
  }
  if (made.ok()) (*made)->set_timeout_micros(limit);
  return made;
}

Lifeline* MpiContext::lifeline() {
  return runtime_ == nullptr ? nullptr : runtime_->lifeline();
}

void MpiContext::Abort(const Status& why) {
  std::fprintf(stderr, "[rank %d on %s, process %d] %s\n", rank_, host_.c_str(),
               static_cast<int>(getpid()), why.ToString().c_str());
  std::fflush(stderr);
  if (lifeline() != nullptr) lifeline()->Fail(why);
  alarm(2);  // MPI_Abort may wait for a launcher that is gone
  if (runtime_ != nullptr) MPI_Abort(MPI_COMM_WORLD, 1);
  std::_Exit(1);
}

}  // namespace lockstep
