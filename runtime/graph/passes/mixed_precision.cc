// SPDX-License-Identifier: Apache-2.0
#include "runtime/graph/passes/mixed_precision.h"

#include <algorithm>
#include <map>
#include <span>
#include <unordered_set>

#include "runtime/core/float16.h"
#include "runtime/graph/memory_spaces.h"
#include "runtime/op/precision.h"

namespace lockstep {
namespace {

constexpr std::string_view kType = "T";  // the attribute that changes
constexpr std::string_view kSuffix = "/bfloat16";

// The numbers of the inputs or outputs (`args` of the op) that attribute T
// types.
std::vector<int> TypedBy(const Node& n, const std::vector<ArgDef>& args) {
  std::vector<int> typed;
  for (size_t i = 0; i < args.size(); ++i) {
    if (args[i].type_attr != kType) continue;
    const auto range = ArgRange(n.def(), args, n.attrs(), static_cast<int>(i));
    if (!range.ok()) continue;
    for (int k = 0; k < range->second; ++k) typed.push_back(range->first + k);
  }
  return typed;
}

AttrMap NarrowAttrs(const Node& n) {
  AttrMap attrs = n.attrs();
  attrs[std::string(kType)] = kBfloat16;
  attrs.erase("_class");  // names nodes that may go
  return attrs;
}

// There is such an op on bfloat16, on this node's device.
bool CanBeNarrow(const Node& n) {
  const DType* type = GetIf<DType>(n.attrs(), kType);
  const AttrDef* attr = n.def().FindAttr(kType);
  if (type == nullptr || *type != kFloat || attr == nullptr || IsOnGpu(n) ||
      n.traits().stateful) {
    return false;
  }
  for (int i = 0; i < n.num_outputs(); ++i) {
    if (IsRef(n.output_type(i))) return false;
  }
  const auto& types = attr->allowed_types;
  if (!types.empty() && std::ranges::find(types, kBfloat16) == types.end()) {
    return false;
  }
  return n.traits().alias.first >= 0 ||
         n.def().FindKernel(kCpu, NarrowAttrs(n)) != nullptr;
}

// --- Which nodes ------------------------------------------------------------

class Chooser {
 public:
  explicit Chooser(const PlanGraph& plan, std::span<Node* const> order)
      : plan_(plan), order_(order), consumers_(plan.graph) {
    for (Node* n : order) {
      const std::optional<Precision> precision = PrecisionOf(n->op());
      if (!precision) continue;
      if (*precision == Precision::kDeny || CanBeNarrow(*n)) {
        precision_[n] = *precision;
      }
    }
  }

  std::unordered_set<const Node*> Choose() {
    for (const Node* n : order_) {
      if (Is(n, Precision::kAllow)) chosen_.insert(n);
    }
    ChooseBetween();
    ChooseBefore();
    return std::move(chosen_);
  }

 private:
  bool Is(const Node* n, Precision precision) const {
    const auto it = precision_.find(n);
    return it != precision_.end() && it->second == precision;
  }

  // f(reader) for all that read n's outputs of type T, as theirs or not.
  template <class F>
  void ForReaders(const Node* n, const F& f) const {
    for (const int o : TypedBy(*n, n->def().outputs)) {
      for (const auto& [reader, input] :
           consumers_.Of({const_cast<Node*>(n), o})) {
        const std::vector<int> typed = TypedBy(*reader, reader->def().inputs);
        f(reader, std::ranges::find(typed, input) != typed.end());
      }
    }
  }

  // kInfer ops behind a kDeny op, and kClear ops through which one is seen.
  std::unordered_set<const Node*> Denied() const {
    std::unordered_set<const Node*> denied;
    for (const Node* n : order_) {
      if (Is(n, Precision::kDeny)) denied.insert(n);
      if (!Is(n, Precision::kInfer) && !Is(n, Precision::kClear)) continue;
      for (const int i : TypedBy(*n, n->def().inputs)) {
        if (denied.contains(n->input(i).node)) denied.insert(n);
      }
    }
    return denied;
  }

  void ChooseBetween() {
    const std::unordered_set<const Node*> denied = Denied();
    const auto may = [&](const Node* n) {
      return Is(n, Precision::kClear) ||
             (Is(n, Precision::kInfer) && !denied.contains(n));
    };
    std::unordered_set<const Node*> behind = chosen_, before = chosen_;
    for (const Node* n : order_) {
      if (!may(n)) continue;
      for (const int i : TypedBy(*n, n->def().inputs)) {
        if (behind.contains(n->input(i).node)) behind.insert(n);
      }
    }
    for (auto it = order_.rbegin(); it != order_.rend(); ++it) {
      if (!may(*it)) continue;
      ForReaders(*it, [&](const Node* reader, bool typed) {
        if (typed && before.contains(reader)) before.insert(*it);
      });
    }
    for (const Node* n : order_) {
      if (behind.contains(n) && before.contains(n)) chosen_.insert(n);
    }
  }

  void ChooseBefore() {
    for (auto it = order_.rbegin(); it != order_.rend(); ++it) {
      if (!Is(*it, Precision::kClear) || chosen_.contains(*it)) continue;
      bool read = false;
      bool all = std::ranges::none_of(
          plan_.fetches, [&](const Output& f) { return f.node == *it; });
      ForReaders(*it, [&](const Node* reader, bool typed) {
        read = true;
        all = all && typed && chosen_.contains(reader);
      });
      if (read && all) chosen_.insert(*it);
    }
  }

