// SPDX-License-Identifier: Apache-2.0
#include "ops/dnnl/fuse_epilogue.h"

#include "ops/dnnl/dnnl.h"

namespace lockstep::detail {

Node* ProducerToJoin(RewriteContext& c, Output result, const EpilogueOps& ops) {
  Node* made = c.Producer(result, ops.plain);
  if (!made) made = c.Producer(result, ops.fused);
  if (!made || !c.OnlyUse(result) || c.IsFed(c.node())) return nullptr;
  const DType type = BaseOf(made->input(0).dtype());
  const bool fast = type == kFloat || (type == kBfloat16 && DnnlHasBfloat16());
  return fast && GetOr<std::string>(made->attrs(), "activation", "").empty()
             ? made
             : nullptr;
}

Result<bool> JoinEpilogue(RewriteContext& c, const EpilogueOps& ops,
                          const Node& producer, std::vector<Output> inputs,
                          AttrMap changed) {
  Node* n = c.node();
  AttrMap attrs = std::move(changed);
  attrs.merge(ops.attrs(producer));
  attrs["num_args"] = static_cast<int64_t>(inputs.size()) - 2;
  attrs["Tout"] = n->output_type(0);
  LS_ASSIGN_OR_RETURN(Node * fused, c.Add(n->name() + "/fused", ops.fused,
                                          std::move(inputs), std::move(attrs)));
  c.Replace(n->output(0), fused->output(0));
  return true;
}

Result<bool> JoinActivation(RewriteContext& c, const EpilogueOps& ops,
                            const Node& producer) {
  AttrMap attrs = {{"activation", c.node()->op()}};
  if (const auto* alpha = GetIf<float>(c.node()->attrs(), "alpha")) {
    attrs["alpha"] = *alpha;
  }
  return JoinEpilogue(c, ops, producer, producer.inputs(), std::move(attrs));
}

// A result of BFloat16 that is read as float is never rounded.
Result<bool> FuseCastInto(RewriteContext& c, const EpilogueOps& ops) {
  if (c.node()->output_type(0) != kFloat) return false;
  const Node* made = ProducerToJoin(c, c.node()->input(0), ops);
  if (!made || made->num_inputs() != 2 || made->output_type(0) != kBfloat16) {
    return false;
  }
  return JoinEpilogue(c, ops, *made, made->inputs(), {});
}

}  // namespace lockstep::detail
