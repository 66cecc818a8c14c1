// SPDX-License-Identifier: Apache-2.0
#include "runtime/exec/plan.h"

namespace lockstep {
namespace {

bool Aligned(const void* p) {
  return reinterpret_cast<uintptr_t>(p) % kTensorAlignment == 0;
}

}  // namespace

bool Plan::Fits(std::span<const Tensor> feeds) const {
  for (size_t i = 0; i < feeds.size(); ++i) {
    if (feeds[i].dtype() != feeds_[i].spec.dtype ||
        !(feeds[i].shape() == feeds_[i].spec.shape)) {
      return false;
    }
  }
  return true;
}

Status Plan::Run(std::span<const Tensor> feeds, std::vector<Tensor>* fetches) {
  BindFeeds(feeds);
  run_ = RunInfo{};
  run_.random_step = resources_->random_step();
  if (random_) resources_->set_random_step(run_.random_step + 1);
  LS_RETURN_IF_ERROR(RunSteps());
  LS_RETURN_IF_ERROR(TakeFetches(fetches));
  initialized_ = true;
  return Ok();
}

void Plan::BindFeeds(std::span<const Tensor> feeds) {
  for (size_t i = 0; i < feeds.size(); ++i) {
    Feed& feed = feeds_[i];
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

Status Plan::CheckInitialized(const Variable& variable) const {
  if (variable.initialized()) return Ok();
  return FailedPrecondition("Attempting to use uninitialized value ",
                            variable.name(),
                            ": run its initializer or restore it first");
}

Status Plan::RunSteps() {
  for (Step& step : steps_) {
    Status s;
    if (!initialized_) [[unlikely]] {
      for (const Variable* v : step.reads) s.Update(CheckInitialized(*v));
    }
    if (s.ok()) {
      s = step.dynamic ? step.dynamic->Run(step.inputs, step.outputs)
                       : step.run(step.context);
    }
    if (!s.ok()) [[unlikely]] {
      return s.WithContext(WhereIs(*step.node, task_, tasks_));
    }
  }
  return Ok();
}

Status Plan::TakeFetches(std::vector<Tensor>* fetches) {
  fetches->resize(fetches_.size());
  for (size_t i = 0; i < fetches_.size(); ++i) {
    const Fetch& f = fetches_[i];
    if (f.variable) LS_RETURN_IF_ERROR(CheckInitialized(*f.variable));
    Tensor& out = (*fetches)[i];
    if (!(out.unique() && out.dtype() == f.value->dtype() &&
          out.shape() == f.value->shape())) {
      LS_ASSIGN_OR_RETURN(out,
                          Tensor::Make(f.value->dtype(), f.value->shape()));
    }
    out.CopyFrom(*f.value);
  }
  return Ok();
}

}  // namespace lockstep
