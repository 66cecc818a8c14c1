// SPDX-License-Identifier: Apache-2.0
#include "tools/lockstep/plan.h"

#include <algorithm>
#include <cstdio>
#include <cstring>

#include "runtime/device/device_name.h"
#include "runtime/exec/session_config.h"
#include "runtime/exec/session_devices.h"
#include "runtime/exec/task_part.h"
#include "runtime/graph/meta_graph.h"
#include "runtime/graph/placer.h"
#include "tools/lockstep/command.h"
#include "tools/lockstep/graph_feeds.h"
#include "tools/lockstep/plan_ranks.h"
#include "tools/lockstep/plan_report.h"
#include "tools/lockstep/session_flags.h"

namespace lockstep {
namespace {

constexpr const char* kHelp =
    R"(lockstep plan GRAPH [--explain] [--fetch TENSOR] [--feed-shape X=2,3] ...

Tells where each op of a graph would run and why, which tensors would go from
one device to another, and with --fetch or --target what memory a run needs on
each device. Nothing is run. GRAPH is a .pb, .pbtxt or .meta file or the folder
of a SavedModel. Placeholders of known shape need no --feed-shape.
)";

struct PlanOptions {
  std::string graph;
  std::string device;
  std::vector<std::string> feed_shapes, fetches, targets;
  int tasks = 1;
  bool explain = false;
  bool json = false;
  SessionFlags session;
  RanksFlags ranks;

  bool runs() const { return !fetches.empty() || !targets.empty(); }
};

// As if the whole graph had been built in that device scope.
Status PutUnder(const std::string& device, Graph* graph) {
  if (device.empty()) return Ok();
  const Result<DeviceName> outer = DeviceName::Parse(device);
  if (!outer.ok()) return outer.status().WithContext("--device");
  for (Node* n : graph->nodes()) {
    LS_ASSIGN_OR_RETURN(const DeviceName own,
                        DeviceName::Parse(n->requested_device()));
    n->set_requested_device(own.Over(*outer).ToString());
  }
  return Ok();
}

// What the options say of the graph.
struct PlanInputs {
  SessionOptions session;
  std::vector<Session::Feed> feeds;  // of the run, if there is one
};

Status CheckNames(const Graph& graph, const PlanOptions& o) {
  for (const std::string& fetch : o.fetches) {
    LS_RETURN_IF_ERROR(graph.FindOutput(fetch).status().WithContext("--fetch"));
  }
  for (const std::string& target : o.targets) {
    if (graph.Find(target) == nullptr) {
      return NotFound("--target: there is no node '", target, "' in the graph");
    }
  }
  return Ok();
}

// A placeholder may have a default, or the run may not need it.
Status ReadInputs(Env& env, const PlanOptions& o, Graph* graph,
                  PlanInputs* inputs) {
  LS_RETURN_IF_ERROR(o.session.Apply("plan", env, &inputs->session));
  LS_RETURN_IF_ERROR(PutUnder(o.device, graph));
  LS_RETURN_IF_ERROR(CheckNames(*graph, o));
  if (!o.runs()) return Ok();
  LS_ASSIGN_OR_RETURN(inputs->feeds, FeedsOf(*graph, o.feed_shapes));
  return Ok();
}

// As on a job of several ranks, which have devices alike.
Result<Json> PlaceOnTasks(const PlanOptions& o, SessionOptions options,
                          MetaGraph& meta) {
  LS_RETURN_IF_ERROR(ApplyEnvironment(&options));
  LS_ASSIGN_OR_RETURN(DeviceSet devices, MakeSessionDevices(options));
  AddOtherTasks(0, o.tasks, &devices);
  PlanReport report{
      .file = o.graph, .graph = &meta.graph, .placements = {}, .plan = {}};
  LS_RETURN_IF_ERROR(
      PlaceGraph(devices,
                 {.task = 0,
                  .allow_soft_placement = options.allow_soft_placement,
                  .strict_placement = options.strict_placement,
                  .log_device_placement = options.log_device_placement},
                 &meta.graph, &report.placements));
  return ReportJson(report);
}

Result<Json> MakeReport(const PlanOptions& o, const PlanInputs& inputs,
                        MetaGraph& meta) {
  if (o.tasks > 1) return PlaceOnTasks(o, inputs.session, meta);
  LS_ASSIGN_OR_RETURN(const std::unique_ptr<Session> session,
                      Session::Create(meta.graph, inputs.session));
  // Planning nothing tells whether the graph could be placed.
  LS_RETURN_IF_ERROR(session->Explain({}, {}, {}).status());
  PlanReport report{.file = o.graph,
                    .graph = &meta.graph,
                    .placements = session->placements(),
                    .plan = {}};
  if (o.runs()) {
    LS_ASSIGN_OR_RETURN(report.plan,
                        session->Explain(inputs.feeds, o.fetches, o.targets));
  }
  return ReportJson(report);
}

// One rank is measured for it.
Result<Json> PredictRun(const PlanOptions& o, const PlanInputs& inputs,
                        const MetaGraph& meta) {
  const SessionOptions& options = inputs.session;
  CalibrationRun run{.feeds = inputs.feeds,
                     .fetches = o.fetches,
                     .targets = o.targets,
                     .init = o.ranks.init,
                     .steps = o.ranks.steps};
  for (Session::Feed& feed : run.feeds) {
    if (!IsPod(feed.second.dtype())) continue;
    std::memset(feed.second.data(), 0, feed.second.bytes());
  }
  if (run.init.empty() && meta.graph.Find("init") != nullptr) run.init = "init";
  LS_ASSIGN_OR_RETURN(StepProfile profile, Calibrate(meta.graph, options, run));
  LS_ASSIGN_OR_RETURN(const auto session, Session::Create(meta.graph, options));
  LS_ASSIGN_OR_RETURN(const PlanInfo info,
                      session->Explain(run.feeds, run.fetches, run.targets));
  for (const DeviceNeed& need : info.devices) {
    profile.memory_bytes += static_cast<int64_t>(need.total_bytes);
  }
  return PredictRanks(profile, o.ranks);
}

}  // namespace

