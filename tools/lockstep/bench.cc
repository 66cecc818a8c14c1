// SPDX-License-Identifier: Apache-2.0
#include "tools/lockstep/bench.h"

#include <algorithm>
#include <chrono>
#include <cstdio>

#include "distributed/job.h"
#include "runtime/core/threads.h"
#include "runtime/exec/session.h"
#include "runtime/graph/graph_def.h"
#include "tools/lockstep/bench_allreduce.h"
#include "tools/lockstep/bench_models.h"
#include "tools/lockstep/command.h"
#include "tools/lockstep/ranks.h"
#include "tools/lockstep/session_flags.h"

namespace lockstep {
namespace {

using Clock = std::chrono::steady_clock;

struct BenchOptions {
  std::string name;
  int batch = 0;
  int threads = 0;
  int ranks = 1;
  int steps = 200;
  int warmup = 20;
  int reproducible = 0;
  std::string device;
  bool json = false;
  bool plan = false;
  std::string write_graph;
  SessionFlags session;
};

struct Times {
  double first_us = 0;     // planning included
  std::vector<double> us;  // sorted
  double At(double share) const {
    return us[static_cast<size_t>(share * static_cast<double>(us.size() - 1))];
  }
};

Result<Times> TimeSteps(BenchModel& model, Session& session,
                        const BenchOptions& o) {
  std::vector<Node*> targets;
  if (model.train) targets.push_back(model.train);
  if (model.init) LS_RETURN_IF_ERROR(session.RunTargets({model.init->name()}));
  LS_ASSIGN_OR_RETURN(
      auto step, session.MakeCallable(model.feeds, model.fetches, targets));
  Times times;
  std::vector<Tensor> out;
  for (int i = 0; i < o.warmup + o.steps; ++i) {
    const auto& feeds =
        model.batches[static_cast<size_t>(i) % model.batches.size()];
    const auto begin = Clock::now();
    LS_RETURN_IF_ERROR(step->Run(feeds, &out));
    const double us =
        std::chrono::duration<double, std::micro>(Clock::now() - begin).count();
    if (i == 0) times.first_us = us;
    if (i >= o.warmup) times.us.push_back(us);
  }
  std::ranges::sort(times.us);
  return times;
}

void Print(const BenchOptions& o, const Times& times, int batch, int threads,
           int ranks) {
  if (o.json) {
    std::printf(
        "{\"name\": \"%s\", \"us_min\": %.2f, \"us_med\": %.2f, "
        "\"us_p95\": %.2f, \"threads\": %d, \"ranks\": %d, "
        "\"batch\": %d, \"steps\": %zu, \"first_us\": %.0f}\n",
        o.name.c_str(), times.us.front(), times.At(0.5), times.At(0.95),
        threads, ranks, batch, times.us.size(), times.first_us);
    return;
  }
  std::printf(
      "%-8s batch %d, %d ranks, %d threads, %zu steps: min %.2f us, "
      "median %.2f, 95 %% %.2f (first %.0f)\n",
      o.name.c_str(), batch, ranks, threads, times.us.size(), times.us.front(),
      times.At(0.5), times.At(0.95), times.first_us);
}

// With several ranks each takes its part of the batch.
Status RunBench(const BenchOptions& o, Job& job) {
  LS_ASSIGN_OR_RETURN(BenchModel model,
                      MakeBenchModel(o.name, o.batch, o.device));
  const int batch = model.batch;
  if (batch % job.size() != 0) {
    return InvalidArgument("a batch of ", batch, " does not divide by ",
                           job.size(), " ranks");
  }
  if (job.size() > 1) {
    LS_ASSIGN_OR_RETURN(model,
                        MakeBenchModel(o.name, batch / job.size(), o.device));
  }
  if (!o.write_graph.empty()) {
    LS_ASSIGN_OR_RETURN(const std::string bytes, ToGraphDef(model.graph));
    return Env::Default()->WriteFileAtomically(o.write_graph, bytes);
  }
  SessionOptions options;
  LS_RETURN_IF_ERROR(o.session.Apply("bench", *Env::Default(), &options));
  const int threads = o.threads > 0 ? o.threads : job.default_threads();
  options.intra_op_threads = threads;
  options.reproducible = o.reproducible;
  if (!o.device.empty()) options.allow_soft_placement = true;
  LS_RETURN_IF_ERROR(job.StartTrace(options.trace_dir));
  job.Configure(model.feeds.empty() ? "" : model.feeds[0].name(), &options);
  LS_ASSIGN_OR_RETURN(auto session, Session::Create(model.graph, options));
  LS_ASSIGN_OR_RETURN(Times times, TimeSteps(model, *session, o));
  if (!job.speaks()) return Ok();
  Print(o, times, batch, threads, job.size());
  if (!o.plan) return Ok();
  std::vector<Session::Feed> feeds;
  std::vector<std::string> fetches, targets;
  for (size_t i = 0; i < model.feeds.size(); ++i) {
    feeds.emplace_back(model.feeds[i].name(), model.batches[0][i]);
  }
  for (const Output& f : model.fetches) fetches.push_back(f.name());
  if (model.train) targets.push_back(model.train->name());
  LS_ASSIGN_OR_RETURN(PlanInfo info, session->Explain(feeds, fetches, targets));
  for (const std::string& step : info.steps)
    std::printf("  %s\n", step.c_str());
  std::printf(
      "%d steps, %d dynamic; arena %zu bytes (at least %zu), variables "
      "%zu bytes\n",
      info.num_steps, info.num_dynamic_steps, info.arena_bytes,
      info.lower_bound_bytes, info.variable_bytes);
  return Ok();
}

}  // namespace

int BenchMain(const std::vector<std::string>& args) {
  BenchOptions o;
  AllReduceBenchOptions all_reduce;
  CommandLine line("lockstep bench NAME, one of allreduce, " +
                   Join(BenchNames(), ", "));
  line.options.add_options()("name", po::value(&o.name),
                             "the model (also without --name)")(
      "batch", po::value(&o.batch),
      "samples a step, of all ranks together; 0: the model's usual")(
      "threads", po::value(&o.threads), "0: the processors this process has")(
      "ranks", po::value(&o.ranks)->default_value(o.ranks),
      "processes, started by mpirun")(
      "steps", po::value(&o.steps)->default_value(o.steps), "steps timed")(
      "warmup", po::value(&o.warmup)->default_value(o.warmup),
      "steps before them")("device", po::value(&o.device),
                           "where the model asks to be: /gpu:0")(
      "reproducible", po::value(&o.reproducible),
      "train with so many virtual replicas; 0: none")(
      "backend", po::value(&all_reduce.backends)->composing(),
      "of allreduce, may be repeated: shm, mpi; all there are")(
      "max-bytes",
      po::value(&all_reduce.max_bytes)->default_value(all_reduce.max_bytes),
      "the largest of allreduce")("json", po::bool_switch(&o.json),
                                  "one line of JSON")(
      "plan", po::bool_switch(&o.plan), "list the plan's steps and memory")(
      "write-graph", po::value(&o.write_graph)->value_name("FILE"),
      "write the model's GraphDef there and time nothing");
  o.session.AddTo(line.options);
  line.positional.add("name", 1);
  if (Status parsed = line.Parse(args); !parsed.ok()) {
    return Fail("bench", parsed, kExitBadInput);
  }
  if (line.help()) return line.ShowHelp();
  if (o.name.empty()) {
    line.ShowHelp();
    return kExitBadInput;
  }
  if (o.steps < 1 || o.warmup < 0 || o.batch < 0 || o.threads < 0 ||
      o.ranks < 1) {
    return Fail("bench",
                InvalidArgument("--steps and --ranks must be at least 1, "
                                "--warmup, --batch and --threads not negative"),
                kExitBadInput);
  }
  if (o.ranks > 1 && !IsRank()) {
    std::vector<std::string> again = {"bench"};
    again.insert(again.end(), args.begin(), args.end());
    return Fail("bench", BecomeRanks(o.ranks, again), kExitFailed);
  }
  all_reduce.json = o.json;
  if (o.name == "allreduce") {
    const Status s = BenchAllReduce(all_reduce);
    return s.ok() ? 0 : Fail("bench", s, kExitFailed);
  }
  Result<Job> job = Job::Start(nullptr, nullptr);
  if (!job.ok()) return Fail("bench", job.status(), kExitFailed);
  const Status s = job->Agree(RunBench(o, *job));
  if (s.ok()) return 0;
  return s.code() == Code::kCancelled ? kExitFailed
                                      : Fail("bench", s, kExitBadInput);
}

}  // namespace lockstep
