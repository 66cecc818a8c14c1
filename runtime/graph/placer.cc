// SPDX-License-Identifier: Apache-2.0
#include "runtime/graph/placer.h"

#include <algorithm>

#include "runtime/core/logging.h"
#include "runtime/graph/control_flow.h"
#include "runtime/graph/copy_nodes.h"
#include "runtime/graph/placer_conflict.h"

namespace lockstep {
namespace {

using Reason = PlacementReason;

// What the members of a colocation group need together.
struct Group {
  bool resolved = false;
  bool soft = false;               // requests were dropped
  const Node* decisive = nullptr;  // the member that others follow
  const std::vector<int>* candidates = nullptr;
  int device = -1;  // once one is chosen
};

class Placer {
 public:
  Placer(const DeviceSet& devices, const PlacerOptions& options, Graph* graph)
      : options_(options), graph_(*graph), needs_(devices, options) {}

  Status Run() {
    const std::vector<Node*> nodes = graph_.nodes();
    if (std::ranges::none_of(nodes, IsNew)) return Ok();
    if (needs_.devices().all().empty()) {
      return InvalidArgument("there is no device to place the graph on");
    }
    placed_before_ = !std::ranges::all_of(nodes, IsNew);
    LS_RETURN_IF_ERROR(needs_.Read(graph_));
    links_ = std::make_unique<ColocationGroups>(graph_);
    groups_.resize(static_cast<size_t>(graph_.max_id()));
    reasons_.resize(groups_.size());
    overridden_.resize(groups_.size());
    // Producers first, so that heuristics know where inputs are.
    Result<std::vector<Node*>> order = OrderWithLoops(nodes);
    std::vector<Node*> generators;
    for (Node* n : order.ok() ? *order : nodes) {
      if (!IsNew(n)) continue;
      LS_ASSIGN_OR_RETURN(Group * group, Resolve(n));
      const bool open = group->device < 0 && group->candidates->size() > 1;
      if (IsGenerator(*n) && open) {
        generators.push_back(n);
      } else {
        Assign(n, group, Prefer(*n, *group));
      }
    }
    PlaceGenerators(generators);
    return Ok();
  }

  // In order of node id; requires Run.
  std::vector<Placement> Decisions() const {
    std::vector<Placement> decisions;
    for (const Node* n : graph_.nodes()) {
      if (IsPlaced(n)) decisions.push_back(Decision(n));
    }
    return decisions;
  }

 private:
  static bool IsNew(const Node* n) { return n->assigned_device().empty(); }
  // By this run.
  bool IsPlaced(const Node* n) const {
    return static_cast<size_t>(n->id()) < reasons_.size() &&
           needs_.Of(n).assigned < 0;
  }
  static bool IsGenerator(const Node& n) {
    return n.num_inputs() == 0 && n.num_outputs() == 1 &&
           !IsHandle(n.output_type(0));
  }

  // --- Groups ---------------------------------------------------------------

  Result<Group*> Resolve(const Node* n) {
    const int number = links_->GroupOf(n);
    Group& group = groups_[static_cast<size_t>(number)];
    if (group.resolved) return &group;
    group.resolved = true;
    std::vector<const Node*> counted = Counted(links_->Members(number));
    if (FindCandidates(counted, &group)) return &group;
    if (options_.allow_soft_placement) {
      group.soft = true;
      if (FindCandidates(counted, &group)) return &group;
    }
    return ExplainConflict(needs_, *links_, counted, group.soft);
  }

  // The members whose requests count: what takes a variable goes where the
  // variable is, whatever it asks for.
  std::vector<const Node*> Counted(const std::vector<Node*>& members) {
    std::vector<const Node*> counted;
    DeviceName sum;
    // In this order: placed before, not taking a variable, taking one.
    for (int rank = 0; rank < 3; ++rank) {
      for (const Node* m : members) {
        const NodeNeed& need = needs_.Of(m);
        const bool takes = links_->TakesFrom(m) != nullptr;
        if ((need.assigned >= 0 ? 0 : takes ? 2 : 1) != rank) continue;
        if (rank == 2 && !Agree(sum, need.request)) {
          overridden_[static_cast<size_t>(m->id())] = true;
          continue;
        }
        counted.push_back(m);
        sum = Merge(sum, need.request);
      }
    }
    return counted;
  }

  bool FindCandidates(const std::vector<const Node*>& members, Group* group) {
    DeviceName sum;
    int kinds = ~0;
    bool agree = true;
    for (const Node* m : members) {
      const NodeNeed& need = needs_.Of(m);
      const DeviceName request =
          group->soft ? needs_.SoftRequest(m) : need.request;
      agree = agree && Agree(sum, request);
      sum = Merge(sum, request);
      kinds &= need.kinds;
    }
    if (!agree) return false;
    group->candidates = &needs_.Candidates(sum, kinds);
    group->decisive = Decisive(members, group->soft);
    return !group->candidates->empty();
  }