  const PlanGraph& plan_;
  std::span<Node* const> order_;
  Consumers consumers_;
  std::unordered_map<const Node*, Precision> precision_;
  std::unordered_set<const Node*> chosen_;
};

// --- Their change -----------------------------------------------------------

class Narrower {
 public:
  Narrower(PlanGraph* plan, std::unordered_set<const Node*> chosen)
      : plan_(*plan), graph_(plan->graph), chosen_(std::move(chosen)) {}

  Status Run(std::span<Node* const> order) {
    for (Node* n : order) {
      for (Node* c : std::vector<Node*>(n->control_inputs())) {
        const auto it = now_.find(c);
        if (it == now_.end()) continue;
        graph_.RemoveControlEdge(c, n);
        graph_.AddControlEdge(it->second, n);
      }
      if (chosen_.contains(n)) {
        LS_RETURN_IF_ERROR(Change(n));
        continue;
      }
      for (int i = 0; i < n->num_inputs(); ++i) {
        LS_ASSIGN_OR_RETURN(const Output in, Wide(n->input(i)));
        graph_.SetInput(n, i, in);
      }
    }
    for (Output& fetch : plan_.fetches) {
      LS_ASSIGN_OR_RETURN(fetch, Wide(fetch));
    }
    for (Node*& target : plan_.targets) {
      if (const auto it = now_.find(target); it != now_.end()) {
        target = it->second;
      }
    }
    RemoveDeadNodes(&graph_, plan_.feeds, plan_.fetches, plan_.targets);
    return Ok();
  }

 private:
  Result<Node*> Add(NodeSpec spec, const Node* beside) {
    spec.name = graph_.UniqueName(spec.name);
    spec.device = beside->requested_device();
    LS_ASSIGN_OR_RETURN(Node * added, graph_.AddNode(std::move(spec)));
    added->set_assigned_device(beside->assigned_device());
    return added;
  }

  // What `from` is now, bfloat16 where its node was changed.
  Output Now(Output from) const {
    const auto it = now_.find(from.node);
    return it == now_.end() ? from : Output{it->second, from.index};
  }

  // The same as it was before, for nodes that are not changed.
  Result<Output> Wide(Output from) {
    const Output now = Now(from);
    if (now == from || now.dtype() == from.dtype()) return now;
    Output& wide = wide_[from];
    if (!wide.defined()) {
      LS_ASSIGN_OR_RETURN(Node * cast,
                          Add({.name = from.node->name() + "/float",
                               .op = "Cast",
                               .inputs = {now},
                               .attrs = {{"DstT", kFloat}}},
                              from.node));
      wide = cast->output(0);
    }
    return wide;
  }

  // As bfloat16, for `reader`. A variable is read where the reader reads it:
  // after the updates that the reader waits for.
  Result<Output> Narrow(Output from, const Node* reader) {
    const Output now = Now(from);
    if (BaseOf(now.dtype()) != kFloat) return now;
    const std::string name = StrCat(from.node->name(), kSuffix);
    if (from.node->traits().constant) return NarrowConstant(name, from);
    std::vector<Node*> after = reader->control_inputs();
    std::ranges::sort(after, {}, &Node::id);
    Output& narrow = narrow_[{from.node->id(), from.index, after}];
    if (!narrow.defined()) {
      LS_ASSIGN_OR_RETURN(Node * cast, Add({.name = name,
                                            .op = "Cast",
                                            .inputs = {now},
                                            .control_inputs = after,
                                            .attrs = {{"DstT", kBfloat16}}},
                                           reader));
      narrow = cast->output(0);
    }
    return narrow;
  }

  Result<Output> NarrowConstant(const std::string& name, Output from) {
    Output& narrow = narrow_[{from.node->id(), from.index, {}}];
    if (narrow.defined()) return narrow;
    const Tensor& value = from.node->Attr<Tensor>("value");
    Tensor rounded(kBfloat16, value.shape());
    std::ranges::copy(value.flat<float>(), rounded.flat<BFloat16>().begin());
    LS_ASSIGN_OR_RETURN(
        Node * made,
        Add({.name = name,
             .op = "Const",
             .control_inputs = from.node->control_inputs(),
             .attrs = {{"dtype", kBfloat16}, {"value", std::move(rounded)}}},
            from.node));
    narrow = made->output(0);
    return narrow;
  }

  Status Change(Node* n) {
    NodeSpec spec{.name = StrCat(n->name(), kSuffix),
                  .op = n->op(),
                  .control_inputs = n->control_inputs(),
                  .attrs = NarrowAttrs(*n)};
    for (const Output& in : n->inputs()) spec.inputs.push_back(Now(in));
    for (const int i : TypedBy(*n, n->def().inputs)) {
      LS_ASSIGN_OR_RETURN(spec.inputs[static_cast<size_t>(i)],
                          Narrow(n->input(i), n));
    }
    LS_ASSIGN_OR_RETURN(Node * made, Add(std::move(spec), n));
    for (int i = 0; i < n->num_outputs(); ++i) {
      made->set_output_shape(i, n->output_shape(i));
    }
    now_[n] = made;
    return Ok();
  }

  PlanGraph& plan_;
  Graph& graph_;
  const std::unordered_set<const Node*> chosen_;
  std::unordered_map<const Node*, Node*> now_;
  std::unordered_map<Output, Output, OutputHash> wide_;
  std::map<std::tuple<int, int, std::vector<Node*>>, Output> narrow_;
};

}  // namespace

Status MixPrecision(PlanGraph* plan) {
  LS_ASSIGN_OR_RETURN(const std::vector<Node*> order,
                      plan->graph.TopologicalOrder());
  std::unordered_set<const Node*> chosen = Chooser(*plan, order).Choose();
  if (chosen.empty()) return Ok();
  return Narrower(plan, std::move(chosen)).Run(order);
}

}  // namespace lockstep
