// SPDX-License-Identifier: Apache-2.0
#include "tools/lockstep/bench.h"

#include <algorithm>
#include <boost/program_options.hpp>
#include <chrono>
#include <cstdio>
#include <iostream>
#include <sstream>

#include "runtime/core/threads.h"
#include "runtime/exec/session.h"
#include "tools/lockstep/bench_models.h"
#include "tools/lockstep/session_flags.h"

namespace lockstep {
namespace {

namespace po = boost::program_options;
using Clock = std::chrono::steady_clock;

struct BenchOptions {
  std::string name;
  int batch = 0;
  int threads = 0;
  int steps = 200;
  int warmup = 20;
  std::string device;
  bool json = false;
  bool plan = false;
  SessionFlags session;
};

struct Times {
  double first_us = 0;  // planning included
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
  LS_ASSIGN_OR_RETURN(auto step, session.MakeCallable(model.feeds,
                                                      model.fetches, targets));
  Times times;
  std::vector<Tensor> out;
  for (int i = 0; i < o.warmup + o.steps; ++i) {
    const auto& feeds = model.batches[static_cast<size_t>(i) %
                                      model.batches.size()];
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

Status RunBench(const BenchOptions& o) {
  LS_ASSIGN_OR_RETURN(BenchModel model,
                      MakeBenchModel(o.name, o.batch, o.device));
  SessionOptions options;
  LS_RETURN_IF_ERROR(o.session.Apply("bench", *Env::Default(), &options));
  if (o.threads > 0) options.intra_op_threads = o.threads;
  if (!o.device.empty()) options.allow_soft_placement = true;
  LS_ASSIGN_OR_RETURN(auto session, Session::Create(model.graph, options));
  LS_ASSIGN_OR_RETURN(Times times, TimeSteps(model, *session, o));
  const int threads = o.threads > 0 ? o.threads : AffinityCount();
  if (o.json) {
    std::printf("{\"name\": \"%s\", \"us_min\": %.2f, \"us_med\": %.2f, "
                "\"us_p95\": %.2f, \"threads\": %d, \"ranks\": 1, "
                "\"batch\": %d, \"steps\": %zu, \"first_us\": %.0f}\n",
                o.name.c_str(), times.us.front(), times.At(0.5),
                times.At(0.95), threads, model.batch, times.us.size(),
                times.first_us);
  } else {
    std::printf("%-8s batch %d, %d threads, %zu steps: min %.2f us, "
                "median %.2f, 95 %% %.2f (first %.0f)\n",
                o.name.c_str(), model.batch, threads, times.us.size(),
                times.us.front(), times.At(0.5), times.At(0.95),
                times.first_us);
  }
  if (!o.plan) return Ok();
  std::vector<Session::Feed> feeds;
  std::vector<std::string> fetches, targets;
  for (size_t i = 0; i < model.feeds.size(); ++i) {
    feeds.emplace_back(model.feeds[i].name(), model.batches[0][i]);
  }
  for (const Output& f : model.fetches) fetches.push_back(f.name());
  if (model.train) targets.push_back(model.train->name());
  LS_ASSIGN_OR_RETURN(PlanInfo info, session->Explain(feeds, fetches, targets));
  for (const std::string& step : info.steps) std::printf("  %s\n", step.c_str());
  std::printf("%d steps, %d dynamic; arena %zu bytes (at least %zu), variables "
              "%zu bytes\n", info.num_steps, info.num_dynamic_steps,
              info.arena_bytes, info.lower_bound_bytes, info.variable_bytes);
  return Ok();
}

}  // namespace

int BenchMain(const std::vector<std::string>& args) {
  BenchOptions o;
  po::options_description options("lockstep bench NAME, one of " +
                                  Join(BenchNames(), ", "));
  options.add_options()
      ("help", "this text")
      ("name", po::value(&o.name), "the model (also without --name)")
      ("batch", po::value(&o.batch), "samples a step; 0: the model's usual")
      ("threads", po::value(&o.threads), "0: the processors this process has")
      ("steps", po::value(&o.steps)->default_value(o.steps), "steps timed")
      ("warmup", po::value(&o.warmup)->default_value(o.warmup),
       "steps before them")
      ("device", po::value(&o.device), "where the model asks to be: /gpu:0")
      ("json", po::bool_switch(&o.json), "one line of JSON")
      ("plan", po::bool_switch(&o.plan), "list the plan's steps and memory");
  o.session.AddTo(options);
  po::positional_options_description position;
  position.add("name", 1);
  try {
    po::variables_map values;
    po::store(po::command_line_parser(args).options(options)
                  .positional(position).run(), values);
    po::notify(values);
    if (values.count("help") || o.name.empty()) {
      std::cout << options;
      return values.count("help") ? 0 : 2;
    }
  } catch (const po::error& e) {
    std::cerr << "lockstep bench: " << e.what() << '\n';
    return 2;
  }
  Status s = o.steps < 1 || o.warmup < 0 || o.batch < 0 || o.threads < 0
                 ? InvalidArgument("--steps must be at least 1, --warmup, "
                                   "--batch and --threads not negative")
                 : RunBench(o);
  if (s.ok()) return 0;
  std::cerr << "lockstep bench: " << s.ToString() << '\n';
  return 2;
}

}  // namespace lockstep
