// SPDX-License-Identifier: Apache-2.0
#include "runtime/graph/placer_needs.h"

#include <algorithm>

#include "runtime/graph/control_flow.h"

namespace lockstep {
namespace {

template <class T>
bool SameOrMissing(const std::optional<T>& a, const std::optional<T>& b) {
  return !a || !b || *a == *b;
}

std::string KindsText(const Node* node, const NodeNeed& need) {
  const char* kind = need.kinds == KindBit(kCpu) ? "CPU" : "GPU";
  if (need.caller) {
    return StrCat("is used by '", need.caller->name(),
                  "', whose function needs it on the ", kind);
  }
  if (need.control_flow) return StrCat("runs on the ", kind, " only");
  const std::string types = node->def().KernelTypes(node->attrs());
  return StrCat("has a kernel for ", kind, " only",
                types.empty() ? "" : StrCat(" (", types, ")"));
}

}  // namespace

DeviceName Merge(const DeviceName& a, const DeviceName& b) {
  DeviceName out = a;
  if (!out.job) out.job = b.job;
  if (!out.replica) out.replica = b.replica;
  if (!out.task) out.task = b.task;
  if (!out.type) out.type = b.type;
  if (!out.index) out.index = b.index;
  return out;
}

bool Agree(const DeviceName& a, const DeviceName& b) {
  return SameOrMissing(a.job, b.job) && SameOrMissing(a.replica, b.replica) &&
         SameOrMissing(a.task, b.task) && SameOrMissing(a.type, b.type) &&
         SameOrMissing(a.index, b.index);
}

bool AsksForSomething(const DeviceName& r) {
  return r.job || r.replica || r.task || r.type || r.index;
}

PlacerNeeds::PlacerNeeds(const DeviceSet& devices, const PlacerOptions& options)
    : devices_(devices), options_(options) {
  const std::vector<Device>& all = devices.all();
  only_task_ = all.empty() ? 0 : all[0].name.task.value_or(0);
  for (size_t i = 0; i < all.size(); ++i) {
    set_kinds_ |= KindBit(all[i].kind());
    several_tasks_ |= all[i].name.task.value_or(0) != only_task_;
    number_of_[all[i].name.ToString()] = static_cast<int>(i);
  }
}

Status PlacerNeeds::Read(const Graph& graph) {
  needs_.resize(static_cast<size_t>(graph.max_id()));
  for (const Node* n : graph.nodes()) {
    Status read = ReadNode(n, &needs_[static_cast<size_t>(n->id())]);
    if (!read.ok()) return read.WithContext(StrCat("node '", n->name(), "'"));
  }
  ReadCalls(graph);
  return Ok();
}

// Bodies are placed when they are inlined; variables have to be then where the
// ops are that take them.
void PlacerNeeds::ReadCalls(const Graph& graph) {
  FunctionKinds functions(graph.functions().get());
  for (const Node* n : graph.nodes()) {
    if (!IsCall(*n)) continue;
    for (int i = 0; i < n->num_inputs(); ++i) {
      if (!IsHandle(n->input(i).dtype())) continue;
      int kinds = set_kinds_;
      for (const std::string& name : FunctionsOf(*n)) {
        kinds &= functions.OfArg(name, i);
      }
      NodeNeed& need = needs_[static_cast<size_t>(n->input(i).node->id())];
      if ((need.kinds & kinds) == need.kinds || (need.kinds & kinds) == 0) {
        continue;
      }
      need.kinds &= kinds;
      need.caller = n;
    }
  }
}

Status PlacerNeeds::ReadNode(const Node* node, NodeNeed* need) const {
  if (node->assigned_device().empty()) {
    LS_RETURN_IF_ERROR(ReadRequest(node, need));
    ReadKernels(node, need);
    return Ok();
  }
  const auto it = number_of_.find(node->assigned_device());
  if (it == number_of_.end()) {
    return InvalidArgument("its device '", node->assigned_device(),
                           "' is not among ", DevicesText());
  }
  need->assigned = it->second;
  need->request = device(need->assigned).name;
  need->request.job.reset();
  need->kinds = set_kinds_;
  return Ok();
}

// Jobs and replicas of graphs written elsewhere mean this job, and the first
// task of such a graph is the one there is.
Status PlacerNeeds::ReadRequest(const Node* node, NodeNeed* need) const {
  if (node->requested_device().empty()) return Ok();
  LS_ASSIGN_OR_RETURN(need->request,
                      DeviceName::Parse(node->requested_device()));
  need->request.job.reset();
  need->request.replica.reset();
  if (!several_tasks_ && need->request.task == 0) need->request.task.reset();
  return Ok();
}

void PlacerNeeds::ReadKernels(const Node* node, NodeNeed* need) const {
  need->kinds = KernelKinds(*node) & set_kinds_;
  need->no_kernel = need->kinds == 0;
  if (need->no_kernel) need->kinds = set_kinds_;
  if (IsControlFlowOp(node->op()) && need->kinds == KindBit(kCpu)) {
    // Where it asks to be there has to be a device all the same.
    need->control_flow = std::ranges::any_of(
        devices_.all(),
        [&](const Device& d) { return need->request.Covers(d.name); });
    if (need->control_flow && need->request.type != "CPU") {
      need->request.type.reset();
      need->request.index.reset();
    }
  }
}

const std::vector<int>& PlacerNeeds::Candidates(const DeviceName& request,
                                                int kinds) {
  const auto [it, added] = candidates_.try_emplace({request.ToString(), kinds});
  std::vector<int>& found = it->second;
  if (!added) return found;
  for (int i = 0; i < static_cast<int>(devices_.all().size()); ++i) {
    if ((kinds & KindBit(device(i).kind())) && request.Covers(device(i).name)) {
      found.push_back(i);
    }
  }
  const auto order = [&](int i) {
    const bool elsewhere = device(i).name.task.value_or(0) != options_.task;
    return std::pair(elsewhere, device(i).kind() != kGpu);
  };
  std::ranges::stable_sort(found, {}, order);
  return found;
}

DeviceName PlacerNeeds::SoftRequest(const Node* node) const {
  const NodeNeed& need = Of(node);
  if (need.assigned >= 0) return need.request;
  DeviceName task;
  if (several_tasks_) task.task = need.request.task;
  return task;
}

std::string PlacerNeeds::Allowed(const Node* node, bool soft) const {
  const NodeNeed& need = Of(node);
  const DeviceName request = soft ? SoftRequest(node) : need.request;
  std::string bits;
  for (const Device& d : devices_.all()) {
    const bool fits =
        (need.kinds & KindBit(d.kind())) && request.Covers(d.name);
    bits += fits ? '1' : '0';
  }
  return bits;
}

std::string PlacerNeeds::Text(const Node* node) const {
  const NodeNeed& need = Of(node);
  if (need.assigned >= 0) return StrCat("is on ", DeviceText(need.assigned));
  std::vector<std::string> parts;
  if (!node->requested_device().empty() && !need.control_flow) {
    parts.push_back(StrCat("asks for '", node->requested_device(), "'"));
  }
  if (need.kinds != set_kinds_) {
    parts.push_back(KindsText(node, need));
  }
  return parts.empty() ? "can be anywhere" : Join(parts, " and ");
}

std::string PlacerNeeds::DeviceText(int i) const {
  return several_tasks_ ? device(i).name.ToString() : device(i).name.Short();
}

std::string PlacerNeeds::DevicesText() const {
  std::vector<std::string> names;
  for (size_t i = 0; i < devices_.all().size(); ++i) {
    names.push_back(DeviceText(static_cast<int>(i)));
  }
  return Join(names, ", ");
}

}  // namespace lockstep
