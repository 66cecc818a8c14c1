// SPDX-License-Identifier: Apache-2.0
#include "runtime/graph/gradients.h"

#include <unordered_map>
#include <unordered_set>

#include "runtime/device/device_name.h"
#include "runtime/graph/placer_kernels.h"

namespace lockstep {
namespace {

// A handle stands for its variable: reads of it add up to one gradient.
bool Differentiable(DType t) {
  return IsFloating(t) || IsComplex(t) || t == kResource;
}

// Nodes that compute something of a y from an x.
std::unordered_set<const Node*> NodesBetween(const std::vector<Node*>& order,
                                             const std::vector<Output>& ys,
                                             const std::vector<Output>& xs) {
  std::unordered_set<const Node*> is_x, below_x, above_y, both;
  for (const Output& x : xs) is_x.insert(x.node);
  for (const Node* n : order) {
    for (const Output& in : n->inputs()) {
      if (is_x.contains(in.node) || below_x.contains(in.node)) {
        below_x.insert(n);
      }
    }
  }
  for (const Output& y : ys) above_y.insert(y.node);
  for (auto it = order.rbegin(); it != order.rend(); ++it) {
    if (!above_y.contains(*it)) continue;
    if (below_x.contains(*it)) both.insert(*it);
    for (const Output& in : (*it)->inputs()) above_y.insert(in.node);
  }
  return both;
}

// Gradients are computed where the forward op is asked to be.
Scope Beside(const Scope& scope, const Node* node) {
  const std::string& device = node->requested_device();
  return device.empty() ? scope : scope.WithDevice("").WithDevice(device);
}

// What a rule needs besides, such as sums of sizes, nobody asked to be on a
// GPU: where it has no kernel it stays on the task alone.
void DropMissingKernels(const Graph& graph, int first_id) {
  for (Node* n : graph.nodes()) {
    if (n->id() < first_id || n->requested_device().empty()) continue;
    Result<DeviceName> device = DeviceName::Parse(n->requested_device());
    if (!device.ok() || device->type != "GPU" ||
        (KernelKinds(*n) & KindBit(kGpu))) {
      continue;
    }
    device->type.reset();
    device->index.reset();
    n->set_requested_device(device->ToString());
  }
}

// The gradients that have arrived for each output, summed on demand.
class Accumulator {
 public:
  explicit Accumulator(const Scope& scope) : scope_(scope) {}

  void Add(Output of, Output gradient) {
    if (gradient.defined()) parts_[of].push_back(gradient);
  }
  Output Total(Output of) {
    auto it = parts_.find(of);
    if (it == parts_.end() || it->second.empty()) return {};
    std::vector<Output>& parts = it->second;
    if (parts.size() > 1) {
      const Output sum = Beside(scope_, of.node).Op("AddN").In(parts).Out();
      parts = {sum};
    }
    return parts[0];
  }

 private:
  const Scope& scope_;
  std::unordered_map<Output, std::vector<Output>, OutputHash> parts_;
};

Status Differentiate(const Scope& scope, Node* node, Accumulator& gradients) {
  std::vector<Output> dys;
  bool any = false;
  for (int i = 0; i < node->num_outputs(); ++i) {
    dys.push_back(Differentiable(BaseOf(node->output_type(i)))
                      ? gradients.Total(node->output(i))
                      : Output{});
    any = any || dys.back().defined();
  }
  if (!any || node->num_inputs() == 0 || node->def().no_gradient) return Ok();
  if (!node->def().gradient) {
    return Unimplemented("node '", node->name(), "': op ", node->op(),
                         " has no gradient");
  }
  const size_t slash = node->name().rfind('/');
  const std::string leaf = slash == std::string::npos
                               ? node->name()
                               : node->name().substr(slash + 1);
  Scope inner = Beside(scope.SubScope(leaf + "_grad"), node);
  GradContext context(inner, node, std::move(dys));
  Status s = node->def().gradient(context);
  if (!s.ok()) {
    return s.WithContext(StrCat("gradient of node '", node->name(), "'"));
  }
  for (int i = 0; i < node->num_inputs(); ++i) {
    const Output dx = context.dxs()[static_cast<size_t>(i)];
    if (dx.defined() && Differentiable(BaseOf(node->input(i).dtype()))) {
      gradients.Add(node->input(i), dx);
    }
  }
  return Ok();
}

}  // namespace

Output GradContext::dy(int i) {
  Output& dy = dys_[static_cast<size_t>(i)];
  if (!dy.defined()) dy = scope_.Op("ZerosLike").In(y(i)).Out();
  return dy;
}

Status AddGradients(const Scope& scope, const std::vector<Output>& ys,
                    const std::vector<Output>& xs, std::vector<Output>* dxs,
                    const std::vector<Output>& dys) {
  LS_RETURN_IF_ERROR(scope.status());
  if (!dys.empty() && dys.size() != ys.size()) {
    return InvalidArgument("gradients of ", ys.size(),
                           " outputs need as many "
                           "initial gradients, got ",
                           dys.size());
  }
  for (const std::vector<Output>* list : {&ys, &xs, &dys}) {
    for (const Output& o : *list) {
      if (!o.defined())
        return InvalidArgument("gradients of an undefined output");
    }
  }
  LS_ASSIGN_OR_RETURN(std::vector<Node*> order,
                      scope.graph()->TopologicalOrder());
  const int first = scope.graph()->max_id();
  const auto between = NodesBetween(order, ys, xs);
  const Scope inner = scope.SubScope("gradients");
  Accumulator gradients(inner);
  for (size_t i = 0; i < ys.size(); ++i) {
    gradients.Add(ys[i],
                  dys.empty()
                      ? Beside(inner, ys[i].node).Op("OnesLike").In(ys[i]).Out()
                      : dys[i]);
  }
  for (auto it = order.rbegin(); it != order.rend(); ++it) {
    if (between.contains(*it)) {
      LS_RETURN_IF_ERROR(Differentiate(inner, *it, gradients));
    }
  }
  dxs->clear();
  for (const Output& x : xs) dxs->push_back(gradients.Total(x));
  DropMissingKernels(*scope.graph(), first);
  return scope.status();
}

Output SumToShapeOf(const Scope& scope, Output dy, Output x, Output other,
                    bool x_is_first) {
  if (x.shape().IsFullyKnown() && x.shape() == dy.shape()) return dy;
  const Output shape = scope.Op("Shape").In(x).Out();
  const Output other_shape = scope.Op("Shape").In(other).Out();
  Node* args = scope.Op("BroadcastGradientArgs")
                   .In(x_is_first ? shape : other_shape)
                   .In(x_is_first ? other_shape : shape)
                   .Build();
  if (!args) return {};
  const Output axes{args, x_is_first ? 0 : 1};
  const Output sum = scope.Op("Sum").In(dy).In(axes).Out();
  return scope.Op("Reshape").In(sum).In(shape).Out();
}

}  // namespace lockstep
