// SPDX-License-Identifier: Apache-2.0
#include "runtime/exec/schedule.h"

#include <algorithm>
#include <map>
#include <set>

#include "runtime/graph/control_flow.h"

namespace lockstep {
namespace {

// One that reads a variable, or null for a fetch.
struct VariableRead {
  Node* reader = nullptr;
  // Through which node the value was taken (the reader itself when it takes
  // the reference directly).
  Node* through = nullptr;
  // The control inputs of the reader and of the aliases on the way.
  std::vector<Node*> waits_for = {};
  // Writers whose value is meant, as some of waits_for come after them.
  std::set<const Node*> meant = {};
};

struct VariableUses {
  std::vector<Node*> writers;
  std::vector<VariableRead> reads;
};

class Scheduler {
 public:
  explicit Scheduler(PlanGraph* plan) : plan_(*plan), graph_(plan->graph) {}

  Result<Schedule> Run() {
    LS_ASSIGN_OR_RETURN(std::vector<Node*> order, graph_.TopologicalOrder());
    for (size_t i = 0; i < order.size(); ++i) position_[order[i]] = i;
    for (const auto& [id, uses] : CollectUses(order)) {
      for (Node* writer : uses.writers) {
        for (const VariableRead& read : uses.reads) OrderRead(read, writer);
      }
    }
    LS_ASSIGN_OR_RETURN(schedule_.order, graph_.TopologicalOrder(Arrivals()));
    return std::move(schedule_);
  }

 private:
  // What is received is received for its first reader, no earlier: until then
  // it would only take memory.
  std::unordered_map<const Node*, int> Arrivals() const {
    std::unordered_map<const Node*, int> before;
    const auto earlier = [&](const Node* n, int id) {
      const auto [it, added] = before.emplace(n, id);
      if (!added) it->second = std::min(it->second, id);
    };
    for (const Node* n : graph_.nodes()) {
      for (const Output& in : n->inputs()) {
        if (in.node->op() != "_Recv") continue;
        earlier(in.node, n->id());
        earlier(in.node->input(0).node, n->id());
      }
    }
    return before;
  }

  // Keyed by the variable node's id, so that the result does not depend on
  // addresses.
  std::map<int, VariableUses> CollectUses(const std::vector<Node*>& order) {
    std::map<int, VariableUses> uses;
    for (Node* n : order) {
      const auto types = ArgTypes(n->def(), n->def().inputs, n->attrs());
      for (int i = 0; i < n->num_inputs(); ++i) {
        const Output variable = VariableBehind(n->input(i));
        if (!variable.defined()) continue;
        VariableUses& u = uses[variable.node->id()];
        const bool handle =
            PassesHandle(*n, i) ||
            (types.ok() && IsHandle((*types)[static_cast<size_t>(i)]));
        if (handle && n->traits().alias.first < 0) {
          if (n->traits().only_reads) {
            u.reads.push_back({n, n});
          } else {
            u.writers.push_back(n);
          }
        } else if (n->traits().alias.second == i) {
          // The readers behind an alias are met on their own.
        } else {
          u.reads.push_back(ReadOf(n, n->input(i)));
        }
      }
    }
    // A fetched alias is read after everything else.
    std::vector<std::pair<VariableUses*, VariableRead>> fetched;
    for (const Output& f : plan_.fetches) {
      const Output variable = VariableBehind(f);
      if (!variable.defined() || IsHandle(f.dtype())) continue;
      auto it = uses.find(variable.node->id());
      if (it == uses.end()) continue;
      fetched.emplace_back(&it->second, ReadOf(nullptr, f));
      FindMeant(it->second.writers, &fetched.back().second);
    }
    for (auto& [id, u] : uses) {
      for (VariableRead& read : u.reads) FindMeant(u.writers, &read);
    }
    // From here on edges are added, which say nothing of what is meant.
    for (const auto& [u, read] : fetched) {
      for (Node* w : u->writers) {
        if (!read.meant.contains(w) && !Reaches(w, read.through)) {
          Snapshot(read.through, w);
        }
      }
    }
    return uses;
  }

  // What TensorFlow makes under control_dependencies([v.assign(x)]) sees the
  // new value, though it may take it through an older read of `v`. What comes
  // later only because of other data sees the value from before.
  void FindMeant(const std::vector<Node*>& writers, VariableRead* read) const {
    for (const Node* c : read->waits_for) {
      for (const Node* w : writers) {
        if (Reaches(w, c)) read->meant.insert(w);
      }
    }
  }

