// SPDX-License-Identifier: Apache-2.0
#include "tools/lockstep/bench_steps.h"

#include <time.h>

#include <cstdio>
#include <cstring>

#include "runtime/core/threads.h"
#include "runtime/graph/graph_def.h"
#include "runtime/graph/meta_graph.h"
#include "tools/lockstep/bench_profile.h"
#include "tools/lockstep/graph_feeds.h"

namespace lockstep {
namespace {

constexpr int kSteps = 200;
constexpr size_t kFewest = 5;

// What the graph is fed stays the same: uniform numbers, zeros for integers.
Result<BenchModel> ModelOfFile(const BenchOptions& o) {
  LS_ASSIGN_OR_RETURN(MetaGraph meta, ReadGraphFile(*Env::Default(), o.graph));
  BenchModel m;
  LS_ASSIGN_OR_RETURN(std::vector<Session::Feed> feeds,
                      FeedsOf(meta.graph, o.feed_shapes));
  m.graph = std::move(meta.graph);
  m.batches.emplace_back();
  for (Session::Feed& feed : feeds) {
    LS_ASSIGN_OR_RETURN(const Output tensor, m.graph.FindOutput(feed.first));
    Tensor value = std::move(feed.second);
    if (value.dtype() == kFloat) {
      value = UniformTensor(value.shape(), m.feeds.size());
    } else if (IsPod(value.dtype()) && value.bytes() > 0) {
      std::memset(value.data(), 0, value.bytes());
    }
    m.feeds.push_back(tensor);
    m.batches[0].push_back(std::move(value));
  }
  for (const std::string& name : o.fetches) {
    LS_ASSIGN_OR_RETURN(const Output tensor, m.graph.FindOutput(name));
    m.fetches.push_back(tensor);
  }
  for (const std::string& name : o.targets) {
    Node* node = m.graph.Find(name);
    if (node == nullptr) return NotFound("--target: no node '", name, "'");
    m.targets.push_back(node);
  }
  m.init = m.graph.Find(o.init.empty() ? "init" : o.init);
  if (!o.init.empty() && m.init == nullptr) {
    return NotFound("--init: no node '", o.init, "'");
  }
  m.batch = m.feeds.empty() || m.batches[0][0].shape().rank() == 0
                ? 0
                : static_cast<int>(m.batches[0][0].shape().dim(0));
  return m;
}

// With several ranks each takes its part of the batch.
Result<BenchModel> ModelOf(const BenchOptions& o, const Job& job, int* batch) {
  if (!o.graph.empty()) {
    LS_ASSIGN_OR_RETURN(BenchModel model, ModelOfFile(o));
    *batch = model.batch * job.size();
    return model;
  }
  BenchModelOptions asked{
      .batch = o.batch, .width = o.width, .depth = o.depth, .device = o.device};
  LS_ASSIGN_OR_RETURN(BenchModel model, MakeBenchModel(o.name, asked));
  *batch = model.batch;
  if (job.size() == 1) return model;
  if (*batch % job.size() != 0) {
    return InvalidArgument("a batch of ", *batch, " does not divide by ",
                           job.size(), " ranks");
  }
  asked.batch = *batch / job.size();
  return MakeBenchModel(o.name, asked);
}

Json PartsJson(const StartLog& log) {
  Json parts = Json::array();
  for (const auto& [part, at] : log.parts) {
    parts.push_back({{"part", part}, {"at_ns", at}});
  }
  return parts;
}

void Print(const BenchOptions& o, const BenchRow& row, const BenchTimes& times,
           const Json& more) {
  if (o.json) return PrintJson(RowJson(row, times, more));
  std::printf(
      "%-8s batch %d, %d ranks, %d threads, %zu steps: min %.2f us, "
      "median %.2f, 95 %% %.2f (first %.0f)\n",
      row.name.c_str(), row.batch, row.ranks, row.threads, times.us.size(),
      times.min(), times.median(), times.At(0.95),
      more["first_us"].get<double>());
}

void PrintPlan(const PlanInfo& info) {
  for (const std::string& step : info.steps) {
    std::printf("  %s\n", step.c_str());
  }
  std::printf(
      "%d steps, %d dynamic; arena %zu bytes (at least %zu), variables "
      "%zu bytes\n",
      info.num_steps, info.num_dynamic_steps, info.arena_bytes,
      info.lower_bound_bytes, info.variable_bytes);
}

CalibrationRun RunOf(const BenchModel& model, int steps) {
  CalibrationRun run{.init = model.init ? model.init->name() : "",
                     .steps = steps};
  for (size_t i = 0; i < model.feeds.size(); ++i) {
    run.feeds.emplace_back(model.feeds[i].name(), model.batches[0][i]);
  }
  for (const Output& f : model.fetches) run.fetches.push_back(f.name());
  for (const Node* n : model.targets) run.targets.push_back(n->name());
  return run;
}

}  // namespace

int64_t SteadyNanos() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

void StartLog::Done(const char* part) {
  parts.emplace_back(part, SteadyNanos());
}

Result<BenchTimes> TimeSteps(const BenchModel& model, Session& session,
                             int steps, int warmup, double* first_us,
                             double most_us) {
  LS_ASSIGN_OR_RETURN(
      auto step,
      session.MakeCallable(model.feeds, model.fetches, model.targets));
  std::vector<double> us;
  us.reserve(static_cast<size_t>(steps));
  std::vector<Tensor> out;
  const Stopwatch all;
  for (int i = 0; i < warmup + steps; ++i) {
    const auto& feeds =
        model.batches[static_cast<size_t>(i) % model.batches.size()];
    const Stopwatch one;
    LS_RETURN_IF_ERROR(step->Run(feeds, &out));
    const double took = one.Micros();
    if (i == 0) *first_us = took;
    if (i >= warmup) us.push_back(took);
    if (us.size() >= kFewest && all.Micros() > most_us) break;
  }
  return BenchTimes(std::move(us));
}

Status BenchSteps(const BenchOptions& o, Job& job, StartLog* log) {
  int batch = 0;
  LS_ASSIGN_OR_RETURN(BenchModel model, ModelOf(o, job, &batch));
  if (!o.write_graph.empty()) {
    LS_ASSIGN_OR_RETURN(const std::string bytes, ToGraphDef(model.graph));
    return Env::Default()->WriteFileAtomically(o.write_graph, bytes);
  }
  log->Done("graph and data");
  SessionOptions options;
  LS_RETURN_IF_ERROR(o.session.Apply("bench", *Env::Default(), &options));
  const int threads = o.threads > 0 ? o.threads : job.default_threads();
  options.intra_op_threads = threads;
  options.reproducible = o.reproducible;
  if (!o.device.empty()) options.allow_soft_placement = true;
  LS_RETURN_IF_ERROR(job.StartTrace(options.trace_dir));
  job.Configure(model.feeds.empty() ? "" : model.feeds[0].name(), &options);
  LS_ASSIGN_OR_RETURN(auto session, Session::Create(model.graph, options));
  log->Done("session");
  if (model.init) {
    LS_RETURN_IF_ERROR(session->RunTargets({model.init->name()}));
    log->Done("initial values");
  }
  const int64_t first_begins = SteadyNanos();
  double first_us = 0;
  LS_ASSIGN_OR_RETURN(const BenchTimes times,
                      TimeSteps(model, *session, o.steps > 0 ? o.steps : kSteps,
                                o.warmup, &first_us));
  log->parts.emplace_back("first step",
                          first_begins + static_cast<int64_t>(first_us * 1e3));
  const CalibrationRun run = RunOf(model, 50);
  PlanInfo info;
  if (o.plan || o.profile) {
    LS_ASSIGN_OR_RETURN(info,
                        session->Explain(run.feeds, run.fetches, run.targets));
  }
  StepShares shares;
  if (o.profile) {
    LS_ASSIGN_OR_RETURN(const MeasuredSteps measured,
                        MeasureSteps(model.graph, options, run));
    shares = SharesOf(info.work, measured, threads);
  }
  if (!job.speaks()) return Ok();
  Json more = {{"first_us", Rounded(first_us, 0)}};
  if (o.parts) more["parts"] = PartsJson(*log);
  if (o.profile) more["profile"] = SharesJson(shares);
  const std::string name = o.graph.empty() ? o.name : BaseName(o.graph);
  Print(o, {name, threads, job.size(), batch}, times, more);
  if (o.profile && !o.json) PrintShares(shares);
  if (o.plan && !o.json) PrintPlan(info);
  return Ok();
}

}  // namespace lockstep
