// SPDX-License-Identifier: Apache-2.0
#include "runtime/exec/task_order.h"

#include <deque>
#include <queue>
#include <unordered_map>

#include "runtime/exec/schedule.h"
#include "runtime/exec/task_cut.h"

namespace lockstep {
namespace {

// Ready nodes of one kind, the smallest id first.
using Ready = std::priority_queue<int, std::vector<int>, std::greater<>>;

class Lister {
 public:
  // `order`: any topological order of all nodes.
  explicit Lister(const std::vector<Node*>& order) {
    for (Node* n : order) {
      by_id_[n->id()] = n;
      int& waiting = waiting_[n];
      const auto depend = [&](const Node* on) {
        users_[on].push_back(n);
        ++waiting;
      };
      for (const Output& in : n->inputs()) depend(in.node);
      for (const Node* c : n->control_inputs()) depend(c);
    }
    for (Node* n : order) {
      if (waiting_.at(n) == 0) Add(n);
    }
  }

  std::vector<Node*> Run() {
    std::vector<Node*> listed;
    while (Node* n = Next()) {
      listed.push_back(n);
      for (Node* user : users_[n]) {
        if (--waiting_.at(user) == 0) Add(user);
      }
    }
    return listed;
  }

 private:
  void Add(Node* n) {
    if (IsTaskRecv(*n)) {
      // Ready when its send was listed: in the order of the sends.
      recvs_.push_back(n);
    } else {
      (IsTaskSend(*n) ? sends_ : others_).push(n->id());
    }
  }

  Node* Next() {
    for (Ready* ready : {&sends_, &others_}) {
      if (ready->empty()) continue;
      Node* n = by_id_.at(ready->top());
      ready->pop();
      return n;
    }
    if (recvs_.empty()) return nullptr;
    Node* n = recvs_.front();
    recvs_.pop_front();
    return n;
  }

  std::unordered_map<int, Node*> by_id_;
  std::unordered_map<const Node*, int> waiting_;
  std::unordered_map<const Node*, std::vector<Node*>> users_;
  Ready sends_, others_;
  std::deque<Node*> recvs_;
};

}  // namespace

std::vector<Node*> SendsFirst(const std::vector<Node*>& order) {
  return Lister(order).Run();
}

Result<std::vector<Node*>> OrderOfTasks(const PlanGraph& plan) {
  // The edges that the schedule adds are about order alone: they stay in a
  // copy, or branches would seem to depend on each other.
  std::unordered_map<const Node*, Node*> copies;
  PlanGraph copy{.graph = plan.graph.Clone(&copies)};
  const auto copied = [&](Output o) {
    return Output{copies.at(o.node), o.index};
  };
  for (const Output& o : plan.feeds) copy.feeds.push_back(copied(o));
  for (const Output& o : plan.fetches) copy.fetches.push_back(copied(o));
  for (const Node* n : plan.targets) copy.targets.push_back(copies.at(n));
  LS_ASSIGN_OR_RETURN(const Schedule schedule, MakeSchedule(&copy));
  std::unordered_map<const Node*, Node*> originals;
  for (Node* n : plan.graph.nodes()) originals[copies.at(n)] = n;
  std::vector<Node*> order;
  for (const Node* n : SendsFirst(schedule.order)) {
    order.push_back(originals.at(n));
  }
  return order;
}

}  // namespace lockstep