  static VariableRead ReadOf(Node* reader, Output o) {
    VariableRead read{reader, TakenBy(reader, o)};
    const auto add = [&](const Node* n) {
      const auto& inputs = n->control_inputs();
      read.waits_for.insert(read.waits_for.end(), inputs.begin(), inputs.end());
    };
    if (reader) add(reader);
    while (o.node->traits().alias.second >= 0 && !IsHandle(o.dtype())) {
      add(o.node);
      o = o.node->input(o.node->traits().alias.second);
    }
    return read;
  }

  // The first alias node on the way from the variable to `o`; `reader` when
  // there is none.
  static Node* TakenBy(Node* reader, Output o) {
    Node* taken = reader;
    while (o.node->traits().alias.second >= 0 && !IsHandle(o.dtype())) {
      taken = o.node;
      o = o.node->input(o.node->traits().alias.second);
    }
    return taken;
  }

  void OrderRead(const VariableRead& read, Node* writer) {
    Node* const reader = read.reader;
    Node* const through = read.through;
    if (reader == writer) {  // e.g. AssignAdd(v, v): one step
      // A function may read its argument after it has updated the variable.
      if (RunsFunctions(*writer) && through != writer) {
        Snapshot(through, writer);
      }
      return;
    }
    if (schedule_.snapshots.contains(through)) {
      if (!Reaches(writer, through)) AddEdge(through, writer);
      return;
    }
    if (read.meant.contains(writer) || Reaches(writer, through)) return;
    if (Reaches(writer, reader)) {
      Snapshot(through, writer);
    } else {
      AddEdge(reader, writer);
    }
  }

  void Snapshot(Node* through, Node* writer) {
    schedule_.snapshots.insert(through);
    if (!Reaches(writer, through)) AddEdge(through, writer);
  }

  void AddEdge(Node* from, Node* to) {
    graph_.AddControlEdge(from, to);
    if (position_.at(from) > position_.at(to)) edges_added_backwards_ = true;
  }

  // Whether `to` comes after `from` in every order. Positions settle most
  // questions; the rest is a search upwards from `to`.
  bool Reaches(const Node* from, const Node* to) const {
    if (from == to) return true;
    if (!edges_added_backwards_ && position_.at(from) > position_.at(to)) {
      return false;
    }
    std::unordered_set<const Node*> seen;
    std::vector<const Node*> stack = {to};
    while (!stack.empty()) {
      const Node* n = stack.back();
      stack.pop_back();
      if (n == from) return true;
      auto visit = [&](const Node* up) {
        if ((edges_added_backwards_ ||
             position_.at(up) >= position_.at(from)) &&
            seen.insert(up).second) {
          stack.push_back(up);
        }
      };
      for (const Output& in : n->inputs()) visit(in.node);
      for (const Node* c : n->control_inputs()) visit(c);
    }
    return false;
  }

  PlanGraph& plan_;
  Graph& graph_;
  Schedule schedule_;
  std::unordered_map<const Node*, size_t> position_;
  bool edges_added_backwards_ = false;
};

}  // namespace

Output VariableBehind(Output o) {
  while (!o.node->traits().variable) {
    const int alias = o.node->traits().alias.second;
    if (alias >= 0) {
      o = o.node->input(alias);
    } else if (IsLoop(*o.node) && IsHandle(o.dtype())) {
      o = o.node->input(o.index);  // handles go round unchanged
    } else if (IsHandle(o.dtype()) && o.node->num_inputs() > 0 &&
               IsHandle(o.node->input(0).dtype())) {
      o = o.node->input(0);  // Assign and its kind forward the reference
    } else {
      return {};
    }
  }
  return o;
}

bool WritesVariable(const Node& n, int i) {
  if (n.traits().alias.first >= 0 || n.traits().only_reads) return false;
  if (PassesHandle(n, i)) return true;
  const auto types = ArgTypes(n.def(), n.def().inputs, n.attrs());
  return types.ok() && IsHandle((*types)[static_cast<size_t>(i)]) &&
         VariableBehind(n.input(i)).defined();
}

std::string VariableName(const Node& variable) {
  const auto* shared = GetIf<std::string>(variable.attrs(), "shared_name");
  return shared && !shared->empty() ? *shared : variable.name();
}

Result<Schedule> MakeSchedule(PlanGraph* plan) { return Scheduler(plan).Run(); }

}  // namespace lockstep
