// SPDX-License-Identifier: Apache-2.0
#include "runtime/exec/session.h"

#include <algorithm>
#include <map>
#include <mutex>

#include "runtime/core/logging.h"
#include "runtime/core/threads.h"
#include "runtime/core/trace.h"
#include "runtime/exec/lanes.h"
#include "runtime/exec/plan.h"
#include "runtime/exec/plan_builder.h"
#include "runtime/exec/replica_cut.h"
#include "runtime/exec/session_config.h"
#include "runtime/exec/session_devices.h"
#include "runtime/exec/task_part.h"
#include "runtime/graph/placer.h"
#include "runtime/op/precision.h"

namespace lockstep {
namespace {

// Plans kept for one signature; the least recently made goes first.
constexpr size_t kMaxPlans = 64;

// One set of feeds, fetches and targets, with its plans by feed shapes.
struct Executable {
  RunSignature signature;
  std::vector<std::unique_ptr<Plan>> plans;
};

// What divides a batch over ranks has each run the whole graph.
Status CheckTasksAlone(const SessionOptions& options) {
  if (options.reproducible > 0) {
    return Unimplemented(
        "reproducible mode divides batches, and this session's graph is one "
        "over the ranks of the job (UseTasks): switch the mode off, or train "
        "by UseDataParallel");
  }
  for (const auto& pass : options.passes) {
    if (pass->name() != "data_parallel") continue;
    return FailedPrecondition(
        "a session is data-parallel (UseDataParallel) or one graph over the "
        "ranks (UseTasks), not both: leave one of them out");
  }
  return Ok();
}

// Options that this process cannot follow become those that are in force.
Status CheckMixedPrecision(SessionOptions* options) {
  DType& type = options->mixed_precision;
  if (type == kFloat) return Ok();
  if (type != kBfloat16) {
    return InvalidArgument("mixed_precision must be float or bfloat16, is ",
                           DTypeName(type));
  }
  if (HasBfloat16Products()) return Ok();
  LogWarning("mixed precision: this processor has no instructions for bfloat16",
             "; products stay float");
  type = kFloat;
  return Ok();
}

class SessionImpl final : public Session {
 public:
  static Result<std::unique_ptr<Session>> Create(const Graph& graph,
                                                 SessionOptions options) {
    LS_RETURN_IF_ERROR(graph.status());
    auto session = std::make_unique<SessionImpl>();
    session->graph_ = graph.Clone();
    LS_RETURN_IF_ERROR(ApplyEnvironment(&options));
    LS_RETURN_IF_ERROR(CheckReplicas(options));
    LS_RETURN_IF_ERROR(CheckMixedPrecision(&options));
    for (const auto& check : options.checks) {
      LS_RETURN_IF_ERROR(check(session->graph_, options));
    }
    LS_ASSIGN_OR_RETURN(session->devices_, MakeSessionDevices(options));
    session->lanes_ = std::make_unique<Lanes>(&session->devices_);
    LS_RETURN_IF_ERROR(session->lanes_->Open({{0}}));
    session->threads_ = options.intra_op_threads > 0 ? options.intra_op_threads
                                                     : AffinityCount();
    for (const auto& service : options.services) service(session->resources_);
    if (!options.trace_dir.empty() && !session->resources_.Service<Trace>()) {
      LS_ASSIGN_OR_RETURN(std::shared_ptr<Trace> trace,
                          Trace::Open({.dir = options.trace_dir,
                                       .threads = session->threads_}));
      session->resources_.SetService(std::move(trace));
    }
    session->options_ = std::move(options);
    const int task = session->JoinTasks();
    if (session->channel_) {
      LS_RETURN_IF_ERROR(CheckTasksAlone(session->options_));
    }
    session->environment_ = {.options = &session->options_,
                             .devices = &session->devices_,
                             .resources = &session->resources_,
                             .lanes = session->lanes_.get(),
                             .one_of_tasks = session->channel_ != nullptr};
    // The graph is placed as a whole, and every run reports a failure of it.
    session->placed_ = PlaceGraph(
        session->devices_,
        {.task = task,
         .allow_soft_placement = session->options_.allow_soft_placement,
         .strict_placement = session->options_.strict_placement,
         .log_device_placement = session->options_.log_device_placement},
        &session->graph_, &session->placements_);
    return std::unique_ptr<Session>(std::move(session));
  }

  Result<std::vector<Tensor>> Run(
      const std::vector<Feed>& feeds, const std::vector<std::string>& fetches,
      const std::vector<std::string>& targets) override {
    std::lock_guard lock(mutex_);
    if (fetches.empty() && targets.empty()) {
      return InvalidArgument(
          "Must specify at least one target to fetch or execute");
    }
    LS_ASSIGN_OR_RETURN(RunSignature signature,
                        Resolve(feeds, fetches, targets));
    std::vector<Tensor> values, out;
    for (const Feed& f : feeds) values.push_back(f.second);
    LS_RETURN_IF_ERROR(
        RunLocked(*FindExecutable(std::move(signature)), values, &out));
    return out;
  }

