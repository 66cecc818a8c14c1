// SPDX-License-Identifier: Apache-2.0
#include "runtime/graph/passes/inline_calls.h"

#include <algorithm>

#include "runtime/graph/backward_function.h"
#include "runtime/graph/control_flow.h"
#include "runtime/graph/copy_nodes.h"
#include "runtime/graph/function.h"

namespace lockstep {
namespace {

constexpr int kMaxDepth = 200;

Status CheckCall(const Node& call, const Function& f) {
  if (f.args.size() != call.inputs().size()) {
    return InvalidArgument("node '", call.name(), "' calls function '", f.name,
                           "' with ", call.num_inputs(), " arguments, it has ",
                           f.args.size());
  }
  for (size_t i = 0; i < f.args.size(); ++i) {
    const DType got = BaseOf(call.inputs()[i].dtype());
    if (got != BaseOf(f.arg_type(i))) {
      return InvalidArgument("node '", call.name(), "' calls function '",
                             f.name, "' with ", DTypeName(got),
                             " for argument ", i, ", a ",
                             DTypeName(f.arg_type(i)));
    }
  }
  if (static_cast<int>(f.results.size()) != call.num_outputs()) {
    return InvalidArgument("node '", call.name(), "' has ", call.num_outputs(),
                           " outputs, function '", f.name, "' gives ",
                           f.results.size());
  }
  return Ok();
}

class Inliner {
 public:
  explicit Inliner(PlanGraph* plan) : plan_(*plan), graph_(plan->graph) {}

  Status Run() {
    std::vector<Node*> calls;
    for (Node* n : graph_.nodes()) {
      if (IsCall(*n)) calls.push_back(n);
    }
    while (!calls.empty()) {
      Node* call = calls.back();
      calls.pop_back();
      LS_RETURN_IF_ERROR(Inline(call, &calls));
    }
    return Ok();
  }

 private:
  Status Inline(Node* call, std::vector<Node*>* calls) {
    LS_ASSIGN_OR_RETURN(const std::shared_ptr<const Function> f, Called(*call));
    LS_RETURN_IF_ERROR(CheckCall(*call, *f));
    const int depth = depth_[call];
    if (depth > kMaxDepth) {
      return InvalidArgument("function '", f->name, "' calls itself: calls ",
                             "nest deeper than ", kMaxDepth);
    }
    NodeCopier copier(&graph_, {.prefix = call->name() + "/",
                                .device = call->requested_device()});
    for (size_t i = 0; i < f->args.size(); ++i) {
      copier.Map(f->args[i]->output(0), call->inputs()[i]);
      copier.MapControl(f->args[i], call->inputs()[i].node);
    }
    const std::vector<Node*> body = f->body.nodes();
    LS_RETURN_IF_ERROR(copier.Copy(body));
    LS_RETURN_IF_ERROR(Begin(call, *f, copier));
    for (Node* n : body) {
      Node* copy = copier.NodeNow(n);
      if (IsArg(*n) || !copy || !IsCall(*copy)) continue;
      depth_[copy] = depth + 1;
      calls->push_back(copy);
    }
    return End(call, *f, copier);
  }

  Result<std::shared_ptr<const Function>> Called(const Node& call) {
    std::string name = call.Attr<FunctionRef>("f").name;
    if (!graph_.functions()) {
      return NotFound("node '", call.name(), "' calls function '", name,
                      "', the graph has no functions");
    }
    if (IsGradientCall(call)) {
      Result<std::string> gradient = GradientFunction(name, &graph_);
      if (!gradient.ok()) {
        return gradient.status().WithContext(
            StrCat("node '", call.name(), "'"));
      }
      name = *gradient;
    }
    return graph_.functions()->Get(name);
  }

  // What the call waits for comes before everything that its arguments do not
  // bring in order.
  Status Begin(Node* call, const Function& f, const NodeCopier& copier) {
    if (call->control_inputs().empty()) return Ok();
    LS_ASSIGN_OR_RETURN(
        Node * begin,
        graph_.AddNode({.name = graph_.UniqueName(call->name() + "/_begin"),
                        .op = "NoOp",
                        .control_inputs = call->control_inputs()}));
    for (const Node* n : f.body.nodes()) {
      if (IsArg(*n)) continue;
      Node* copy = copier.NodeNow(n);
      if (copy->num_inputs() == 0 || copy->traits().stateful) {
        graph_.AddControlEdge(begin, copy);
      }
    }
    return Ok();
  }

  Status End(Node* call, const Function& f, const NodeCopier& copier) {
    std::vector<Node*> effects;
    for (Node* n : f.Effects()) effects.push_back(copier.NodeNow(n));
    LS_ASSIGN_OR_RETURN(
        Node * end,
        graph_.AddNode({.name = graph_.UniqueName(call->name() + "/_end"),
                        .op = "NoOp",
                        .control_inputs = effects}));
    for (size_t i = 0; i < f.results.size(); ++i) {
      Output result = copier.Now(f.results[i]);
      if (!effects.empty() && !IsHandle(result.dtype())) {
        LS_ASSIGN_OR_RETURN(
            Node * identity,
            graph_.AddNode({.name = graph_.UniqueName(call->name()),
                            .op = "Identity",
                            .inputs = {result},
                            .control_inputs = effects}));
        result = identity->output(0);
      }
      graph_.AddControlEdge(result.node, end);
      const Output old = call->output(static_cast<int>(i));
      graph_.ReplaceUses(old, result);
      for (Output& fetch : plan_.fetches) {
        if (fetch == old) fetch = result;
      }
    }
    for (Node* n : graph_.nodes()) {
      const auto& waits = n->control_inputs();
      if (std::find(waits.begin(), waits.end(), call) == waits.end()) continue;
      graph_.RemoveControlEdge(call, n);
      graph_.AddControlEdge(end, n);
    }
    for (Node*& target : plan_.targets) {
      if (target == call) target = end;
    }
    depth_.erase(call);
    graph_.RemoveNode(call);
    return Ok();
  }

  PlanGraph& plan_;
  Graph& graph_;
  std::unordered_map<const Node*, int> depth_;
};

}  // namespace

Status InlineCalls(PlanGraph* plan) { return Inliner(plan).Run(); }

}  // namespace lockstep
