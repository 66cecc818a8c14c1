// SPDX-License-Identifier: Apache-2.0

// Rules that make batch normalisations of floats on CPUs _BatchNorm and
// _BatchNormGrad, which may write over their operand, take in the activation
// that follows and work on images in blocks of channels
// (ops/conv/blocked_moves.cc).

#include "ops/nn/channels.h"
#include "runtime/graph/passes/rewrite.h"

namespace lockstep {
namespace {

// Of version 1 all are of type T.
bool IsFloat(const Node& n) {
  return n.Attr<DType>("T") == kFloat &&
         GetOr(n.attrs(), "U", kFloat) == kFloat;
}

Result<bool> MakeNorm(RewriteContext& c) {
  Node* n = c.node();
  if (!IsFloat(*n) || c.IsFed(n)) return false;
  AttrMap attrs;
  for (const char* name :
       {"epsilon", "exponential_avg_factor", "data_format", "is_training"}) {
    attrs[name] = n->attrs().find(name)->second;
  }
  LS_ASSIGN_OR_RETURN(Node * norm, c.Add(n->name() + "/cpu", "_BatchNorm",
                                         n->inputs(), std::move(attrs)));
  for (int i = 0; i < n->num_outputs(); ++i) {
    c.Replace(n->output(i), norm->output(i));
  }
  c.ReplaceNode(n, norm);
  return true;
}
LOCKSTEP_LATE_REWRITE("FusedBatchNorm", MakeNorm);
LOCKSTEP_LATE_REWRITE("FusedBatchNormV2", MakeNorm);
LOCKSTEP_LATE_REWRITE("FusedBatchNormV3", MakeNorm);

Result<bool> MakeNormGrad(RewriteContext& c) {
  Node* n = c.node();
  if (!IsFloat(*n) || c.IsFed(n)) return false;
  for (const int unused : {3, 4}) {
    const Output out = n->output(unused);
    if (!c.consumers().Of(out).empty() || c.IsFetched(out)) return false;
  }
  AttrMap attrs;
  for (const char* name : {"epsilon", "data_format", "is_training"}) {
    attrs[name] = n->attrs().find(name)->second;
  }
  LS_ASSIGN_OR_RETURN(Node * grad, c.Add(n->name() + "/cpu", "_BatchNormGrad",
                                         {n->input(0), n->input(1), n->input(2),
                                          n->input(3), n->input(4)},
                                         std::move(attrs)));
  for (int i = 0; i < 3; ++i) c.Replace(n->output(i), grad->output(i));
  c.ReplaceNode(n, grad);
  return true;
}
LOCKSTEP_LATE_REWRITE("FusedBatchNormGrad", MakeNormGrad);
LOCKSTEP_LATE_REWRITE("FusedBatchNormGradV2", MakeNormGrad);
LOCKSTEP_LATE_REWRITE("FusedBatchNormGradV3", MakeNormGrad);

Result<bool> TakeInActivation(RewriteContext& c) {
  Node* n = c.node();
  Node* norm = c.Producer(n->input(0), "_BatchNorm");
  // What the activation waits for may itself wait for the moments.
  if (norm == nullptr || n->input(0).index != 0 || !c.OnlyUse(n->input(0)) ||
      c.IsFed(n) || !n->control_inputs().empty() ||
      !norm->Attr<std::string>("activation").empty()) {
    return false;
  }
  AttrMap attrs = norm->attrs();
  attrs["activation"] = n->op();
  LS_ASSIGN_OR_RETURN(Node * both, c.Add(n->name() + "/norm", "_BatchNorm",
                                         norm->inputs(), std::move(attrs)));
  c.Replace(n->output(0), both->output(0));
  for (int i = 1; i < norm->num_outputs(); ++i) {
    c.Replace(norm->output(i), both->output(i));
  }
  c.ReplaceNode(norm, both);
  return true;
}
LOCKSTEP_LATE_REWRITE("Relu", TakeInActivation);
LOCKSTEP_LATE_REWRITE("Relu6", TakeInActivation);

}  // namespace
}  // namespace lockstep
