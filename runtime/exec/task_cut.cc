// SPDX-License-Identifier: Apache-2.0
#include "runtime/exec/task_cut.h"

#include <algorithm>
#include <map>
#include <unordered_set>

#include "runtime/device/device_name.h"
#include "runtime/exec/schedule.h"
#include "runtime/graph/conditions.h"
#include "runtime/graph/control_flow.h"

namespace lockstep {
namespace {

// Read by every task from what is fed there.
bool IsEverywhere(const Node& n) { return n.op() == "_Feed"; }

class Cutter {
 public:
  Cutter(int tasks, PlanGraph* plan)
      : tasks_(tasks), plan_(*plan), graph_(plan->graph) {}

  Result<TaskCut> Run() {
    LS_RETURN_IF_ERROR(FindTasks());
    DropImpliedControlEdges();
    for (Node* n : graph_.nodes()) LS_RETURN_IF_ERROR(CutInputs(n));
    LS_RETURN_IF_ERROR(CutFetches());
    for (Node* n : graph_.nodes()) LS_RETURN_IF_ERROR(CutControlInputs(n));
    LS_RETURN_IF_ERROR(CheckUnconditional());
    return std::move(cut_);
  }

 private:
  Status FindTasks() {
    for (const Node* n : graph_.nodes()) {
      LS_ASSIGN_OR_RETURN(task_[n], TaskOf(*n, tasks_));
    }
    return Ok();
  }

  bool Crosses(const Node* from, const Node* to) const {
    return !IsEverywhere(*from) && task_.at(from) != task_.at(to);
  }

  // An edge to what reads a variable is kept: it says which value is meant.
  void DropImpliedControlEdges() {
    for (Node* n : graph_.nodes()) {
      const bool reads = std::ranges::any_of(
          n->inputs(), [](Output in) { return VariableBehind(in).defined(); });
      for (Node* c : std::vector<Node*>(n->control_inputs())) {
        const bool source = c->inputs().empty() && c->control_inputs().empty();
        if (IsEverywhere(*c) || (source && c->traits().constant)) {
          graph_.RemoveControlEdge(c, n);
        } else if (!reads && Crosses(c, n)) {
          graph_.RemoveControlEdge(c, n);
          if (!ComesAfter(n, c)) graph_.AddControlEdge(c, n);
        }
      }
    }
  }

  static bool ComesAfter(const Node* n, const Node* earlier) {
    std::unordered_set<const Node*> seen;
    std::vector<const Node*> stack = {n};
    while (!stack.empty()) {
      const Node* at = stack.back();
      stack.pop_back();
      if (at == earlier) return true;
      const auto visit = [&](const Node* up) {
        if (seen.insert(up).second) stack.push_back(up);
      };
      for (const Output& in : at->inputs()) visit(in.node);
      for (const Node* c : at->control_inputs()) visit(c);
    }
    return false;
  }

  Status CutInputs(Node* n) {
    const auto types = ArgTypes(n->def(), n->def().inputs, n->attrs());
    for (int i = 0; i < n->num_inputs(); ++i) {
      const Output in = n->input(i);
      if (!Crosses(in.node, n)) continue;
      const bool handle =
          PassesHandle(*n, i) ||
          (types.ok() && IsHandle((*types)[static_cast<size_t>(i)]));
      if (handle && VariableBehind(in).defined()) {
        return InvalidArgument(
            "node '", n->name(), "' on ", n->assigned_device(),
            " takes variable '", VariableBehind(in).node->name(), "' on ",
            in.node->assigned_device(), ": they must be on one task");
      }
      LS_ASSIGN_OR_RETURN(Output arrived, Arrive(in, task_.at(n)));
      graph_.SetInput(n, i, arrived);
    }
    return Ok();
  }

  Status CutFetches() {
    cut_.fetches.assign(static_cast<size_t>(tasks_), plan_.fetches);
    for (size_t i = 0; i < plan_.fetches.size(); ++i) {
      const Output f = plan_.fetches[i];
      if (IsEverywhere(*f.node)) continue;
      for (int t = 0; t < tasks_; ++t) {
        if (t == task_.at(f.node)) continue;
        LS_ASSIGN_OR_RETURN(cut_.fetches[static_cast<size_t>(t)][i],
                            Arrive(f, t));
        if (IsRef(f.dtype())) SendAfterUpdates(f, t);
      }
    }
    return Ok();
  }

  // The fetch of a variable itself is its value at the end.
  void SendAfterUpdates(Output variable, int task) {
    Node* recv = arrived_.at({variable.name(), task}).node;
    Node* send = recv->control_inputs()[0];
    const Output behind = VariableBehind(variable);
    if (!behind.defined()) return;
    for (Node* n : graph_.nodes()) {
      const auto types = ArgTypes(n->def(), n->def().inputs, n->attrs());
      for (int i = 0; types.ok() && i < n->num_inputs(); ++i) {
        if (IsHandle((*types)[static_cast<size_t>(i)]) &&
            VariableBehind(n->input(i)) == behind) {
          graph_.AddControlEdge(n, send);
        }
      }
    }
  }

