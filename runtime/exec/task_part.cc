// SPDX-License-Identifier: Apache-2.0
#include "runtime/exec/task_part.h"

#include <algorithm>
#include <unordered_set>

#include "runtime/exec/plan_digest.h"
#include "runtime/exec/task_cut.h"
#include "runtime/exec/task_order.h"

namespace lockstep {
namespace {

// The number by which messages of this plan are told from those of others.
int NumberOf(const PlanDigest& d) {
  const uint64_t mixed =
      d.signature ^ (d.feeds * 3) ^ (d.graph * 5) ^ (d.placement * 7);
  return static_cast<int>((mixed ^ (mixed >> 32)) & 0x7fffffff);
}

class Keeper {
 public:
  Keeper(int task, int tasks, PlanGraph* plan)
      : task_(task), tasks_(tasks), plan_(*plan), graph_(plan->graph) {}

  // `order`: of all tasks' nodes.
  Status Run(const std::vector<Node*>& order, const TaskCut& cut, int number) {
    std::vector<Node*> dropped;
    Node* previous = nullptr;
    for (Node* n : order) {
      LS_ASSIGN_OR_RETURN(const bool mine, IsMine(n));
      if (!mine) {
        dropped.push_back(n);
      } else if (IsTaskSend(*n) || IsTaskRecv(*n)) {
        n->mutable_attrs()["plan"] = int64_t{number};
        // Both ends of a pair of tasks go through their messages in one order.
        graph_.AddControlEdge(previous, n);
        previous = n;
        plan_.targets.push_back(n);
      }
    }
    plan_.fetches = cut.fetches[static_cast<size_t>(task_)];
    Drop(dropped);
    return Ok();
  }

 private:
  Result<bool> IsMine(Node* n) {
    LS_ASSIGN_OR_RETURN(const int task, TaskOf(*n, tasks_));
    if (n->op() != "_Feed") return task == task_;
    n->set_assigned_device(DeviceName{.job = "worker",
                                      .replica = {},
                                      .task = task_,
                                      .type = "CPU",
                                      .index = 0}
                               .ToString());
    return true;
  }

  void Drop(const std::vector<Node*>& dropped) {
    const std::unordered_set<const Node*> all(dropped.begin(), dropped.end());
    std::erase_if(plan_.targets, [&](Node* n) { return all.contains(n); });
    for (Node* n : graph_.nodes()) {
      if (all.contains(n) || !IsTaskRecv(*n)) continue;
      for (Node* c : std::vector<Node*>(n->control_inputs())) {
        if (all.contains(c)) graph_.RemoveControlEdge(c, n);
      }
    }
    for (auto it = dropped.rbegin(); it != dropped.rend(); ++it) {
      graph_.RemoveNode(*it);
    }
  }

  const int task_;
  const int tasks_;
  PlanGraph& plan_;
  Graph& graph_;
};

}  // namespace

bool AsksForTasks(const Graph& graph) {
  return std::ranges::any_of(graph.nodes(), [](const Node* n) {
    if (n->requested_device().empty()) return false;
    const Result<DeviceName> request = DeviceName::Parse(n->requested_device());
    return request.ok() && request->task.has_value();
  });
}

void AddOtherTasks(int task, int tasks, DeviceSet* devices) {
  const std::vector<Device> mine = devices->all();
  for (int t = 0; t < tasks; ++t) {
    if (t == task) continue;
    for (Device device : mine) {
      device.name.task = t;
      device.memory = nullptr;
      devices->Add(std::move(device));
    }
  }
}

Result<TaskPart> KeepTask(const PlanRequest& request, PlanGraph* plan) {
  const SessionOptions& options = *request.environment.options;
  for (const Node* n : plan->graph.nodes()) {
    if (!n->traits().synchronizes) continue;
    return FailedPrecondition(
        "node '", n->name(), "' (", n->op(),
        ") is for ranks that run a whole graph each; this one is over tasks");
  }
  TaskPart part;
  part.random = std::ranges::any_of(
      plan->graph.nodes(), [](const Node* n) { return n->traits().random; });
  part.digest = DigestOf(request, *plan);
  LS_ASSIGN_OR_RETURN(const TaskCut cut, CutTasks(options.tasks, plan));
  LS_ASSIGN_OR_RETURN(const std::vector<Node*> order, OrderOfTasks(*plan));
  LS_RETURN_IF_ERROR(Keeper(options.task, options.tasks, plan)
                         .Run(order, cut, NumberOf(part.digest)));
  return part;
}

Status CheckOneTask(int task, const Graph& graph) {
  for (const Node* n : graph.nodes()) {
    LS_ASSIGN_OR_RETURN(const DeviceName device,
                        DeviceName::Parse(n->assigned_device()));
    if (device.task.value_or(task) == task) continue;
    return InvalidArgument(
        "node '", n->name(), "' is on ", n->assigned_device(),
        "; what is in a function runs on one task, here ", task);
  }
  return Ok();
}

}  // namespace lockstep
