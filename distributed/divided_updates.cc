// SPDX-License-Identifier: Apache-2.0
#include "distributed/divided_updates.h"

#include <algorithm>
#include <set>

#include "distributed/gradient_facts.h"
#include "distributed/product_gradients.h"
#include "runtime/exec/schedule.h"
#include "runtime/graph/control_flow.h"
#include "runtime/graph/function.h"

namespace lockstep {
namespace {

bool IsUpdate(const Node& n) { return n.traits().applies_gradient >= 0; }

// Whether the update is handed the variable of its input, not the value.
bool UpdatesInput(const Node& update, int input) {
  const ArgDef& arg = update.def().inputs[static_cast<size_t>(input)];
  return arg.is_ref || arg.type == kResource;
}

// Calls f(node, variable node) for each variable that a node is handed, but for
// the first of updates.
template <class F>
void ForEachSlotUse(const Graph& graph, F f) {
  for (const Node* n : graph.nodes()) {
    const bool update = IsUpdate(*n);
    for (int i = update ? 1 : 0; i < n->num_inputs(); ++i) {
      if (!IsHandle(n->input(i).dtype()) || (update && !UpdatesInput(*n, i))) {
        continue;
      }
      const Output variable = VariableBehind(n->input(i));
      if (variable.defined()) f(*n, *variable.node);
    }
  }
}

}  // namespace

bool HasSlots(const Node& update) {
  for (int i = 1; i < update.num_inputs(); ++i) {
    if (UpdatesInput(update, i)) return true;
  }
  return false;
}

std::unordered_set<std::string> FindSlots(const Graph& original) {
  std::unordered_set<std::string> slots;
  ForEachSlotUse(original, [&](const Node& user, const Node& variable) {
    if (IsUpdate(user)) slots.insert(variable.name());
  });
  return slots;
}

namespace {

// Whether nothing but an update or a new value changes a slot: what adds to
// one would do so on each rank by itself.
bool OnlyUpdatesChangeSlots(const Graph& original) {
  const std::unordered_set<std::string> slots = FindSlots(original);
  bool only = true;
  ForEachSlotUse(original, [&](const Node& user, const Node& variable) {
    const OpTraits& traits = user.traits();
    only = only &&
           (!slots.contains(variable.name()) || IsUpdate(user) ||
            traits.assigns || traits.only_reads || traits.alias.first >= 0);
  });
  return only;
}

// Functions may have variables of their own, by name.
bool FunctionsMakeVariables(const Graph& graph) {
  const auto& functions = graph.functions();
  if (functions == nullptr) return false;
  return std::ranges::any_of(functions->Names(), [&](const std::string& name) {
    const auto function = functions->Find(name);
    return function != nullptr &&
           std::ranges::any_of(function->body.nodes(), [](const Node* n) {
             return n->traits().variable;
           });
  });
}

bool IsDividedUpdate(const Node& n) {
  return n.op() == "_GradientUpdate" || n.op() == "_ProductUpdate";
}

// How many nodes may write to each variable, but for divided updates.
std::map<std::string, int> CountWriters(const Graph& graph) {
  std::map<std::string, int> writers;
  for (const Node* n : graph.nodes()) {
    if (IsDividedUpdate(*n)) continue;
    std::set<std::string> written;
    for (int i = 0; i < n->num_inputs(); ++i) {
      if (!WritesVariable(*n, i)) continue;
      const Output variable = VariableBehind(n->input(i));
      if (variable.defined()) written.insert(VariableName(*variable.node));
    }
    for (const std::string& name : written) ++writers[name];
  }
  return writers;
}

}  // namespace

// Two training ops in one run and branches keep their own order, and what
// other ranks take part in has to come after all updates if it comes after one.
DividedUpdates::DividedUpdates(PassContext& context,
                               std::span<const Gradient> gradients,
                               const std::function<int(const Node*)>& position)
    : context_(context),
      writers_(FunctionsMakeVariables(context.original)
                   ? std::map<std::string, int>()
                   : CountWriters(context.graph)),
      consumers_(context.graph) {
  int last = 0;
  for (const Gradient& g : gradients) last = std::max(last, g.last_use);
  std::unordered_set<const Node*> after;
  for (const Gradient& g : gradients) {
    for (const auto& [update, input] : g.uses) {
      MarkUsers(update, consumers_, &after);
    }
  }
  independent_ =
      !context.has_gpus && OnlyUpdatesChangeSlots(context.original) &&
      std::ranges::none_of(after,
                           [&](const Node* n) {
                             return IsUpdate(*n) || (n->traits().synchronizes &&
                                                     position(n) <= last);
                           }) &&
      std::ranges::none_of(context.graph.nodes(),
                           [](const Node* n) { return IsSwitch(*n); });
}

bool DividedUpdates::Fits(const Gradient& gradient) const {
  if (gradient.uses.size() != 1) return false;
  Node* update = gradient.uses[0].first;
  const KernelDef* kernel = update->def().FindKernel(kCpu, update->attrs());
  if (kernel == nullptr || kernel->update == nullptr) return false;
  for (int i = 0; i < update->num_outputs(); ++i) {
    const Output out = update->output(i);
    if (!consumers_.Of(out).empty() ||
        std::ranges::find(context_.fetches, out) != context_.fetches.end()) {
      return false;
    }
  }
  return true;
}

// One node is on one device.
bool DividedUpdates::Fit(std::span<const Gradient> bucket) const {
  const std::string& device =
      bucket[0].uses[0].first->input(0).node->requested_device();
  return independent_ && std::ranges::all_of(bucket, [&](const Gradient& g) {
           const Node* update = g.uses[0].first;
           return Fits(g) && update->requested_device() == device &&
                  update->input(0).node->requested_device() == device;
         });
}

bool DividedUpdates::WritesAlone(const Node& update) const {
  const Output variable = VariableBehind(update.input(0));
  if (!variable.defined()) return false;
  const auto found = writers_.find(VariableName(*variable.node));
  return found != writers_.end() && found->second == 1;
}

NodeSpec DividedUpdates::Spec(std::span<const Gradient> bucket,
                              bool weighted) const {
  NodeSpec spec{.name = StrCat("_gradient_update/", bucket[0].first_use),
                .op = "_GradientUpdate",
                .device = bucket[0].uses[0].first->requested_device()};
  std::vector<FunctionRef> updates;
  std::vector<DType> types;
  std::vector<bool> watched;
  for (const Gradient& gradient : bucket) {
    const Node* update = gradient.uses[0].first;
    updates.push_back(
        {update->op(), std::make_shared<AttrMap>(update->attrs())});
    watched.push_back(WritesAlone(*update));
    for (const Output& in : update->inputs()) {
      spec.inputs.push_back(in);
      types.push_back(in.dtype());
    }
    for (Node* before : update->control_inputs()) {
      if (std::ranges::find(spec.control_inputs, before) ==
          spec.control_inputs.end()) {
        spec.control_inputs.push_back(before);
      }
    }
  }
  spec.attrs = {{"Tin", std::move(types)},
                {"updates", std::move(updates)},
                {"watched", std::move(watched)},
                {"weighted", weighted}};
  return spec;
}

NodeSpec DividedUpdates::SpecByFactors(const Gradient& gradient,
                                       const OriginalOrder& order,
                                       bool weighted) {
  NodeSpec spec = Spec({&gradient, 1}, weighted);
  Node* product =
      UseFactors(gradient, order, context_, consumers_, weighted, &spec);
  if (product != nullptr) unused_.push_back(product);
  return spec;
}

void DividedUpdates::Finish() {
  Graph& graph = context_.graph;
  for (const auto& [bucket, node] : replaced_) {
    for (const Gradient& gradient : bucket) {
      Node* update = gradient.uses[0].first;
      for (Node* user : consumers_.ControlledBy(update)) {
        graph.AddControlEdge(node, user);
        graph.RemoveControlEdge(update, user);
      }
      std::ranges::replace(context_.targets, update, node);
      graph.RemoveNode(update);
    }
  }
  for (Node* product : unused_) graph.RemoveNode(product);
}

namespace {

Status CompleteFor(PassContext& context, Node* slot, Node* user) {
  Graph& graph = context.graph;
  const bool writes = IsUpdate(*user) || user->traits().assigns;
  std::vector<Node*> after;
  if (!writes) after = user->control_inputs();
  LS_ASSIGN_OR_RETURN(
      Node * complete,
      graph.AddNode({.name = graph.UniqueName(slot->name() + "/_complete"),
                     .op = slot->output_type(0) == kResource
                               ? "_CompleteResourceSlot"
                               : "_CompleteSlot",
                     .inputs = {slot->output(0)},
                     .control_inputs = std::move(after)}));
  graph.AddControlEdge(complete, user);
  // An update in full, a new value: no rank writes it before all have whole
  // slots.
  if (writes) {
    const int value =
        user->traits().assigns ? 1 : user->traits().applies_gradient;
    for (Node* exchange : SynchronizingAbove(user->input(value))) {
      graph.AddControlEdge(complete, exchange);
    }
  }
  return Ok();
}

Status CompleteSlots(PassContext& context) {
  Graph& graph = context.graph;
  const std::unordered_set<std::string> slots = FindSlots(context.original);
  for (Node* slot : graph.nodes()) {
    if (!slot->traits().variable || !slots.contains(slot->name())) continue;
    for (Output& fetch : context.fetches) {
      if (fetch != slot->output(0)) continue;
      LS_ASSIGN_OR_RETURN(
          Node * read,
          graph.AddNode({.name = graph.UniqueName(slot->name() + "/_whole"),
                         .op = "Identity",
                         .inputs = {fetch}}));
      fetch = read->output(0);
    }
    const Consumers consumers(graph);
    for (const auto& [user, input] : consumers.Of(slot->output(0))) {
      if (IsDividedUpdate(*user) ||
          (IsUpdate(*user) && !UpdatesInput(*user, input))) {
        continue;
      }
      LS_RETURN_IF_ERROR(CompleteFor(context, slot, user));
    }
  }
  return Ok();
}

// Also of what is no divided update here and is one in another plan.
Status ForgetWritten(PassContext& context) {
  std::set<std::string> updated;
  for (const Node* n : context.original.nodes()) {
    if (!IsUpdate(*n)) continue;
    const Output variable = VariableBehind(n->input(0));
    if (variable.defined()) updated.insert(VariableName(*variable.node));
  }
  std::vector<std::string> written;
  if (FunctionsMakeVariables(context.original)) {
    written.assign(updated.begin(), updated.end());
  } else {
    for (const auto& [name, writers] : CountWriters(context.graph)) {
      if (updated.contains(name)) written.push_back(name);
    }
  }
  if (written.empty()) return Ok();
  LS_ASSIGN_OR_RETURN(
      Node * forget,
      context.graph.AddNode({.name = context.graph.UniqueName("_forget_sums"),
                             .op = "_ForgetSums",
                             .attrs = {{"variables", std::move(written)}}}));
  context.targets.push_back(forget);
  return Ok();
}

}  // namespace

Status GuardSlices(PassContext& context) {
  if (context.has_gpus) return Ok();  // see DividedUpdates: none is divided
  LS_RETURN_IF_ERROR(CompleteSlots(context));
  return ForgetWritten(context);
}

}  // namespace lockstep