  Result<std::unique_ptr<Callable>> MakeCallable(
      const std::vector<Output>& feeds, const std::vector<Output>& fetches,
      const std::vector<Node*>& targets) override;

  Result<PlanInfo> Explain(const std::vector<Feed>& feeds,
                           const std::vector<std::string>& fetches,
                           const std::vector<std::string>& targets) override {
    std::lock_guard lock(mutex_);
    LS_ASSIGN_OR_RETURN(RunSignature signature,
                        Resolve(feeds, fetches, targets));
    LS_RETURN_IF_ERROR(placed_);
    std::vector<Tensor> values;
    for (const Feed& f : feeds) values.push_back(f.second);
    const auto made = executables_.find(KeyOf(signature));
    if (made != executables_.end()) {
      for (const auto& plan : made->second->plans) {
        if (plan->Fits(values)) return NeedsOfNow(plan->info());
      }
    }
    PlanEnvironment environment = environment_;
    environment.explain_only = true;
    LS_ASSIGN_OR_RETURN(const std::unique_ptr<Plan> plan,
                        MakePlan(signature, values, environment));
    return plan->info();
  }

  std::vector<DeviceUse> MemoryUse() const override {
    std::vector<DeviceUse> uses;
    const DeviceMemory* host = nullptr;
    for (const Device& d : devices_.all()) {
      if (!d.memory || d.memory.get() == host) continue;
      if (d.kind() == kCpu) host = d.memory.get();
      uses.push_back({.device = d.name.Short(),
                      .used_bytes = d.memory->used(),
                      .peak_bytes = d.memory->peak(),
                      .limit_bytes = d.memory->limit()});
    }
    return uses;
  }

  SessionResources& resources() override { return resources_; }
  const std::vector<Placement>& placements() const override {
    return placements_;
  }
  const SessionOptions& options() const override { return options_; }

  Status RunExecutable(Executable& executable, std::span<const Tensor> feeds,
                       std::vector<Tensor>* fetches) {
    std::lock_guard lock(mutex_);
    return RunLocked(executable, feeds, fetches);
  }

 private:
  Result<RunSignature> Resolve(const std::vector<Feed>& feeds,
                               const std::vector<std::string>& fetches,
                               const std::vector<std::string>& targets) const {
    RunSignature signature;
    for (const Feed& f : feeds) {
      LS_ASSIGN_OR_RETURN(Output o, graph_.FindOutput(f.first));
      signature.feeds.push_back(o);
    }
    for (const std::string& name : fetches) {
      LS_ASSIGN_OR_RETURN(Output o, graph_.FindOutput(name));
      signature.fetches.push_back(o);
    }
    for (const std::string& name : targets) {
      LS_ASSIGN_OR_RETURN(Node * n, FindTarget(name));
      signature.targets.push_back(n);
    }
    return signature;
  }

  // "node" or "node:0".
  Result<Node*> FindTarget(const std::string& name) const {
    if (Node* n = graph_.Find(name)) return n;
    LS_ASSIGN_OR_RETURN(Output o, graph_.FindOutput(name));
    return o.node;
  }

  // A plan that is there already needs no more than the session holds.
  PlanInfo NeedsOfNow(PlanInfo info) const {
    for (DeviceNeed& need : info.devices) {
      for (const DeviceUse& use : MemoryUse()) {
        if (use.device == need.device) need.total_bytes = use.used_bytes;
      }
    }
    return info;
  }

  static std::string KeyOf(const RunSignature& signature) {
    std::string key;
    for (const Output& o : signature.feeds) key += o.name() + ",";
    key += "->";
    for (const Output& o : signature.fetches) key += o.name() + ",";
    key += "&";
    for (const Node* n : signature.targets) key += n->name() + ",";
    return key;
  }

  Executable* FindExecutable(RunSignature signature) {
    std::unique_ptr<Executable>& slot = executables_[KeyOf(signature)];
    if (!slot) {
      slot = std::make_unique<Executable>();
      slot->signature = std::move(signature);
    }
    return slot.get();
  }

  Result<std::unique_ptr<Plan>> MakePlan(const RunSignature& signature,
                                         std::span<const Tensor> feeds,
                                         const PlanEnvironment& environment) {
    UseThreads(PlanThreads());
    std::vector<FeedSpec> specs;
    for (const Tensor& t : feeds) specs.push_back({t.dtype(), t.shape()});
    return BuildPlan({.graph = graph_,
                      .signature = signature,
                      .feeds = specs,
                      .environment = environment});
  }

  Result<Plan*> FindPlan(Executable& executable,
                         std::span<const Tensor> feeds) {
    // The plan last used comes first, so steady training looks at one.
    for (size_t i = 0; i < executable.plans.size(); ++i) {
      if (!executable.plans[i]->Fits(feeds)) continue;
      if (i > 0) std::swap(executable.plans[0], executable.plans[i]);
      return executable.plans[0].get();
    }
    LS_RETURN_IF_ERROR(placed_);
    LS_ASSIGN_OR_RETURN(std::unique_ptr<Plan> plan,
                        MakePlan(executable.signature, feeds, environment_));
    if (executable.plans.size() >= kMaxPlans) executable.plans.pop_back();
    executable.plans.insert(executable.plans.begin(), std::move(plan));
    return executable.plans[0].get();
  }

