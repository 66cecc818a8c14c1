// SPDX-License-Identifier: Apache-2.0
#include "tools/lockstep/calibrate.h"

#include <stdlib.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <unordered_set>

#include "runtime/core/trace.h"
#include "runtime/core/trace_runs.h"
#include "runtime/graph/passes/pass.h"
#include "runtime/io/trace_reader.h"

namespace lockstep {
namespace {

constexpr uint64_t kTraceBytes = uint64_t{32} << 20;

double Median(std::vector<double> values) {
  if (values.empty()) return 0;
  const auto middle =
      values.begin() + static_cast<ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

// Of the last `steps` runs; the first ones make the plan.
MeasuredSteps TimesOf(const TraceLog& log, size_t steps) {
  MeasuredSteps times;
  std::vector<uint32_t> runs;
  std::vector<double> run_us;
  for (const TraceEvent& e : log.events) {
    if (e.kind != TraceKind::kRun || !RunHasOps(e.bytes)) continue;
    runs.push_back(e.number);
    run_us.push_back(static_cast<double>(e.duration_ns()) * 1e-3);
  }
  const size_t skip = runs.size() > steps ? runs.size() - steps : 0;
  const std::unordered_set<uint32_t> counted(
      runs.begin() + static_cast<ptrdiff_t>(skip), runs.end());
  times.run_us =
      Median({run_us.begin() + static_cast<ptrdiff_t>(skip), run_us.end()});
  std::map<std::string, std::vector<double>> by_name;
  for (const TraceEvent& e : log.events) {
    if (e.kind != TraceKind::kOp || !counted.contains(e.number)) continue;
    const std::string& name = log.NameOf(e.name).name;
    by_name[name].push_back(static_cast<double>(e.duration_ns()) * 1e-3);
    if (e.number == runs.back()) times.names.push_back(name);
  }
  for (const std::string& name : times.names) {
    times.us.push_back(Median(by_name[name]));
  }
  return times;
}

// On several ranks gradients are exchanged before they are applied, so here
// too each is made as a whole by a step of its own.
class KeepGradients final : public GraphPass {
 public:
  std::string name() const override { return "keep gradients"; }
  Status Run(PassContext& context) const override {
    for (Node* n : context.graph.nodes()) {
      const int gradient = n->traits().applies_gradient;
      if (gradient >= 0) {
        context.graph.AddControlEdge(n->input(gradient).node, n);
      }
    }
    return Ok();
  }
};

Result<TraceLog> RunTraced(const Graph& graph, SessionOptions options,
                           const CalibrationRun& run, const std::string& dir) {
  LS_ASSIGN_OR_RETURN(std::shared_ptr<Trace> trace,
                      Trace::Open({.dir = dir, .bytes = kTraceBytes}));
  options.services.push_back(
      [trace](SessionResources& resources) { resources.SetService(trace); });
  {
    LS_ASSIGN_OR_RETURN(const auto session, Session::Create(graph, options));
    if (!run.init.empty()) {
      LS_RETURN_IF_ERROR(session->RunTargets({run.init}));
    }
    // Ops are recorded in some runs only when these are short.
    for (int i = 0; i < 2 * run.steps + 10; ++i) {
      LS_RETURN_IF_ERROR(
          session->Run(run.feeds, run.fetches, run.targets).status());
    }
  }
  return ReadTrace(*Env::Default(), trace->path());
}

// Names of the node and all that it needs.
void AddNeeds(const Node* node, std::unordered_set<std::string>* names) {
  std::vector<const Node*> stack = {node};
  while (!stack.empty()) {
    const Node* n = stack.back();
    stack.pop_back();
    if (!names->insert(n->name()).second) continue;
    for (const Output& in : n->inputs()) stack.push_back(in.node);
  }
}

// A step that the plan made of several nodes is named after the last.
bool IsOneOf(std::string_view step,
             const std::unordered_set<std::string>& names) {
  if (step.ends_with("/fused")) step.remove_suffix(6);
  return names.contains(std::string(step));
}

// Shapes of gradients may depend on the batch; those of variables do not.
Result<int64_t> GradientBytes(const Node& update, const Output& gradient) {
  for (const Shape* shape : {&gradient.shape(), &update.input(0).shape()}) {
    if (shape->IsFullyKnown()) {
      return shape->NumElements() *
             static_cast<int64_t>(DTypeSize(BaseOf(gradient.dtype())));
    }
  }
  return InvalidArgument("the size of the gradient of '", update.name(),
                         "' is not known");
}

}  // namespace

Result<MeasuredSteps> MeasureSteps(const Graph& graph, SessionOptions options,
                                   const CalibrationRun& run) {
  char dir[] = "/tmp/lockstep_calibrate_XXXXXX";
  if (mkdtemp(dir) == nullptr) return Internal("no folder for a trace");
  const Result<TraceLog> log = RunTraced(graph, std::move(options), run, dir);
  std::error_code ignored;
  std::filesystem::remove_all(dir, ignored);
  LS_RETURN_IF_ERROR(log.status());
  return TimesOf(*log, static_cast<size_t>(run.steps));
}

Result<StepProfile> Calibrate(const Graph& graph, SessionOptions options,
                              const CalibrationRun& run) {
  options.passes.push_back(std::make_shared<KeepGradients>());
  LS_ASSIGN_OR_RETURN(const MeasuredSteps times,
                      MeasureSteps(graph, std::move(options), run));
  StepProfile profile;
  profile.batch_share = true;
  std::map<std::string, double> update_us;
  std::vector<double> ends;  // of each op, the updates taking no time
  double all = 0;
  for (size_t i = 0; i < times.names.size(); ++i) {
    all += times.us[i];
    const Node* n = graph.Find(times.names[i]);
    if (n != nullptr && n->traits().applies_gradient >= 0) {
      update_us[n->name()] = times.us[i];
    } else {
      profile.compute_us += times.us[i];
    }
    ends.push_back(profile.compute_us);
  }
  profile.overhead_us = std::max(0.0, times.run_us - all);
  for (const auto& [name, us] : update_us) {
    const Node& update = *graph.Find(name);
    const Output gradient = update.input(update.traits().applies_gradient);
    std::unordered_set<std::string> needs;
    AddNeeds(gradient.node, &needs);
    StepProfile::Gradient g{.name = name, .update_us = us};
    LS_ASSIGN_OR_RETURN(g.bytes, GradientBytes(update, gradient));
    for (size_t i = 0; i < times.names.size(); ++i) {
      if (IsOneOf(times.names[i], needs)) g.ready_us = ends[i];
    }
    profile.gradients.push_back(std::move(g));
  }
  if (profile.gradients.empty()) {
    return InvalidArgument(
        "the run updates no variable by its gradient: give the train op with "
        "--target");
  }
  std::ranges::stable_sort(profile.gradients, {},
                           &StepProfile::Gradient::ready_us);
  return profile;
}

}  // namespace lockstep