  // The first that is placed, asks for something, or has few kernels.
  const Node* Decisive(const std::vector<const Node*>& members,
                       bool soft) const {
    const Node* asks = nullptr;
    const Node* few = nullptr;
    for (const Node* m : members) {
      const NodeNeed& need = needs_.Of(m);
      if (need.assigned >= 0) return m;
      if (!asks && !soft && AsksForSomething(need.request)) asks = m;
      const bool one_kind =
          need.kinds == KindBit(kCpu) || need.kinds == KindBit(kGpu);
      if (!few && needs_.has_gpus() && one_kind && !need.no_kernel) few = m;
    }
    return asks ? asks : few;
  }

  // --- Choice ---------------------------------------------------------------

  struct Choice {
    int device = -1;
    Reason reason = Reason::kPriority;
  };

  int DeviceOf(const Node* n) const {
    const int assigned = needs_.Of(n).assigned;
    if (assigned >= 0) return assigned;
    return groups_[static_cast<size_t>(links_->GroupOf(n))].device;
  }

  static bool CanBe(const Group& group, int device) {
    return std::ranges::find(*group.candidates, device) !=
           group.candidates->end();
  }

  // Beside an input where that is possible, else the first candidate.
  Choice Prefer(const Node& n, const Group& group) const {
    if (group.device >= 0) return {group.device, Reason::kColocated};
    const bool metadata = n.traits().metadata;
    if (metadata || placed_before_) {
      for (const Output& in : n.inputs()) {
        const int device = DeviceOf(in.node);
        if (device >= 0 && CanBe(group, device)) {
          return {device, metadata ? Reason::kMetadata : Reason::kInput};
        }
      }
    }
    return {group.candidates->front(), Reason::kPriority};
  }

  // They have no inputs, so they go where all that reads them is.
  void PlaceGenerators(const std::vector<Node*>& generators) {
    if (generators.empty()) return;
    const Consumers consumers(graph_);
    for (Node* n : generators) {
      Group& group = groups_[static_cast<size_t>(links_->GroupOf(n))];
      Choice choice{group.device, Reason::kColocated};
      if (choice.device < 0) choice = {group.candidates->front()};
      const int device = CommonDevice(consumers, n);
      // What is fed comes to the task that feeds.
      const bool fed = n->traits().placeholder && device >= 0 &&
                       !needs_.SameTask(device, choice.device);
      if (group.device < 0 && device >= 0 && CanBe(group, device) && !fed) {
        choice = {device, Reason::kGenerator};
      }
      Assign(n, &group, choice);
    }
  }

  // -1 when the node's consumers are on several, or it has none.
  int CommonDevice(const Consumers& consumers, Node* n) const {
    std::vector<const Node*> all;
    for (const auto& use : consumers.Of(n->output(0))) all.push_back(use.first);
    for (const Node* c : consumers.ControlledBy(n)) all.push_back(c);
    const bool common = std::ranges::all_of(
        all, [&](const Node* c) { return DeviceOf(c) == DeviceOf(all[0]); });
    return all.empty() || !common ? -1 : DeviceOf(all[0]);
  }

  void Assign(Node* n, Group* group, const Choice& choice) {
    if (group->device < 0) {
      group->device = choice.device;
      if (!group->decisive) group->decisive = n;
    }
    n->set_assigned_device(needs_.device(group->device).name.ToString());
    reasons_[static_cast<size_t>(n->id())] = ReasonOf(n, *group, choice);
  }

  // --- Reasons --------------------------------------------------------------

  bool IsWhereItAsks(const Node* n, const Group& group) const {
    return needs_.Of(n).request.Covers(needs_.device(group.device).name);
  }

  Reason ReasonOf(const Node* n, const Group& group,
                  const Choice& choice) const {
    const NodeNeed& need = needs_.Of(n);
    if (need.no_kernel) return Reason::kNoKernel;
    if (!IsWhereItAsks(n, group)) {
      return overridden_[static_cast<size_t>(n->id())] ? Reason::kOverridden
                                                       : Reason::kSoft;
    }
    if (need.control_flow) return Reason::kControlFlow;
    if (AsksForSomething(need.request)) return Reason::kRequested;
    if (group.decisive != n) return Reason::kColocated;
    const int kind = KindBit(needs_.device(group.device).kind());
    if (needs_.has_gpus() && need.kinds == kind) return Reason::kKernel;
    return choice.reason;
  }

  Placement Decision(const Node* n) const {
    const Group& group = groups_[static_cast<size_t>(links_->GroupOf(n))];
    Placement p;
    p.node = n->name();
    p.op = n->op();
    p.requested = n->requested_device();
    p.assigned = n->assigned_device();
    p.reason = reasons_[static_cast<size_t>(n->id())];
    p.why = Why(n, group, p.reason);
    p.fell_back = p.reason == Reason::kSoft || p.reason == Reason::kOverridden;
    return p;
  }