  Status RunLocked(Executable& executable, std::span<const Tensor> feeds,
                   std::vector<Tensor>* fetches) {
    if (feeds.size() != executable.signature.feeds.size()) {
      return InvalidArgument("the call takes ",
                             executable.signature.feeds.size(), " feeds, got ",
                             feeds.size());
    }
    UseThreads(PlanThreads());
    Result<Plan*> plan = FindPlan(executable, feeds);
    if (plan.ok() && (*plan)->has_replicas()) UseThreads(threads_);
    if (channel_) return RunWithOthers(plan, feeds, fetches);
    LS_RETURN_IF_ERROR(plan.status());
    return (*plan)->Run(feeds, fetches);
  }

  // What a library's kernels do may depend on the number of threads that they
  // are made for; where bits must not, only replicas run side by side.
  int PlanThreads() const { return options_.reproducible > 0 ? 1 : threads_; }
  static void UseThreads(int threads) {
    if (Threads() != threads) SetThreads(threads);
  }

  // Finds out whether the graph is one over the tasks of the job; the task of
  // nodes that ask for none.
  int JoinTasks() {
    TaskChannel* channel = resources_.Service<TaskChannel>();
    if (options_.tasks <= 1 || !channel || !AsksForTasks(graph_)) {
      return options_.task;
    }
    channel_ = channel;
    AddOtherTasks(options_.task, options_.tasks, &devices_);
    return 0;
  }

  Status RunWithOthers(const Result<Plan*>& plan, std::span<const Tensor> feeds,
                       std::vector<Tensor>* fetches) {
    TaskPart none;
    TaskPart& part = plan.ok() ? (*plan)->task_part() : none;
    if (!part.agreed) {
      LS_RETURN_IF_ERROR(channel_->Agree(part.digest, plan.status()));
      part.agreed = true;
    }
    LS_RETURN_IF_ERROR(channel_->StartRun());
    Status ran = (*plan)->Run(feeds, fetches);
    if (!ran.ok()) channel_->Abort(ran);  // the others wait for our tensors
    return ran;
  }

  std::mutex mutex_;  // runs take turns: they share arena and variables
  Graph graph_;
  DeviceSet devices_;
  SessionOptions options_;
  Status placed_;
  std::vector<Placement> placements_;
  int threads_ = 1;
  SessionResources resources_;
  std::unique_ptr<Lanes> lanes_;
  TaskChannel* channel_ = nullptr;  // resources_'; when tasks share the graph
  PlanEnvironment environment_;
  std::map<std::string, std::unique_ptr<Executable>> executables_;
};

class CallableImpl final : public Callable {
 public:
  CallableImpl(SessionImpl* session, Executable* executable)
      : session_(session), executable_(executable) {}
  Status Run(std::span<const Tensor> feeds,
             std::vector<Tensor>* fetches) override {
    return session_->RunExecutable(*executable_, feeds, fetches);
  }

 private:
  SessionImpl* session_;
  Executable* executable_;  // the session's, as long as it lives
};

Result<std::unique_ptr<Callable>> SessionImpl::MakeCallable(
    const std::vector<Output>& feeds, const std::vector<Output>& fetches,
    const std::vector<Node*>& targets) {
  std::lock_guard lock(mutex_);
  // The caller's nodes belong to its own graph: match them by name.
  std::vector<Feed> feed_names;
  std::vector<std::string> fetch_names, target_names;
  for (const Output& o : feeds) feed_names.emplace_back(o.name(), Tensor());
  for (const Output& o : fetches) fetch_names.push_back(o.name());
  for (const Node* n : targets) {
    target_names.push_back(n ? n->name() : "<undefined>");
  }
  LS_ASSIGN_OR_RETURN(RunSignature signature,
                      Resolve(feed_names, fetch_names, target_names));
  return std::unique_ptr<Callable>(std::make_unique<CallableImpl>(
      this, FindExecutable(std::move(signature))));
}

}  // namespace

Result<std::unique_ptr<Session>> Session::Create(const Graph& graph,
                                                 SessionOptions options) {
  return SessionImpl::Create(graph, std::move(options));
}

Result<Tensor> Session::RunOne(const std::vector<Feed>& feeds,
                               const std::string& fetch) {
  LS_ASSIGN_OR_RETURN(std::vector<Tensor> out, Run(feeds, {fetch}));
  return std::move(out[0]);
}

Status Session::RunTargets(const std::vector<std::string>& targets,
                           const std::vector<Feed>& feeds) {
  return Run(feeds, {}, targets).status();
}

Result<Tensor> Session::Run(const std::vector<std::pair<Output, Tensor>>& feeds,
                            Output fetch) {
  std::vector<Feed> named;
  for (const auto& [o, t] : feeds) named.emplace_back(o.name(), t);
  return RunOne(named, fetch.name());
}

}  // namespace lockstep
