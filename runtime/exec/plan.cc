// SPDX-License-Identifier: Apache-2.0
#include "runtime/exec/plan.h"

#include <algorithm>
#include <new>

#include "runtime/core/denormals.h"
#include "runtime/exec/function_runner.h"
#include "runtime/exec/schedule.h"

namespace lockstep {
namespace {

bool Aligned(const void* p) {
  return reinterpret_cast<uintptr_t>(p) % kTensorAlignment == 0;
}

}  // namespace

Plan::~Plan() {
  if (number_ != 0) UnregisterPlan(number_);
}

std::string Plan::PositionText(uint32_t position) const {
  if (position >= steps_.size()) return {};
  const Node& node = *steps_[position].node;
  return StrCat("node '", node.name(), "' (", node.op(), ")");
}

bool Plan::Fits(std::span<const Tensor> feeds) const {
  for (size_t i = 0; i < feeds.size(); ++i) {
    if (feeds[i].dtype() != feeds_[i].spec.dtype ||
        !(feeds_[i].any_shape
              ? feeds_[i].spec.shape.IsCompatibleWith(feeds[i].shape())
              : feeds[i].shape() == feeds_[i].spec.shape)) {
      return false;
    }
  }
  return true;
}

std::vector<FeedSpec> Plan::FeedSpecs() const {
  std::vector<FeedSpec> specs;
  for (const Feed& f : feeds_) specs.push_back(f.spec);
  return specs;
}

Status Plan::Run(std::span<const Tensor> feeds, std::vector<Tensor>* fetches,
                 const RunInfo* outer) {
  if (trace_ != nullptr) [[unlikely]]
    return RunTraced(feeds, fetches, outer);
  return RunOnce(feeds, fetches, outer);
}

Status Plan::RunOnce(std::span<const Tensor> feeds,
                     std::vector<Tensor>* fetches, const RunInfo* outer) {
  BindFeeds(feeds);
  run_ = outer ? *outer : RunInfo{};
  run_.random_step = resources_->random_step();
  if (random_) resources_->set_random_step(run_.random_step + 1);
  Status ran = RunInto(feeds, fetches, outer != nullptr);
  if (ran.ok()) [[likely]] {
    initialized_ = conditions_.empty();  // else some steps did not run
  } else {
    fetches->clear();  // nothing half-written
  }
  return ran;
}

Status Plan::RunInto(std::span<const Tensor> feeds,
                     std::vector<Tensor>* fetches, bool inner) {
  LS_RETURN_IF_ERROR(BindResults(fetches));
  LS_RETURN_IF_ERROR(RunSteps());
  return TakeFetches(feeds, fetches, inner);
}

Status Plan::RunPart(std::span<const Tensor> feeds,
                     std::vector<const Tensor*>* fetches, const RunInfo& part) {
  BindFeeds(feeds);
  run_ = part;
  LS_RETURN_IF_ERROR(RunSteps());
  fetches->clear();
  for (const Fetch& f : fetches_) {
    LS_RETURN_IF_ERROR(CheckFetch(f));
    fetches->push_back(f.value);
  }
  initialized_ = conditions_.empty();
  return Ok();
}

void Plan::BindFeeds(std::span<const Tensor> feeds) {
  for (size_t i = 0; i < feeds.size(); ++i) {
    Feed& feed = feeds_[i];
    if (feed.any_shape) {
      for (Tensor* view : feed.views) *view = feeds[i];
      continue;
    }
    // Kernels only read feeds; views are not const because they are operands.
    void* data = const_cast<void*>(feeds[i].data());
    if (!Aligned(data) && IsPod(feed.spec.dtype)) {
      if (!feed.staging.defined()) feed.staging = feeds[i].Clone();
      feed.staging.CopyFrom(feeds[i]);
      data = feed.staging.data();
    }
    for (Tensor* view : feed.views) view->Rebind(data);
  }
}

Status Plan::CheckReads(const Step& step) const {
  for (const Variable* v : step.reads) {
    const Status s = CheckInitialized(*v);
    if (s.ok()) continue;
    const Node& n = *step.node;
    int input = n.num_inputs() - 1;
    for (; input >= 0; --input) {
      const Node* behind = VariableBehind(n.input(input)).node;
      if (behind && VariableName(*behind) == v->name()) break;
    }
    return s.WithContext(WhereIs(n, task_, tasks_, input));
  }
  return Ok();
}

Status Plan::RunSteps() {
  const FlushDenormals flush;
  if (!conditions_.empty()) std::ranges::fill(conditions_, uint8_t{0});
  ProgressSlot& progress = ThisThreadsProgress();
  progress.BeginRun();
  // Of the plan whose step this run is, if it is one.
  const uint64_t outer = progress.at().load(std::memory_order_relaxed);
  const bool traced = trace_ != nullptr && trace_->ops;
  Status ran = lanes_ != nullptr ? RunLanes()
               : traced          ? RunInOrderTraced()
                                 : RunInOrder();
  progress.at().store(outer, std::memory_order_relaxed);
  return ran;
}

Status Plan::Thrown(const Step& step, const std::exception& error) const {
  const std::string where = WhereIs(*step.node, task_, tasks_);
  if (dynamic_cast<const std::bad_alloc*>(&error) != nullptr) {
    return ResourceExhausted(where, ": out of memory");
  }
  return Internal(where, ": threw an exception: ", error.what());
}

Status Plan::RunInOrder() {
  std::atomic<uint64_t>& at = ThisThreadsProgress().at();
  uint64_t here = uint64_t{number_} << 32;
  for (Step& step : steps_) {
    at.store(here++, std::memory_order_relaxed);
    LS_RETURN_IF_ERROR(RunStep(step));
  }
  return Ok();
}

namespace {

// A copy that the caller owns.
Status TakeFetch(const Tensor& value, Hardware* hardware, Tensor* out) {
  if (!out->owns_memory()) *out = Tensor();
  if (hardware == nullptr) return CopyInto(value, out);
  LS_RETURN_IF_ERROR(MakeRoom(value, out));
  return hardware->Copy(out->data(), value.data(), value.bytes());
}

}  // namespace

Status Plan::CheckFetch(const Fetch& fetch) const {
  if (!Holds(fetch.only_if)) {
    return InvalidArgument("tensor '", fetch.name,
                           "' has no value: it is on the "
                           "branch that was not taken");
  }
  return fetch.variable ? CheckInitialized(*fetch.variable) : Ok();
}

Status Plan::BindResults(std::vector<Tensor>* fetches) {
  fetches->resize(fetches_.size());
  for (size_t i = 0; i < fetches_.size(); ++i) {
    if (fetches_[i].views.empty()) continue;
    Tensor& out = (*fetches)[i];
    if (!out.owns_memory()) out = Tensor();
    LS_RETURN_IF_ERROR(MakeRoom(*fetches_[i].value, &out));
    for (Tensor* view : fetches_[i].views) view->Rebind(out.data());
  }
  return Ok();
}

// `inner`: of a function, whose caller changes neither arguments nor results.
Status Plan::TakeFetches(std::span<const Tensor> feeds,
                         std::vector<Tensor>* fetches, bool inner) {
  for (size_t i = 0; i < fetches_.size(); ++i) {
    const Fetch& f = fetches_[i];
    LS_RETURN_IF_ERROR(CheckFetch(f));
    if (!f.views.empty()) continue;
    Tensor& out = (*fetches)[i];
    if (inner && f.feed >= 0) {
      out = feeds[static_cast<size_t>(f.feed)];
      continue;
    }
    if (f.on_heap && f.value->unique()) {
      std::swap(out, *f.value);  // whose next value may have out's memory
      continue;
    }
    LS_RETURN_IF_ERROR(TakeFetch(*f.value, f.hardware, &out));
  }
  return Ok();
}

}  // namespace lockstep
