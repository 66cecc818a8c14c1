// SPDX-License-Identifier: Apache-2.0
#include "distributed/job.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "distributed/stop_signal.h"
#include "runtime/core/env.h"
#include "runtime/core/progress.h"
#include "runtime/core/threads.h"
#include "runtime/exec/communication_wait.h"
#include "runtime/io/crc32c.h"

// By CMake, when the build has MPI.
#ifdef LOCKSTEP_WITH_MPI
#include "distributed/agreed_status.h"
#include "distributed/collective_call.h"
#include "distributed/data_parallel.h"
#include "distributed/digest.h"
#include "distributed/lifeline.h"
#include "distributed/mpi_context.h"
#include "distributed/task_channel.h"
#endif

namespace lockstep {
namespace {

std::string TraceDir(const std::string& asked) {
  const char* variable = std::getenv("LOCKSTEP_TRACE");
  return !asked.empty() || variable == nullptr ? asked : variable;
}

// The sessions of the job record in its trace.
void HandOn(const std::shared_ptr<Trace>& trace, SessionOptions* options) {
  if (trace == nullptr) return;
  options->services.push_back(
      [trace](SessionResources& resources) { resources.SetService(trace); });
}

}  // namespace

#ifdef LOCKSTEP_WITH_MPI

namespace {

// The other ranks wait while rank 0 reads the data or downloads it.
constexpr uint64_t kPatienceMicros = 600'000'000;

// LOCKSTEP_BUCKET_BYTES; 0: not set.
int64_t BucketBytes(SessionOptions* options) {
  const char* text = std::getenv("LOCKSTEP_BUCKET_BYTES");
  if (text == nullptr || *text == '\0') return 0;
  const char* end = text + std::strlen(text);
  int64_t bytes = 0;
  const auto [rest, error] = std::from_chars(text, end, bytes);
  if (error == std::errc() && rest == end && bytes >= 0) return bytes;
  options->checks.push_back(
      [text = std::string(text)](const Graph&, const SessionOptions&) {
        return InvalidArgument(
            "LOCKSTEP_BUCKET_BYTES must be a number of bytes, is '", text, "'");
      });
  return 0;
}

uint64_t Patience() { return Env::Default()->SteadyMicros() + kPatienceMicros; }

}  // namespace

struct Job::State {
  void TellFailures(const Status& mine);

