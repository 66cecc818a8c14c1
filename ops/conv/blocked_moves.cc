// SPDX-License-Identifier: Apache-2.0

// Rules by which ops that work on channels alike move in front of
// _FromBlocked, so that images stay in blocks of channels from convolution to
// convolution: activations, sums, pools, batch normalisations and means of
// whole images, with their gradients. See blocked_layout.cc.

#include <algorithm>
#include <unordered_set>

#include "ops/array/axes.h"
#include "ops/conv/blocked_layout.h"
#include "ops/conv/rewritten_constants.h"

namespace lockstep {
namespace {

using detail::BehindBlocks, detail::ChannelsLast, detail::IsBlocked,
    detail::MayMove, detail::ReplaceByBlocked, detail::StaysBlocked,
    detail::ToBlocked;

// Element by element; `kGradients` are read where images are that they go with.
constexpr std::string_view kElements[] = {
    "Identity", "Relu",  "Relu6", "LeakyRelu", "Elu",
    "Add",      "AddV2", "AddN",  "Sub",       "Mul"};
constexpr std::string_view kGradients[] = {"ReluGrad", "Relu6Grad",
                                           "LeakyReluGrad", "EluGrad"};
constexpr std::string_view kNorms[] = {
    "FusedBatchNorm",     "FusedBatchNormV2",     "FusedBatchNormV3",
    "FusedBatchNormGrad", "FusedBatchNormGradV2", "FusedBatchNormGradV3",
    "_BatchNorm",         "_BatchNormGrad"};
constexpr std::string_view kPools[] = {"MaxPool", "_MaxPoolIndex", "AvgPool"};
constexpr std::string_view kConvs[] = {"Conv2D", "_FusedConv2D", "_ToBlocked"};
constexpr std::string_view kOthers[] = {
    "Conv2DBackpropInput", "Conv2DBackpropFilter", "_MaxPoolIndexGrad",
    "AvgPoolGrad", "BiasAddGrad"};

template <size_t n>
bool IsOneOf(const Node& node, const std::string_view (&ops)[n]) {
  return std::ranges::find(ops, node.op()) != std::end(ops);
}

// Hands its image on.
bool Passes(const Node& n) {
  return IsOneOf(n, kElements) || IsOneOf(n, kGradients) || IsOneOf(n, kNorms);
}
// One number for each channel of an image.
bool IsMeanOfPixels(const Node& n) {
  if (n.op() != "Mean" || n.input(0).shape().rank() != 4) return false;
  const Output by = n.input(1);
  const Tensor& axes = by.node->output_value(by.index);
  if (!axes.defined()) return false;
  const auto numbers = ToInt64s(axes);
  const auto set = numbers.ok() ? ResolveAxes(*numbers, 4) : numbers.status();
  return set.ok() && *set == AxisSet(0b0110);
}
bool UsesBlocks(const Node& n) {
  return IsOneOf(n, kConvs) || IsOneOf(n, kPools);
}
bool ReadsBlocks(const Node& n) {
  return (Passes(n) || UsesBlocks(n) || IsOneOf(n, kOthers)) && ChannelsLast(n);
}

}  // namespace

namespace detail {

bool IsBlocked(Output image) { return image.node->op() == "_FromBlocked"; }
Output BehindBlocks(Output image) { return image.node->input(0); }

bool ChannelsLast(const Node& n) {
  const auto* format = GetIf<std::string>(n.attrs(), "data_format");
  return format == nullptr || *format == "NHWC";
}

Result<Output> ToBlocked(RewriteContext& c, Output image) {
  if (IsBlocked(image)) return BehindBlocks(image);
  LS_ASSIGN_OR_RETURN(
      Node * n, c.Add(image.node->name() + "/blocked", "_ToBlocked", {image},
                      {{"T", image.dtype()}}));
  return n->output(0);
}

Status ReplaceByBlocked(RewriteContext& c, Output from, Output blocked) {
  LS_ASSIGN_OR_RETURN(
      Node * n,
      c.Add(from.node->name() + "/unblocked", "_FromBlocked", {blocked},
            {{"T", from.dtype()}, {"shape", from.shape()}}));
  c.Replace(from, n->output(0), blocked.node);
  return Ok();
}

bool MayMove(RewriteContext& c) {
  const Node& n = *c.node();
  return ChannelsLast(n) && !c.IsFed(&n);
}

bool AllReadBlocks(RewriteContext& c, Output image) {
  const auto& readers = c.consumers().Of(image);
  return !readers.empty() && !c.IsFetched(image) &&
         std::ranges::all_of(readers, [](const auto& reader) {
           return ReadsBlocks(*reader.first);
         });
}

bool StaysBlocked(RewriteContext& c, Output image) {
  if (!AllReadBlocks(c, image)) return false;
  std::unordered_set<const Node*> seen;
  std::vector<Output> left = {image};
  while (!left.empty()) {
    const Output at = left.back();
    left.pop_back();
    for (const auto& [reader, input] : c.consumers().Of(at)) {
      if (UsesBlocks(*reader) && ChannelsLast(*reader)) return true;
      if (Passes(*reader) && seen.insert(reader).second) {
        left.push_back(reader->output(0));
      }
    }
  }
  return false;
}

}  // namespace detail

namespace {

Result<bool> MeetBlocks(RewriteContext& c) {
  Node* to = c.node();
  if (!IsBlocked(to->input(0)) || c.IsFed(to->input(0).node)) return false;
  c.Replace(to->output(0), BehindBlocks(to->input(0)));
  return true;
}
LOCKSTEP_LATE_REWRITE("_ToBlocked", MeetBlocks);

// How many of a node's first inputs and outputs are images.
struct Images {
  int inputs, outputs;