  std::string Why(const Node* n, const Group& group, Reason reason) const {
    const std::string types = n->def().KernelTypes(n->attrs());
    switch (reason) {
      case Reason::kRequested: return "asks for it";
      case Reason::kPriority:
        return needs_.has_gpus() ? "asks for nothing: GPU before CPU"
                                 : "asks for nothing: the first device";
      case Reason::kKernel:
      case Reason::kControlFlow: return needs_.Text(n);
      case Reason::kColocated: return GroupText(n, group);
      case Reason::kMetadata: return "looks at a shape only: with its input";
      case Reason::kGenerator: return "has no inputs: with all that reads it";
      case Reason::kInput: return "made by a pass: with its input";
      case Reason::kNoKernel:
        return StrCat("no device has a kernel for it",
                      types.empty() ? "" : StrCat(" (", types, ")"));
      case Reason::kOverridden:
        return StrCat("its request is ignored: ",
                      links_->TakesFrom(n)->ToString(), ", which is here");
      case Reason::kSoft: return SoftText(n, group);
    }
    return "";
  }

  // "'a' takes the handle of 'v', which asks for '/gpu:0'".
  std::string GroupText(const Node* n, const Group& group) const {
    const Node* decisive = group.decisive;
    if (!decisive || decisive == n) return "colocated";
    const ColocationLink* link = links_->TakesFrom(n);
    if (!link) link = links_->LinksOf(n).front();
    const bool direct = link->node == decisive || link->with == decisive;
    return StrCat(link->ToString(), direct ? "; '" : "; in their group '",
                  decisive->name(), "' ", needs_.Text(decisive));
  }

  std::string SoftText(const Node* n, const Group& group) const {
    const NodeNeed& need = needs_.Of(n);
    const auto covered = [&](const Device& d) {
      return need.request.Covers(d.name);
    };
    const std::vector<Device>& all = needs_.devices().all();
    if (std::ranges::none_of(all, covered)) {
      return StrCat("soft placement: there is no such device among ",
                    needs_.DevicesText());
    }
    if (needs_.Allowed(n, false).find('1') == std::string::npos) {
      const std::string types = n->def().KernelTypes(n->attrs());
      return StrCat("soft placement: there is no kernel for it",
                    types.empty() ? "" : StrCat(" (", types, ")"));
    }
    // Where kernels do not decide, requests exclude each other.
    if (group.decisive && needs_.Of(group.decisive).kinds == need.kinds) {
      const ColocationLink* link = links_->LinksOf(n).front();
      return StrCat("soft placement: ", link->ToString(),
                    "; their group asks for devices that exclude each other");
    }
    return StrCat("soft placement: ", GroupText(n, group));
  }

  const PlacerOptions& options_;
  Graph& graph_;
  PlacerNeeds needs_;
  bool placed_before_ = false;
  std::unique_ptr<ColocationGroups> links_;
  std::vector<Group> groups_;    // by number of the group
  std::vector<Reason> reasons_;  // by node id
  std::vector<bool> overridden_;
};

// Every node that is not where it asks to be.
Status RefuseFallBacks(const std::vector<Placement>& decisions) {
  constexpr size_t kMost = 50;
  std::vector<std::string> lines;
  size_t count = 0;
  for (const Placement& p : decisions) {
    if (!p.fell_back || ++count > kMost) continue;
    lines.push_back(StrCat("'", p.node, "' (", p.op, ") asks for '",
                           p.requested, "', would be on ", p.assigned, " (",
                           p.why, ")"));
  }
  if (count == 0) return Ok();
  return InvalidArgument(
      "strict placement: ", count, count == 1 ? " node is" : " nodes are",
      " not where they ask to be: ", Join(lines, "; "),
      count > kMost ? StrCat("; and ", count - kMost, " more") : "");
}

}  // namespace

const char* ReasonName(PlacementReason reason) {
  switch (reason) {
    case Reason::kRequested: return "requested";
    case Reason::kPriority: return "priority";
    case Reason::kKernel: return "kernel";
    case Reason::kColocated: return "colocated";
    case Reason::kMetadata: return "metadata";
    case Reason::kGenerator: return "generator";
    case Reason::kInput: return "input";
    case Reason::kControlFlow: return "control_flow";
    case Reason::kNoKernel: return "no_kernel";
    case Reason::kOverridden: return "overridden";
    case Reason::kSoft: return "soft";
  }
  return "";
}

bool NeedsKernel(const OpDef& op) {
  const OpTraits& t = op.traits;
  return !(t.constant || t.placeholder || t.variable || t.alias.first >= 0 ||
           op.name == "_Feed" || op.name == "_Recv" ||
           IsControlFlowOp(op.name));
}

Status PlaceGraph(const DeviceSet& devices, const PlacerOptions& options,
                  Graph* graph, std::vector<Placement>* decisions) {
  Placer placer(devices, options, graph);
  LS_RETURN_IF_ERROR(placer.Run());
  if (!decisions && !options.strict_placement &&
      !options.log_device_placement) {
    return Ok();
  }
  std::vector<Placement> made = placer.Decisions();
  if (options.log_device_placement) {
    for (const Placement& p : made) {
      LogInfo(p.node, ": (", p.op, "): ", p.assigned);
    }
  }
  if (options.strict_placement) LS_RETURN_IF_ERROR(RefuseFallBacks(made));
  if (decisions) *decisions = std::move(made);
  return Ok();
}

}  // namespace lockstep
