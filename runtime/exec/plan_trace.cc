// SPDX-License-Identifier: Apache-2.0
#include "runtime/exec/plan_trace.h"

#include "runtime/core/strings.h"
#include "runtime/exec/plan.h"
#include "runtime/exec/plan_assembly.h"

namespace lockstep {

void PlanBuilder::BindTrace() {
  Trace* trace = environment_.resources->Service<Trace>();
  // Functions are part of the step that runs them.
  if (trace == nullptr || environment_.explain_only || environment_.depth > 0) {
    return;
  }
  plan_->trace_ = std::make_unique<PlanTrace>();
  PlanTrace& traced = *plan_->trace_;
  traced.trace = trace;
  std::vector<std::string> asked;
  for (const Node* n : request_.signature.targets) asked.push_back(n->name());
  for (const Output& o : request_.signature.fetches) asked.push_back(o.name());
  traced.run_name = trace->Name(TraceKind::kRun, "Run", Join(asked, ", "));
  traced.wait_name = trace->Name(TraceKind::kWait, "Wait", "for another lane");
  for (const Plan::Step& step : plan_->steps_) {
    const Node& n = *step.node;
    traced.step_names.push_back(
        trace->Name(TraceKind::kOp, n.op(), n.name(),
                    n.traits().synchronizes ? kTraceSynchronizes : 0));
  }
}

Status Plan::RunTraced(std::span<const Tensor> feeds,
                       std::vector<Tensor>* fetches, const RunInfo* outer) {
  if (trace_->Skip()) return RunOnce(feeds, fetches, outer);
  const uint64_t begin = trace_->trace->Now();
  trace_->BeginRun();
  Status ran = RunOnce(feeds, fetches, outer);
  trace_->EndRun(begin, trace_->trace->Now());
  return ran;
}

Status Plan::RunInOrderTraced() {
  Trace& trace = *trace_->trace;
  std::atomic<uint64_t>& at = ThisThreadsProgress().at();
  const uint64_t here = uint64_t{number_} << 32;
  uint64_t begin = trace.Now();
  for (size_t i = 0; i < steps_.size(); ++i) {
    Step& step = steps_[i];
    if (step.only_if && !Holds(*step.only_if)) continue;
    at.store(here + i, std::memory_order_relaxed);
    trace.SetCurrent(0, trace_->step_names[i]);
    Status s = RunStep(step);
    begin = trace_->AddStep(i, begin, 0);
    LS_RETURN_IF_ERROR(std::move(s));
  }
  trace.SetCurrent(0, 0);
  return Ok();
}

}  // namespace lockstep