int PlanMain(const std::vector<std::string>& args) {
  PlanOptions o;
  CommandLine line(kHelp);
  line.positional.add("graph", 1);
  line.options.add_options()  //
      ("graph", po::value(&o.graph)->value_name("GRAPH"),
       "the graph; also without --graph")  //
      ("explain", po::bool_switch(&o.explain),
       "every op and step, not sums alone")  //
      ("device", po::value(&o.device)->value_name("NAME"),
       "what ops ask for that ask for nothing")  //
      ("feed-shape", po::value(&o.feed_shapes)->value_name("TENSOR=SIZES"),
       "a tensor is fed, with this shape; may be repeated")  //
      ("fetch", po::value(&o.fetches)->value_name("TENSOR"),
       "a tensor that the run fetches; may be repeated")  //
      ("target", po::value(&o.targets)->value_name("NODE"),
       "a node that the run runs; may be repeated")  //
      ("tasks", po::value(&o.tasks)->value_name("N"),
       "place as on N ranks; no run is planned [1]")  //
      ("json", po::bool_switch(&o.json), "as JSON, with everything");
  o.ranks.AddTo(line.options);
  o.session.AddTo(line.options);
  Status status = line.Parse(args);
  if (line.help()) return line.ShowHelp();
  status.Update(Required("graph", o.graph));
  if (o.tasks < 1 || o.tasks > 1024 || (o.tasks > 1 && o.runs())) {
    status.Update(InvalidArgument(
        "--tasks must be 1 to 1024, and 1 with --fetch and --target, got ",
        o.tasks));
  }
  if (o.ranks.asked()) {
    status.Update(o.ranks.Ranks().status());
    status.Update(o.ranks.Schedule().status());
    if (!o.runs()) status.Update(InvalidArgument("--ranks needs a --target"));
  }
  if (!o.feed_shapes.empty() && !o.runs()) {
    status.Update(InvalidArgument(
        "--feed-shape is of a run: it needs a --fetch or --target"));
  }
  if (!status.ok()) return Fail("plan", status, kExitBadInput);
  Env& env = *Env::Default();
  Result<MetaGraph> meta = ReadGraphFile(env, o.graph);
  if (!meta.ok()) return Fail("plan", meta.status(), kExitBadInput);
  PlanInputs inputs;
  status = ReadInputs(env, o, &meta->graph, &inputs);
  if (!status.ok()) return Fail("plan", status, kExitBadInput);
  Result<Json> report = MakeReport(o, inputs, *meta);
  if (!report.ok()) return Fail("plan", report.status(), kExitFailed);
  if (o.ranks.asked()) {
    const Result<Json> ranks = PredictRun(o, inputs, *meta);
    if (!ranks.ok()) return Fail("plan", ranks.status(), kExitFailed);
    (*report)["ranks"] = *ranks;
  }
  if (o.json) {
    std::printf("%s\n", DumpJson(*report, 1).c_str());
  } else {
    PrintReport(*report, o.explain);
    if (o.ranks.asked()) PrintRanks((*report)["ranks"]);
  }
  return 0;
}

}  // namespace lockstep
