// SPDX-License-Identifier: Apache-2.0
#pragma once

// Reverse-mode differentiation of a graph: adds nodes that compute
// d(sum of ys)/dx for each x, by the ops' own gradient rules.
//
//   std::vector<Output> dw;
//   LS_RETURN_IF_ERROR(AddGradients(scope, {loss}, {w1, w2}, &dw));

#include <vector>

#include "runtime/graph/builder.h"

namespace lockstep {

// The nodes go under `scope` ("gradients/<node>_grad/..."), on the devices of
// their forward nodes. (*dxs)[i] is undefined when no y depends on xs[i]. `dys`
// are the ys' gradients; ones when not given. UNIMPLEMENTED naming the node
// when an op on the path has no gradient.
Status AddGradients(const Scope& scope, const std::vector<Output>& ys,
                    const std::vector<Output>& xs, std::vector<Output>* dxs,
                    const std::vector<Output>& dys = {});

// What a gradient rule sees: the forward node, the gradients of its outputs,
// and a scope for the nodes it adds.
//
//   Status ReluGradient(GradContext& g) {
//     return g.SetDx(0, g.scope().Op("ReluGrad").In(g.dy(0)).In(g.y(0)).Out());
//   }
class GradContext {
 public:
  GradContext(const Scope& scope, Node* node, std::vector<Output> dys)
      : scope_(scope),
        node_(node),
        dys_(std::move(dys)),
        dxs_(node->inputs().size()) {}

  const Scope& scope() const { return scope_; }
  Node* node() const { return node_; }
  Output x(int i) const { return node_->input(i); }
  Output y(int i) const { return node_->output(i); }
  int num_inputs() const { return node_->num_inputs(); }
  int num_outputs() const { return node_->num_outputs(); }
  // Whether output i has a gradient at all.
  bool has_dy(int i) const { return dys_[static_cast<size_t>(i)].defined(); }
  // The gradient of output i; zeros of its shape when nothing depends on it.
  Output dy(int i);
  template <class T>
  const T& Attr(std::string_view name) const {
    return node_->Attr<T>(name);
  }
  // Inputs left unset have no gradient. Returns the scope's status.
  Status SetDx(int i, Output dx) {
    dxs_[static_cast<size_t>(i)] = dx;
    return scope_.status();
  }
  const std::vector<Output>& dxs() const { return dxs_; }

 private:
  const Scope& scope_;
  Node* node_;
  std::vector<Output> dys_;
  std::vector<Output> dxs_;
};

// For rules of broadcasting ops: `dy`, shaped like the broadcast result, summed
// back to the shape of input `x`, whose partner is `other`. Adds nothing when
// the shapes are known to be equal; else Sum and Reshape by
// BroadcastGradientArgs, as TensorFlow does.
Output SumToShapeOf(const Scope& scope, Output dy, Output x, Output other,
                    bool x_is_first);

}  // namespace lockstep
