// SPDX-License-Identifier: Apache-2.0
#include "tools/lockstep/bench.h"

#include <algorithm>
#include <cstdlib>

#include "distributed/job.h"
#include "runtime/core/threads.h"
#include "tools/lockstep/bench_allreduce.h"
#include "tools/lockstep/bench_files.h"
#include "tools/lockstep/bench_models.h"
#include "tools/lockstep/bench_options.h"
#include "tools/lockstep/bench_start.h"
#include "tools/lockstep/bench_steps.h"
#include "tools/lockstep/bench_sweep.h"
#include "tools/lockstep/command.h"
#include "tools/lockstep/ranks.h"

namespace lockstep {
namespace {

// Of one process, which is no rank of a job.
struct Alone {
  const char* name;
  Status (*run)(const BenchOptions& options, int threads);
};
constexpr Alone kAlone[] = {{"checkpoint", BenchCheckpoint},
                            {"elementwise", BenchSweep},
                            {"reduce", BenchSweep},
                            {"matmul", BenchSweep},
                            {"conv", BenchSweep},
                            {"input", BenchInput},
                            {"start", BenchStart}};

std::vector<std::string> Names() {
  std::vector<std::string> names = BenchNames();
  names.emplace_back("allreduce");
  for (const Alone& alone : kAlone) names.emplace_back(alone.name);
  return names;
}

const Alone* FindAlone(const std::string& name) {
  for (const Alone& alone : kAlone) {
    if (name == alone.name) return &alone;
  }
  return nullptr;
}

std::string TemporaryFolder() {
  const char* variable = std::getenv("TMPDIR");
  return variable == nullptr || *variable == '\0' ? "/tmp" : variable;
}

void AddGraphOptions(po::options_description& options, BenchOptions* o) {
  options.add_options()  //
      ("graph", po::value(&o->graph)->value_name("FILE"),
       "time a run of this graph instead: .pb, .pbtxt, .meta, SavedModel")  //
      ("feed-shape", po::value(&o->feed_shapes)->value_name("TENSOR=SIZES"),
       "of the graph: a tensor is fed, with this shape; may be repeated")  //
      ("fetch", po::value(&o->fetches)->value_name("TENSOR"),
       "of the graph: the run fetches it; may be repeated")  //
      ("target", po::value(&o->targets)->value_name("NODE"),
       "of the graph: the run runs it; may be repeated")  //
      ("init", po::value(&o->init)->value_name("NODE"),
       "of the graph: is run first [init, if there is one]")  //
      ("write-graph", po::value(&o->write_graph)->value_name("FILE"),
       "write the model's GraphDef there and time nothing");
}

void AddOptions(po::options_description& options, BenchOptions* o) {
  options.add_options()                                                     //
      ("name", po::value(&o->name), "what is timed (also without --name)")  //
      ("batch", po::value(&o->batch),
       "samples a step, of all ranks together; 0: the model's usual")  //
      ("width", po::value(&o->width),
       "of mlp: units of a hidden layer [300]")                     //
      ("depth", po::value(&o->depth), "of mlp: hidden layers [1]")  //
      ("threads", po::value(&o->threads),
       "0: the processors this process has")                               //
      ("ranks", po::value(&o->ranks), "processes, started by mpirun [1]")  //
      ("steps", po::value(&o->steps),
       "steps timed, or rounds [200 steps of models, 20 starts, 10 "
       "checkpoints]")                                             //
      ("warmup", po::value(&o->warmup), "steps before them [20]")  //
      ("device", po::value(&o->device),
       "where the model asks to be: /gpu:0")  //
      ("reproducible", po::value(&o->reproducible),
       "train with so many virtual replicas; 0: none")  //
      ("backend", po::value(&o->backends)->composing(),
       "of allreduce, may be repeated: shm, hierarchical, mpi, local, nccl; "
       "all there are")  //
      ("max-bytes", po::value(&o->max_bytes),
       "the largest of allreduce and of sweeps, all of a checkpoint [64 "
       "MiB]")  //
      ("dir", po::value(&o->dir)->value_name("DIR"),
       "where a checkpoint is written [$TMPDIR]")           //
      ("json", po::bool_switch(&o->json), "lines of JSON")  //
      ("plan", po::bool_switch(&o->plan),
       "list the plan's steps and memory")  //
      ("profile", po::bool_switch(&o->profile),
       "where the time of a step goes, by op, beside the machine's peak")  //
      ("parts", po::bool_switch(&o->parts),
       "with --json: when each part of the start was done");
}

Status Check(const BenchOptions& o) {
  if (o.name.empty() == o.graph.empty()) {
    return InvalidArgument("want the name of a benchmark or --graph");
  }
  const std::vector<std::string> names = Names();
  if (!o.name.empty() && std::ranges::find(names, o.name) == names.end()) {
    const std::string near = NearestName(o.name, names);
    return InvalidArgument("there is no benchmark '", o.name, "'",
                           near.empty() ? "" : StrCat(" (", near, "?)"),
                           "; there are ", Join(names, ", "));
  }
  if (o.steps < 0 || o.warmup < 0 || o.batch < 0 || o.width < 0 ||
      o.depth < 0 || o.threads < 0 || o.ranks < 1 || o.max_bytes < 1) {
    return InvalidArgument(
        "--ranks and --max-bytes must be at least 1, --steps, --warmup, "
        "--batch, --width, --depth and --threads not negative");
  }
  if (o.ranks > 1 && FindAlone(o.name) != nullptr) {
    return InvalidArgument("'", o.name, "' is timed on one rank");
  }
  return Ok();
}

}  // namespace

int BenchMain(const std::vector<std::string>& args) {
  StartLog log;
  log.Done("libraries and static initialisers");
  BenchOptions o;
  o.dir = TemporaryFolder();
  CommandLine line(StrCat("lockstep bench NAME | --graph FILE; NAME is one of ",
                          Join(Names(), ", ")));
  AddOptions(line.options, &o);
  AddGraphOptions(line.options, &o);
  o.session.AddTo(line.options);
  line.positional.add("name", 1);
  Status status = line.Parse(args);
  if (line.help()) return line.ShowHelp();
  if (status.ok()) status = Check(o);
  if (!status.ok()) return Fail("bench", status, kExitBadInput);
  if (o.ranks > 1 && !IsRank()) {
    std::vector<std::string> again = {"bench"};
    again.insert(again.end(), args.begin(), args.end());
    return Fail("bench", BecomeRanks(o.ranks, again), kExitFailed);
  }
  if (const Alone* alone = FindAlone(o.name)) {
    status = alone->run(o, o.threads > 0 ? o.threads : AffinityCount());
    return status.ok() ? 0 : Fail("bench", status, kExitFailed);
  }
  if (o.name == "allreduce") {
    status = BenchAllReduce(o);
    return status.ok() ? 0 : Fail("bench", status, kExitFailed);
  }
  log.Done("options");
  Result<Job> job = Job::Start(nullptr, nullptr);
  if (!job.ok()) return Fail("bench", job.status(), kExitFailed);
  log.Done("ranks");
  status = job->Agree(BenchSteps(o, *job, &log));
  if (status.ok()) return 0;
  return status.code() == Code::kCancelled
             ? kExitFailed
             : Fail("bench", status, kExitBadInput);
}

}  // namespace lockstep