  static Images All(const Node& n) { return {n.num_inputs(), n.num_outputs()}; }
};

// The same op on blocks of its images, which are of the same channels.
Result<bool> MoveBeforeBlocks(RewriteContext& c, AttrMap attrs,
                              const Images& images) {
  Node* n = c.node();
  if (!MayMove(c)) return false;
  bool any = false;
  for (int i = 0; i < images.inputs; ++i) {
    const Output in = n->input(i);
    if (!detail::CanBeBlocked(in.shape()) ||
        in.shape().dim(3) != n->input(0).shape().dim(3)) {
      return false;
    }
    any = any || IsBlocked(in);
  }
  for (int i = 0; i < images.outputs; ++i) {
    if (!detail::CanBeBlocked(n->output_shape(i))) return false;
  }
  if (!any) return false;
  std::vector<Output> inputs(n->inputs().begin(), n->inputs().end());
  for (int i = 0; i < images.inputs; ++i) {
    Output& in = inputs[static_cast<size_t>(i)];
    LS_ASSIGN_OR_RETURN(in, ToBlocked(c, in));
  }
  LS_ASSIGN_OR_RETURN(Node * moved, c.Add(n->name() + "/blocked", n->op(),
                                          std::move(inputs), std::move(attrs)));
  for (int i = 0; i < images.outputs; ++i) {
    LS_RETURN_IF_ERROR(ReplaceByBlocked(c, n->output(i), moved->output(i)));
  }
  for (int i = images.outputs; i < n->num_outputs(); ++i) {
    c.Replace(n->output(i), moved->output(i));
  }
  return true;
}
Result<bool> MoveBeforeBlocks(RewriteContext& c, AttrMap attrs) {
  return MoveBeforeBlocks(c, std::move(attrs), Images::All(*c.node()));
}

// --- Element by element -----------------------------------------------------

// Floats of one shape.
bool AreAlike(const Node& n) {
  return n.output_type(0) == kFloat &&
         std::ranges::all_of(n.inputs(), [&](const Output& in) {
           return in.shape() == n.output_shape(0);
         });
}

Result<bool> MoveGradient(RewriteContext& c) {
  return AreAlike(*c.node()) ? MoveBeforeBlocks(c, c.node()->attrs())
                             : Result<bool>(false);
}

// Not to read more operands into blocks than results out of them.
Result<bool> MoveElements(RewriteContext& c) {
  Node* n = c.node();
  // Before the walk of StaysBlocked, which ops that see no image need not take.
  if (std::ranges::none_of(n->inputs(), IsBlocked)) return false;
  return std::ranges::all_of(n->inputs(), IsBlocked) ||
                 StaysBlocked(c, n->output(0))
             ? MoveGradient(c)
             : Result<bool>(false);
}

[[maybe_unused]] const bool kRegistered = [] {
  for (const std::string_view op : kGradients) {
    RewriteRegistrar(op, MoveGradient, RewritePhase::kLate);
  }
  for (const std::string_view op : kElements) {
    RewriteRegistrar(op, MoveElements, RewritePhase::kLate);
  }
  return true;
}();

// --- Batch normalisation ----------------------------------------------------

Result<bool> MoveNorm(RewriteContext& c) {
  const Node* n = c.node();
  if (n->Attr<Shape>("shape").HasRank()) return false;  // moved
  AttrMap attrs = n->attrs();
  attrs["shape"] = n->output_shape(0);
  return MoveBeforeBlocks(
      c, std::move(attrs),
      {.inputs = n->op() == "_BatchNorm" ? 1 : 2, .outputs = 1});
}
LOCKSTEP_LATE_REWRITE("_BatchNorm", MoveNorm);
LOCKSTEP_LATE_REWRITE("_BatchNormGrad", MoveNorm);

// --- Pools ------------------------------------------------------------------

// Windows do not reach over images or channels.
bool PoolsPixels(const Node& n) {
  const auto& size = n.Attr<std::vector<int64_t>>("ksize");
  const auto& stride = n.Attr<std::vector<int64_t>>("strides");
  return size.size() == 4 && stride.size() == 4 && size[3] == 1 &&
         stride[3] == 1 && size[0] == 1 && stride[0] == 1;
}

Result<bool> MovePool(RewriteContext& c) {
  const Node* n = c.node();
  if (n->output_type(0) != kFloat || !PoolsPixels(*n)) return false;
  return MoveBeforeBlocks(c, n->attrs());
}
LOCKSTEP_LATE_REWRITE("MaxPool", MovePool);
LOCKSTEP_LATE_REWRITE("_MaxPoolIndex", MovePool);

Result<bool> MovePoolGrad(RewriteContext& c) {
  const Node* n = c.node();
  if (!PoolsPixels(*n)) return false;
  AttrMap attrs = n->attrs();
  const Shape& image = n->output_shape(0);
  if (!detail::CanBeBlocked(image)) return false;
  attrs["shape"] = detail::BlockedShape(image);
  return MoveBeforeBlocks(c, std::move(attrs));
}
LOCKSTEP_LATE_REWRITE("_MaxPoolIndexGrad", MovePoolGrad);
LOCKSTEP_LATE_REWRITE("AvgPool", MovePool);

// Of inputs the image's shape and the pooled gradient.
Result<bool> MoveAvgPoolGrad(RewriteContext& c) {
  Node* n = c.node();
  const Shape image = n->output_shape(0);
  const Output dy = n->input(1);
  if (dy.dtype() != kFloat || !IsBlocked(dy) || !MayMove(c) ||
      !PoolsPixels(*n) || !detail::CanBeBlocked(image)) {
    return false;
  }
  LS_ASSIGN_OR_RETURN(const Output dims,
                      detail::AddDims(c, detail::BlockedShape(image), kInt32));
  LS_ASSIGN_OR_RETURN(Node * moved,
                      c.Add(n->name() + "/blocked", n->op(),
                            {dims, BehindBlocks(dy)}, n->attrs()));
  LS_RETURN_IF_ERROR(ReplaceByBlocked(c, n->output(0), moved->output(0)));
  return true;
}
LOCKSTEP_LATE_REWRITE("AvgPoolGrad", MoveAvgPoolGrad);

// Means of blocks, [N C/16, 16], are those of the image, [N, C], in memory.
Result<bool> MoveMean(RewriteContext& c) {
  Node* n = c.node();
  const Output x = n->input(0);
  if (x.dtype() != kFloat || !IsBlocked(x) || !MayMove(c) ||
      !IsMeanOfPixels(*n)) {
    return false;
  }
  LS_ASSIGN_OR_RETURN(Node * mean,
                      c.Add(n->name() + "/blocked", "Mean",
                            {BehindBlocks(x), n->input(1)}, n->attrs()));
  LS_ASSIGN_OR_RETURN(const Output dims,
                      detail::AddDims(c, n->output_shape(0), kInt64));
  LS_ASSIGN_OR_RETURN(Node * reshape, c.Add(n->name() + "/reshape", "Reshape",
                                            {mean->output(0), dims}));
  c.Replace(n->output(0), reshape->output(0));
  return true;
}
LOCKSTEP_LATE_REWRITE("Mean", MoveMean);

}  // namespace
}  // namespace lockstep
