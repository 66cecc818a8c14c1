// SPDX-License-Identifier: Apache-2.0

// Rules by which depthwise convolutions of floats become convolutions in
// groups of one channel, whose filters lie the same in memory ([h,w,C,M] and
// [h,w,1,C M]): they take in biases, activations and constant normalisations,
// and stay in blocks of channels, as those do.
//
// Gradients late, when the exchange of gradients has seen the graph.

#include "ops/conv/conv_attrs.h"
#include "ops/conv/rewritten_constants.h"

namespace lockstep {
namespace {

using detail::AddConstant, detail::AddDims;

Shape GroupedFilter(const Shape& f) {
  return Shape{f.dim(0), f.dim(1), 1, f.dim(2) * f.dim(3)};
}

bool CanBeGrouped(const RewriteContext& c, const Shape& filter) {
  return !c.IsFed(c.node()) && c.node()->output_type(0) == kFloat &&
         filter.rank() == 4 && filter.IsFullyKnown() &&
         filter.NumElements() > 0;
}

Result<Output> Reshaped(RewriteContext& c, Output x, const Shape& shape) {
  LS_ASSIGN_OR_RETURN(const Output dims, AddDims(c, shape, kInt32));
  LS_ASSIGN_OR_RETURN(
      Node * n, c.Add(c.node()->name() + "/reshape", "Reshape", {x, dims}));
  return n->output(0);
}

// A constant stays one, for the rules that look for them.
Result<Output> Grouped(RewriteContext& c, Output filter) {
  const Shape shape = GroupedFilter(filter.shape());
  if (filter.node->traits().constant && !c.IsFed(filter.node)) {
    LS_ASSIGN_OR_RETURN(Tensor value,
                        filter.node->Attr<Tensor>("value").Reshaped(shape));
    return AddConstant(c, "/filter", std::move(value));
  }
  return Reshaped(c, filter, shape);
}

Result<Output> AddConv(RewriteContext& c, const std::string& op,
                       std::vector<Output> inputs) {
  AttrMap attrs;
  CopyAttrs(*c.node(), kConvWindowAttrs, &attrs);
  LS_ASSIGN_OR_RETURN(Node * conv, c.Add(c.node()->name() + "/grouped", op,
                                         std::move(inputs), std::move(attrs)));
  return conv->output(0);
}

Result<bool> GroupForward(RewriteContext& c) {
  const Node* n = c.node();
  if (!CanBeGrouped(c, n->input(1).shape())) return false;
  LS_ASSIGN_OR_RETURN(const Output filter, Grouped(c, n->input(1)));
  LS_ASSIGN_OR_RETURN(const Output y,
                      AddConv(c, "Conv2D", {n->input(0), filter}));
  c.Replace(c.node()->output(0), y);
  return true;
}
LOCKSTEP_REWRITE("DepthwiseConv2dNative", GroupForward);

Result<bool> GroupInputGradient(RewriteContext& c) {
  const Node* n = c.node();
  if (!CanBeGrouped(c, n->input(1).shape())) return false;
  LS_ASSIGN_OR_RETURN(const Output filter, Grouped(c, n->input(1)));
  LS_ASSIGN_OR_RETURN(
      const Output dx,
      AddConv(c, "Conv2DBackpropInput", {n->input(0), filter, n->input(2)}));
  c.Replace(c.node()->output(0), dx);
  return true;
}
LOCKSTEP_LATE_REWRITE("DepthwiseConv2dNativeBackpropInput", GroupInputGradient);

Result<bool> GroupFilterGradient(RewriteContext& c) {
  const Node* n = c.node();
  const Shape filter = n->output_shape(0);
  if (!CanBeGrouped(c, filter)) return false;
  LS_ASSIGN_OR_RETURN(const Output sizes,
                      AddDims(c, GroupedFilter(filter), kInt32));
  LS_ASSIGN_OR_RETURN(
      const Output df,
      AddConv(c, "Conv2DBackpropFilter", {n->input(0), sizes, n->input(2)}));
  LS_ASSIGN_OR_RETURN(const Output reshaped, Reshaped(c, df, filter));
  c.Replace(c.node()->output(0), reshaped);
  return true;
}
LOCKSTEP_LATE_REWRITE("DepthwiseConv2dNativeBackpropFilter",
                      GroupFilterGradient);

}  // namespace
}  // namespace lockstep
