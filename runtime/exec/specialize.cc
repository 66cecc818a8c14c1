// SPDX-License-Identifier: Apache-2.0
#include "runtime/exec/specialize.h"

#include <algorithm>

#include "runtime/core/denormals.h"
#include "runtime/exec/dynamic_step.h"
#include "runtime/exec/function_steps.h"
#include "runtime/graph/conditions.h"
#include "runtime/graph/control_flow.h"

namespace lockstep {
namespace {

// Results larger than this are computed in each run rather than kept.
constexpr int64_t kMaxFoldedBytes = 64 << 10;

bool IsFeed(const Node& n) { return n.op() == "_Feed"; }

// Control edges keep what depends on a condition depending on it, but from a
// Switch they do not say which side: what reads one is left as it is.
bool ReadsSwitch(const Node& n) {
  return std::ranges::any_of(
      n.inputs(), [](const Output& in) { return IsSwitch(*in.node); });
}

bool Foldable(const Node& n) {
  const OpTraits& t = n.traits();
  if (t.stateful || t.variable || t.placeholder || t.constant || IsSwitch(n) ||
      IsMerge(n) || n.num_inputs() == 0 || n.num_outputs() == 0) {
    return false;
  }
  int64_t bytes = 0;
  for (int i = 0; i < n.num_outputs(); ++i) {
    const DType dtype = n.output_type(i);
    if (IsRef(dtype) || !(IsPod(dtype) || dtype == kString)) return false;
    const int64_t elements = n.output_shape(i).NumElements();
    if (elements > kMaxFoldedBytes) return false;
    bytes +=
        std::max<int64_t>(elements, 0) * static_cast<int64_t>(DTypeSize(dtype));
  }
  if (bytes > kMaxFoldedBytes) return false;
  return std::ranges::all_of(n.inputs(), [](const Output& in) {
    return in.node->output_value(in.index).defined();
  });
}

class Specializer {
 public:
  Specializer(PlanGraph* plan, const PlanEnvironment& environment)
      : plan_(*plan), graph_(plan->graph), environment_(environment) {}

  Status Run() {
    LS_ASSIGN_OR_RETURN(std::vector<Node*> order, graph_.TopologicalOrder());
    const Conditions conditions(order);
    for (Node* n : order) {
      LS_RETURN_IF_ERROR(Visit(n, !conditions.Of(n).empty()));
    }
    for (Output& f : plan_.fetches) f = Now(f);
    return Ok();
  }

 private:
  Output Now(Output o) const {
    auto it = replaced_.find(o);
    return it == replaced_.end() ? o : it->second;
  }

  // `conditional`: it may be on a branch that is not taken.
  Status Visit(Node* n, bool conditional) {
    for (int i = 0; i < n->num_inputs(); ++i) {
      graph_.SetInput(n, i, Now(n->input(i)));
    }
    for (Node* c : std::vector<Node*>(n->control_inputs())) {
      auto it = folded_.find(c);
      if (it == folded_.end()) continue;
      graph_.RemoveControlEdge(c, n);
      for (Node* before : it->second) graph_.AddControlEdge(before, n);
    }
    if (IsFeed(*n)) return Ok();
    int identity = -1;
    const Status inferred = graph_.InferShapes(n, &identity);
    if (!inferred.ok()) {
      if (!conditional) return inferred;
      // Shapes that do not fit are an error when, and only if, the node runs.
      for (int i = 0; i < n->num_outputs(); ++i) {
        n->set_output_shape(i, Shape::Unknown());
        n->set_output_value(i, Tensor());
      }
      return Ok();
    }
    if (RunsFunctions(*n)) {
      const Status s = InferFunctionNode(n, environment_, graph_.functions());
      return s.ok() ? s
                    : s.WithContext(
                          StrCat("node '", n->name(), "' (", n->op(), ")"));
    }
    if (!environment_.options->optimize || n->traits().stateful ||
        n->traits().constant || ReadsSwitch(*n)) {
      return Ok();
    }
    if (identity >= 0 && CanForward(*n, identity)) {
      Forward(n, n->input(identity));
      return Ok();
    }
    if (AllValuesKnown(*n)) return Fold(n, Values(*n));
    if (!Foldable(*n)) return Ok();
    std::vector<Tensor> inputs;
    for (const Output& in : n->inputs()) {
      inputs.push_back(in.node->output_value(in.index));
    }
    Result<std::vector<Tensor>> values =
        EvaluateNode(*n, std::move(inputs), environment_);
    // A failing kernel fails when, and only if, the node runs.
    if (!values.ok()) return Ok();
    return Fold(n, *std::move(values));
  }