  std::unique_ptr<MpiContext> mpi;
  // Shared with the session, which uses it during its runs.
  std::shared_ptr<Communicator> communicator;
  // Shared with sessions.
  std::shared_ptr<CommunicationWait> wait =
      std::make_shared<CommunicationWait>();
  bool overlaps = false;
  Communicator::Totals before;  // of CommunicationSummary
  uint64_t configured_micros = 0;
  std::vector<Fact> declared;
  std::shared_ptr<Trace> trace;  // shared with both
};

// A failure ends this rank with the others, and with the cause that the hub
// knows. Where ranks disagree, an error of one of them says more: `mine`, if
// this one has such.
void Job::State::TellFailures(const Status& mine) {
  Lifeline* const line = mpi->lifeline();
  if (line == nullptr) return;
  communicator->set_on_failure([line, mine, rank = mpi->rank()](
                                   const Status& why, bool told) {
    if (!mine.ok()) return line->Fail(mine);
    // Whoever found it, the odd rank tells it.
    if (IsDifference(why)) {
      return line->Fail(why, DiffersElsewhere(why, rank));
    }
    // Of Agree: another rank has the error, and tells it.
    const bool others = why.code() == Code::kCancelled || IsDisagreement(why);
    line->Fail(why, told || others);
  });
}

Result<Job> Job::Start(int* argc, char*** argv) {
  auto state = std::make_unique<State>();
  LS_ASSIGN_OR_RETURN(state->mpi, MpiContext::Init(argc, argv));
  LS_ASSIGN_OR_RETURN(state->communicator, state->mpi->MakeCommunicator());
  state->TellFailures({});
  return Job(std::move(state));
}

int Job::rank() const { return state_->mpi->rank(); }
int Job::size() const { return state_->mpi->size(); }
int Job::default_threads() const { return state_->mpi->ThreadShare(); }
std::string Job::transport() const {
  return std::string(state_->communicator->backend());
}

Status Job::Agree(Status mine) {
  if (size() == 1) return mine;
  // The others may be in the midst of what failed here.
  if (!mine.ok()) state_->TellFailures(mine);
  bool talked = false;
  Status agreed = AgreeOnStatus(
      *state_->communicator, mine,
      {.name = "agreement", .deadline_micros = Patience()}, &talked);
  if (talked) state_->TellFailures({});
  return agreed;
}

Status Job::Sum(std::span<double> values) {
  if (size() == 1) return Ok();
  return SumOverRanks(*state_->communicator, values);
}

void Job::Abort(const Status& why) {
  if (size() > 1) state_->communicator->Abort(why);
}

Status Job::Share(Tensor* t) {
  if (size() == 1) return Ok();
  Communicator& comm = *state_->communicator;
  // Dtype, rank and dimensions travel first.
  int64_t head[2 + Shape::kMaxRank] = {};
  constexpr int64_t kHead = 2 + Shape::kMaxRank;
  if (rank() == 0) {
    head[0] = t->dtype();
    head[1] = t->shape().rank();
    for (int i = 0; i < t->shape().rank(); ++i) {
      head[2 + i] = t->shape().dim(i);
    }
  }
  LS_RETURN_IF_ERROR(comm.Broadcast(head, kHead, kInt64, 0));
  Status made;
  if (rank() != 0) {
    const Shape shape(std::span(head + 2, static_cast<size_t>(head[1])));
    Result<Tensor> mine = Tensor::Make(static_cast<DType>(head[0]), shape);
    made = mine.status();
    if (mine.ok()) *t = *std::move(mine);
  }
  LS_RETURN_IF_ERROR(Agree(made));
  return comm.Broadcast(t->data(), t->NumElements(), t->dtype(), 0);
}

void Job::Declare(const std::string& name, const std::string& value) {
  state_->declared.push_back(MakeFact("the program", name, value));
}

void Job::Declare(const std::string& name, const Tensor& data) {
  if (size() == 1 || !IsPod(data.dtype())) return;
  const std::string_view bytes(static_cast<const char*>(data.data()),
                               data.bytes());
  Declare(name, StrCat(DTypeName(data.dtype()), " ", data.shape(), ", CRC32C ",
                       Crc32c(bytes)));
}

void Job::TakeStopSignals() {
  if (Lifeline* line = state_->mpi->lifeline()) return line->TakeStopSignals();
  // Without a lifeline ranks cannot agree on a step.
  if (size() == 1) lockstep::TakeStopSignals();
}

bool Job::StopAt(int64_t step) {
  SetProgressStep(step);
  if (Lifeline* line = state_->mpi->lifeline()) return line->StopAt(step);
  return StopSignal() != 0;
}

Status Job::StartTrace(const std::string& asked) {
  // Rank 0's folder and the job's number, for all.
  struct {
    uint64_t job = 0;
    char dir[1024] = {};
  } agreed;
  Status mine;
  if (rank() == 0) {
    const std::string dir = TraceDir(asked);
    if (dir.size() >= sizeof(agreed.dir)) {
      mine = InvalidArgument("the trace's folder has a name of ", dir.size(),
                             " bytes, at most ", sizeof(agreed.dir) - 1);
    } else {
      dir.copy(agreed.dir, dir.size());
    }
    agreed.job = Trace::NewJob();
  }
  LS_RETURN_IF_ERROR(Agree(mine));
  if (size() > 1) {
    LS_RETURN_IF_ERROR(state_->communicator->Broadcast(
        &agreed, sizeof(agreed), kUint8, 0, {.name = "trace"}));
  }
  if (agreed.dir[0] == '\0') return Ok();
  Result<std::shared_ptr<Trace>> trace =
      Trace::Open({.dir = agreed.dir,
                   .rank = rank(),
                   .ranks = size(),
                   .threads = default_threads(),
                   .host = state_->mpi->host(),
                   .job = agreed.job});
  LS_RETURN_IF_ERROR(Agree(trace.status()));
  state_->trace = *std::move(trace);
  state_->communicator->set_trace(state_->trace);
  return Ok();
}

Trace* Job::trace() const { return state_->trace.get(); }

void Job::Configure(const std::string& batch, SessionOptions* options) {
  HandOn(state_->trace, options);
  options->batch = batch;
  if (size() == 1) return;
  const char* set = std::getenv("LOCKSTEP_COMPRESSION");
  const std::string compression = set != nullptr ? set : "";
  if (!compression.empty() && compression != "bfloat16") {
    options->checks.push_back(
        [compression](const Graph&, const SessionOptions&) -> Status {
          return InvalidArgument(
              "LOCKSTEP_COMPRESSION must be bfloat16, or not set"
              ", got '",
              compression, "'");
        });
  }
  UseDataParallel(state_->communicator,
                  {.batch = batch,
                   .bucket_bytes = BucketBytes(options),
                   .compress = compression == "bfloat16",
                   .declared = state_->declared},
                  options);
  options->services.push_back([wait = state_->wait](SessionResources& session) {
    session.SetService(wait);
  });
  // Of the first session only: what several do comes in no one order.
  if (Lifeline* line = state_->mpi->lifeline()) {
    options->services.push_back(
        [marks = line->TakeMarks()](SessionResources& session) {
          if (marks != nullptr) session.SetService(marks);
        });
  }
  state_->overlaps = options->communication_lane;
  state_->before = state_->communicator->totals();
  state_->configured_micros = Env::Default()->SteadyMicros();
}

std::string Job::CommunicationSummary() const {
  if (size() == 1 || state_->configured_micros == 0) return {};
  const double seconds =
      1e-6 * static_cast<double>(Env::Default()->SteadyMicros() -
                                 state_->configured_micros);
  return lockstep::CommunicationSummary(
      *state_->communicator, state_->before, seconds,
      state_->overlaps ? 1e-6 * static_cast<double>(state_->wait->micros) : -1);
}

Status Job::ConfigureTasks(SessionOptions* options) {
  HandOn(state_->trace, options);
  if (size() == 1) return Ok();
  return UseTasks(*state_->communicator, options, state_->declared);
}

#else  // one process

struct Job::State {
  std::shared_ptr<Trace> trace;
};

Result<Job> Job::Start(int*, char***) { return Job(std::make_unique<State>()); }
int Job::rank() const { return 0; }
int Job::size() const { return 1; }
int Job::default_threads() const { return AffinityCount(); }
Status Job::Agree(Status mine) { return mine; }
Status Job::Sum(std::span<double>) { return Ok(); }
Status Job::Share(Tensor*) { return Ok(); }
void Job::Abort(const Status&) {}
void Job::Declare(const std::string&, const std::string&) {}
void Job::Declare(const std::string&, const Tensor&) {}
void Job::TakeStopSignals() { lockstep::TakeStopSignals(); }
bool Job::StopAt(int64_t step) {
  SetProgressStep(step);
  return StopSignal() != 0;
}
void Job::Configure(const std::string& batch, SessionOptions* options) {
  HandOn(state_->trace, options);
  options->batch = batch;
}
Status Job::ConfigureTasks(SessionOptions* options) {
  HandOn(state_->trace, options);
  return Ok();
}
Status Job::StartTrace(const std::string& asked) {
  const std::string dir = TraceDir(asked);
  if (dir.empty()) return Ok();
  LS_ASSIGN_OR_RETURN(state_->trace,
                      Trace::Open({.dir = dir, .threads = default_threads()}));
  return Ok();
}
Trace* Job::trace() const { return state_->trace.get(); }
std::string Job::transport() const { return {}; }
std::string Job::CommunicationSummary() const { return {}; }

#endif

Job::Job(std::unique_ptr<State> state) : state_(std::move(state)) {}
Job::Job(Job&&) noexcept = default;
Job::~Job() = default;

}  // namespace lockstep
