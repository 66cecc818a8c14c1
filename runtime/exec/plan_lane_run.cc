// SPDX-License-Identifier: Apache-2.0
// Plan::Run on several lanes. Each lane counts the steps it has done; others
// wait for the count. Whichever way a lane ends, its count becomes kGone, so
// that nobody waits for it in vain.
#include <algorithm>
#include <climits>
#include <utility>

#include "runtime/core/env.h"
#include "runtime/core/threads.h"
#include "runtime/exec/communication_wait.h"
#include "runtime/exec/lanes.h"
#include "runtime/exec/plan.h"

namespace lockstep {
namespace {

constexpr int kGone = INT_MAX;
constexpr int kSpins = 64;

}  // namespace

Status Plan::RunLanes() {
  for (Progress& p : progress_) p.done.store(0, std::memory_order_relaxed);
  failed_.store(false, std::memory_order_relaxed);
  failure_ = Ok();
  const bool branches = used_lanes_.back() == lanes_->Beside();
  const ThreadsScope width(branches ? 1 : Threads());
  lanes_->Run(used_lanes_, [this](int lane) { RunLane(lane); });
  return failure_;
}

void Plan::RunLane(int lane) {
  Status s = lanes_->attached(lane);
  if (s.ok()) s = RunLaneSteps(lane);
  if (s.ok()) s = lanes_->queue(lane).Finish();
  if (lane != 0) ThisThreadsProgress().at().store(0, std::memory_order_relaxed);
  // Of what only the end of a queue shows it is not known which step it was.
  if (!s.ok()) Fail(kGone, s.WithContext(lanes_->Name(lane)));
  Progress& mine = progress_[static_cast<size_t>(lane)];
  mine.done.store(kGone, std::memory_order_release);
  mine.done.notify_all();
}

Status Plan::RunLaneSteps(int lane) {
  Queue& queue = lanes_->queue(lane);
  std::atomic<int>& done = progress_[static_cast<size_t>(lane)].done;
  std::vector<LaneStep>& steps = lane_steps_[static_cast<size_t>(lane)];
  std::atomic<uint64_t>& at = ThisThreadsProgress().at();
  const uint64_t begin = uint64_t{number_} << 32;
  // In the first run some variables have no value yet, which steps look at.
  const bool records = initialized_ && queue.CanRecord();
  PlanTrace* trace = trace_ != nullptr && trace_->ops ? trace_.get() : nullptr;
  uint64_t traced_to = trace ? trace->trace->Now() : 0;
  for (size_t i = 0; i < steps.size();) {
    LaneStep& next = steps[i];
    LS_RETURN_IF_ERROR(AwaitLanes(next.waits, queue));
    at.store(begin + static_cast<uint64_t>(next.step),
             std::memory_order_relaxed);
    if (failed_.load(std::memory_order_acquire)) return Ok();
    if (trace != nullptr && !next.waits.empty()) {
      traced_to = trace->AddWait(traced_to, lane);
    }
    const auto row = static_cast<size_t>(records ? next.recordable : 0);
    if (row > 0) {
      bool failed = false;
      LS_RETURN_IF_ERROR(RunRow(&next, queue, &failed));
      if (failed) return Ok();
    } else if (Status s = RunStep(steps_[static_cast<size_t>(next.step)]);
               !s.ok()) {
      Fail(next.step, std::move(s));
      return Ok();
    }
    // A row that is replayed is recorded under its first step's name.
    if (trace != nullptr) {
      traced_to =
          trace->AddStep(static_cast<size_t>(next.step), traced_to, lane);
    }
    i += std::max<size_t>(row, 1);
    const int event = steps[i - 1].event;
    if (event >= 0) LS_RETURN_IF_ERROR(queue.Mark(event));
    done.store(static_cast<int>(i), std::memory_order_release);
    if (event >= 0) done.notify_all();
  }
  return Ok();
}

// Steps that are recorded when they are first met, then replayed. `failed` is
// set when one of them did.
Status Plan::RunRow(LaneStep* first, Queue& queue, bool* failed) {
  if (first->recording >= 0) return queue.Replay(first->recording);
  LS_RETURN_IF_ERROR(queue.BeginRecord());
  Status ran;
  for (int i = 0; i < first->recordable && ran.ok(); ++i) {
    ran = RunStep(steps_[static_cast<size_t>(first[i].step)]);
  }
  const Result<int> recording = queue.EndRecord();
  if (ran.ok() && recording.ok()) {
    first->recording = *recording;
    return queue.Replay(first->recording);
  }
  // One of these kernels does what a queue does not record, which it may be
  // told as it does it or the queue at the end: they run one by one.
  const int row = std::exchange(first->recordable, 0);
  for (int i = 0; i < row; ++i) {
    Status s = RunStep(steps_[static_cast<size_t>(first[i].step)]);
    if (s.ok()) continue;
    Fail(first[i].step, std::move(s));
    *failed = true;
    break;
  }
  return Ok();
}

void Plan::AwaitLane(const LaneWait& wait, std::atomic<int>& done) {
  auto* counted = wait.lane == lanes_->Communication()
                      ? resources_->Service<CommunicationWait>()
                      : nullptr;
  const uint64_t begin = counted ? Env::Default()->SteadyMicros() : 0;
  int have = done.load(std::memory_order_acquire);
  while (have < wait.done) {
    done.wait(have, std::memory_order_acquire);
    have = done.load(std::memory_order_acquire);
  }
  if (counted) counted->micros += Env::Default()->SteadyMicros() - begin;
}

Status Plan::AwaitLanes(const std::vector<LaneWait>& waits, Queue& queue) {
  for (const LaneWait& w : waits) {
    std::atomic<int>& done = progress_[static_cast<size_t>(w.lane)].done;
    int have = done.load(std::memory_order_acquire);
    for (int i = 0; have < w.done && i < kSpins; ++i) {
      have = done.load(std::memory_order_acquire);
    }
    if (have < w.done) AwaitLane(w, done);
    if (failed_.load(std::memory_order_acquire)) return Ok();
    LS_RETURN_IF_ERROR(queue.WaitFor(lanes_->queue(w.lane), w.event));
  }
  return Ok();
}

void Plan::Fail(int step, Status status) {
  std::lock_guard lock(failure_mutex_);
  if (!failure_.ok() && step >= failed_step_) return;
  failed_step_ = step;
  failure_ = std::move(status);
  failed_.store(true, std::memory_order_release);
}

}  // namespace lockstep