  static bool CanForward(const Node& n, int input) {
    return n.num_outputs() == 1 && n.output_type(0) == n.input(input).dtype() &&
           n.output_shape(0).IsFullyKnown() &&
           n.output_shape(0) == n.input(input).shape();
  }

  static bool AllValuesKnown(const Node& n) {
    for (int i = 0; i < n.num_outputs(); ++i) {
      if (!n.output_value(i).defined()) return false;
    }
    return n.num_outputs() > 0;
  }
  static std::vector<Tensor> Values(const Node& n) {
    std::vector<Tensor> values;
    for (int i = 0; i < n.num_outputs(); ++i) {
      values.push_back(n.output_value(i));
    }
    return values;
  }

  // What a node that waited for `n` has to wait for when `n` is gone.
  std::vector<Node*> Before(const Node* n) const {
    std::vector<Node*> before = n->control_inputs();
    for (const Output& in : n->inputs()) {
      const auto& more = in.node->control_inputs();
      if (in.node->traits().constant) {
        before.insert(before.end(), more.begin(), more.end());
      } else {
        before.push_back(in.node);
      }
    }
    return before;
  }

  void Forward(Node* n, Output to) {
    // Control edges into `n` order its reading; keep the node when it has any.
    if (!n->control_inputs().empty()) return;
    replaced_[n->output(0)] = to;
    folded_[n] = Before(n);
  }

  Status Fold(Node* n, std::vector<Tensor> values) {
    const std::vector<Node*> before = Before(n);
    for (int i = 0; i < n->num_outputs(); ++i) {
      Tensor& value = values[static_cast<size_t>(i)];
      const DType dtype = value.dtype();
      LS_ASSIGN_OR_RETURN(
          Node * constant,
          graph_.AddNode(
              {.name = graph_.UniqueName(StrCat(n->name(), "/_folded")),
               .op = "Const",
               .control_inputs = before,
               .attrs = {{"dtype", dtype}, {"value", std::move(value)}}}));
      constant->set_assigned_device(n->assigned_device());
      replaced_[n->output(i)] = {constant, 0};
    }
    folded_[n] = before;
    return Ok();
  }

  PlanGraph& plan_;
  Graph& graph_;
  const PlanEnvironment& environment_;
  std::unordered_map<Output, Output, OutputHash> replaced_;
  std::unordered_map<const Node*, std::vector<Node*>> folded_;
};

}  // namespace

Result<std::vector<Tensor>> EvaluateNode(const Node& node,
                                         std::vector<Tensor> inputs,
                                         const PlanEnvironment& environment) {
  RunInfo run;
  const KernelDef* kernel = node.def().FindKernel(kCpu, node.attrs());
  if (!kernel && node.traits().alias.first < 0) {
    return Unimplemented("op ", node.op(),
                         " has no CPU kernel for these types");
  }
  DynamicStep step(node,
                   {.device = &environment.devices->all()[0], .kernel = kernel},
                   {}, &run, environment.resources);
  const FlushDenormals flush;  // as in a run
  std::vector<Tensor> outputs(static_cast<size_t>(node.num_outputs()));
  std::vector<Tensor*> in, out;
  for (Tensor& t : inputs) in.push_back(&t);
  for (Tensor& t : outputs) out.push_back(&t);
  LS_RETURN_IF_ERROR(step.Run(in, out));
  return outputs;
}

Status Specialize(PlanGraph* plan, const PlanEnvironment& environment) {
  LS_RETURN_IF_ERROR(Specializer(plan, environment).Run());
  RemoveDeadNodes(&plan->graph, plan->feeds, plan->fetches, plan->targets);
  return Ok();
}

}  // namespace lockstep