  // `tensor` on `task`, by a pair or copy made for an earlier reader.
  Result<Output> Arrive(Output tensor, int task) {
    Output& there = arrived_[{tensor.name(), task}];
    if (there.defined()) return there;
    Node* n = tensor.node;
    if (n->traits().constant) {
      LS_ASSIGN_OR_RETURN(Node * copy,
                          Add({.name = n->name(),
                               .op = n->op(),
                               .control_inputs = n->control_inputs(),
                               .attrs = n->attrs()},
                              task));
      return there = copy->output(0);
    }
    if (IsObject(BaseOf(tensor.dtype()))) {
      return Unimplemented("tensor '", tensor.name(), "' on ",
                           n->assigned_device(), " is needed on task ", task,
                           ": ", DTypeName(BaseOf(tensor.dtype())),
                           " tensors stay on their task");
    }
    LS_ASSIGN_OR_RETURN(Node * recv,
                        AddPair(tensor, tensor.name(), task_.at(n), task));
    return there = recv->output(0);
  }

  Result<Node*> Add(NodeSpec spec, int task) {
    spec.name = graph_.UniqueName(spec.name);
    LS_ASSIGN_OR_RETURN(Node * node, graph_.AddNode(std::move(spec)));
    node->set_assigned_device(DeviceName{
        .job = "worker", .replica = {}, .task = task, .type = "CPU", .index = 0}
                                  .ToString());
    task_[node] = task;
    return node;
  }

  // The receiving end.
  Result<Node*> AddPair(Output tensor, const std::string& name, int from,
                        int to) {
    AttrMap attrs = {{"T", BaseOf(tensor.dtype())},
                     {"shape", tensor.shape()},
                     {"tensor_name", name},
                     {"task", int64_t{to}}};
    const std::string& base = tensor.node->name();
    LS_ASSIGN_OR_RETURN(Node * send,
                        Add({.name = StrCat(base, "/_send_to_task_", to),
                             .op = "_SendToTask",
                             .inputs = {tensor},
                             .attrs = attrs},
                            from));
    attrs["task"] = int64_t{from};
    LS_ASSIGN_OR_RETURN(Node * recv,
                        Add({.name = StrCat(base, "/_recv_from_task_", from),
                             .op = "_RecvFromTask",
                             .control_inputs = {send},
                             .attrs = attrs},
                            to));
    sends_.push_back(send);
    ++cut_.messages;
    return recv;
  }

  Status CutControlInputs(Node* n) {
    if (IsTaskRecv(*n)) return Ok();
    std::map<int, std::vector<Node*>> by_task;
    for (Node* c : n->control_inputs()) {
      if (Crosses(c, n)) by_task[task_.at(c)].push_back(c);
    }
    for (auto& [from, nodes] : by_task) {
      std::ranges::sort(nodes, {}, &Node::id);
      LS_ASSIGN_OR_RETURN(Node * done, Signal(nodes, task_.at(n)));
      for (Node* c : nodes) graph_.RemoveControlEdge(c, n);
      graph_.AddControlEdge(done, n);
    }
    return Ok();
  }

  // What runs on `task` once all of `nodes`, of one other task, have run.
  Result<Node*> Signal(const std::vector<Node*>& nodes, int task) {
    Node*& signal = signals_[{nodes, task}];
    if (signal) return signal;
    const int from = task_.at(nodes[0]);
    Node*& nothing = nothing_[from];
    if (!nothing) {
      LS_ASSIGN_OR_RETURN(nothing,
                          Add({.name = StrCat("_nothing_on_task_", from),
                               .op = "Const",
                               .attrs = {{"value", Tensor(kUint8, Shape{0})},
                                         {"dtype", kUint8}}},
                              from));
    }
    LS_ASSIGN_OR_RETURN(
        signal,
        AddPair(nothing->output(0), StrCat("^", nodes[0]->name()), from, task));
    Node* send = signal->control_inputs()[0];
    for (Node* n : nodes) graph_.AddControlEdge(n, send);
    return signal;
  }

  Status CheckUnconditional() {
    LS_ASSIGN_OR_RETURN(const std::vector<Node*> order,
                        graph_.TopologicalOrder());
    const Conditions conditions(order);
    for (const Node* send : sends_) {
      if (conditions.Of(send).empty() &&
          conditions.Of(send->input(0)).empty()) {
        continue;
      }
      return Unimplemented("'", send->Attr<std::string>("tensor_name"), "' on ",
                           send->assigned_device(),
                           " is on one branch of a Switch and needed "
                           "on task ",
                           send->Attr<int64_t>("task"),
                           ": a branch has to be on one task");
    }
    return Ok();
  }

  const int tasks_;
  PlanGraph& plan_;
  Graph& graph_;
  TaskCut cut_;
  std::unordered_map<const Node*, int> task_;
  std::map<std::pair<std::string, int>, Output> arrived_;
  std::map<std::pair<std::vector<Node*>, int>, Node*> signals_;
  std::map<int, Node*> nothing_;
  std::vector<Node*> sends_;
};

}  // namespace

Result<int> TaskOf(const Node& node, int tasks) {
  LS_ASSIGN_OR_RETURN(const DeviceName device,
                      DeviceName::Parse(node.assigned_device()));
  const int task = device.task.value_or(-1);
  if (task >= 0 && task < tasks) return task;
  return InvalidArgument("node '", node.name(), "' is on '",
                         node.assigned_device(), "'; the job has ", tasks,
                         " tasks");
}

bool IsTaskSend(const Node& node) { return node.op() == "_SendToTask"; }
bool IsTaskRecv(const Node& node) { return node.op() == "_RecvFromTask"; }

Result<TaskCut> CutTasks(int tasks, PlanGraph* plan) {
  return Cutter(tasks, plan).Run();
}

}  // namespace lockstep
