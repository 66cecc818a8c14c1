// SPDX-License-Identifier: Apache-2.0

// Rules that keep images in blocks of 16 channels between convolutions. A
// convolution becomes _FromBlocked(_BlockedConv2D(_ToBlocked(x), ..)); what
// works on channels alike moves in front of _FromBlocked; and the pairs
// _ToBlocked(_FromBlocked(x)) that meet go. What is left at the ends of such a
// chain is read and written once more, which its convolutions make up for:
// their direct kernels are a tenth faster on blocks, and Winograd's, a third
// faster, know nothing else.
//
// Late rules: the exchange of gradients sees the graph as it was, and filters
// and their gradients stay as they were. Whether Winograd's transforms are
// used depends on sizes alone, not on a measurement, so that a program gives
// the same bits in every run.

#include <unordered_set>

#include "ops/conv/blocked.h"
#include "ops/conv/conv_attrs.h"
#include "ops/conv/conv_kernel.h"
#include "runtime/graph/conditions.h"
#include "runtime/graph/passes/rewrite.h"

namespace lockstep {
namespace {

// Multiplications that are worth the trouble.
constexpr int64_t kMinWork = 1 << 20;
// Images of so few channels are read as they are by a first layer.
constexpr int64_t kFewChannels = 4;
// From here on Winograd's transforms pay.
constexpr int64_t kWinogradChannels = 32, kWinogradPixels = 36;

bool IsBlocked(Output o) { return o.node->op() == "_FromBlocked"; }
Output BehindBlocks(Output o) { return o.node->input(0); }

// Channels are last: blocks of them are images of their own.
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

// Everybody reads `from` out of `blocked` from now on.
Status ReplaceByBlocked(RewriteContext& c, Output from, Output blocked) {
  LS_ASSIGN_OR_RETURN(
      Node * n,
      c.Add(from.node->name() + "/unblocked", "_FromBlocked", {blocked},
            {{"T", from.dtype()}, {"shape", from.shape()}}));
  c.Replace(from, n->output(0), blocked.node);
  return Ok();
}

// --- Convolutions -----------------------------------------------------------

struct Conv {
  detail::ConvKind kind;
  Output a, b;  // operands in _BlockedConv2D's order
  Output bias;  // perhaps
  bool relu = false;
  Shape image, filter;
  detail::ConvDims dims;
};

// INVALID_ARGUMENT and its like mean that it is none that can be blocked.
Result<Conv> ConvOf(const Node& n) {
  Conv conv;
  if (n.op() == "Conv2DBackpropInput") {
    conv = {.kind = detail::ConvKind::kBackwardInput,
            .a = n.input(1),
            .b = n.input(2),
            .image = n.output_shape(0),
            .filter = n.input(1).shape()};
  } else if (n.op() == "Conv2DBackpropFilter") {
    conv = {.kind = detail::ConvKind::kBackwardFilter,
            .a = n.input(0),
            .b = n.input(2),
            .image = n.input(0).shape(),
            .filter = n.output_shape(0)};
  } else {
    conv = {.kind = detail::ConvKind::kForward,
            .a = n.input(0),
            .b = n.input(1),
            .image = n.input(0).shape(),
            .filter = n.input(1).shape()};
    if (n.op() == "_FusedConv2D") {
      if (n.num_inputs() > 2) conv.bias = n.input(2);
      conv.relu = n.Attr<bool>("relu");
    }
  }
  if (!conv.image.IsFullyKnown() || !conv.filter.IsFullyKnown()) {
    return FailedPrecondition("sizes are not known");
  }
  LS_ASSIGN_OR_RETURN(
      conv.dims, detail::ConvDims::From(n.attrs(), conv.image, conv.filter));
  return conv;
}

bool WinogradPays(const RewriteContext& c, const detail::ConvDims& d) {
  const auto fits = [](const Window& w) {
    return w.size == 3 && w.stride == 1 && w.dilation == 1 &&
           w.pad_before <= 1 && w.pad_after <= 1;
  };
  return !c.direct_convolution() && fits(d.h) && fits(d.w) &&
         d.in_channels >= kWinogradChannels &&
         d.out_channels >= kWinogradChannels &&
         d.in_channels % detail::kChannelBlock == 0 &&
         d.h.out * d.w.out >= kWinogradPixels;
}

// Whether a reader of the image can read it in blocks.
bool ReadsBlocks(const Node& n) {
  static constexpr std::string_view kOps[] = {
      "Conv2D",        "_FusedConv2D", "Conv2DBackpropInput",
      "_ToBlocked",    "MaxPool",      "Conv2DBackpropFilter",
      "_MaxPoolIndex", "Relu",         "_MaxPoolIndexGrad",
      "ReluGrad",      "BiasAddGrad"};
  return std::ranges::find(kOps, n.op()) != std::end(kOps) && ChannelsLast(n);
}

// What is read or written in blocks anyway, or gains more than it costs.
bool Pays(RewriteContext& c, const Conv& conv) {
  const detail::ConvDims& d = conv.dims;
  const int64_t work = d.batch * d.h.out * d.w.out * d.out_channels * d.h.size *
                       d.w.size * d.in_channels;
  if (work < kMinWork) return false;
  if (WinogradPays(c, d)) return true;
  if (conv.kind != detail::ConvKind::kForward) return IsBlocked(conv.b);
  const auto& readers = c.consumers().Of(c.node()->output(0));
  return !readers.empty() && !c.IsFetched(c.node()->output(0)) &&
         std::ranges::all_of(readers, [](const auto& reader) {
           return ReadsBlocks(*reader.first);
         });
}

bool CanBeBlocked(const Node& n, const Conv& conv) {
  const detail::ConvDims& d = conv.dims;
  const bool image_blocked = detail::CanBeBlocked(conv.image);
  const bool few = d.in_channels <= kFewChannels &&
                   conv.kind != detail::ConvKind::kBackwardInput;
  return n.output_type(0) == kFloat && n.Attr<DType>("T") == kFloat &&
         ChannelsLast(n) && d.groups == 1 && !d.IsEmpty() &&
         detail::CanBeBlocked(d.OutputShape()) && (image_blocked || few);
}

// Nobody reads it: a target, perhaps what was one and is replaced already.
bool IsUnread(RewriteContext& c, const Node* n) {
  for (int i = 0; i < n->num_outputs(); ++i) {
    const Output out{const_cast<Node*>(n), i};
    if (!c.consumers().Of(out).empty() || c.IsFetched(out)) return false;
  }
  return true;
}

Result<bool> BlockConv(RewriteContext& c) {
  Node* n = c.node();
  if (c.IsFed(n) || IsUnread(c, n)) return false;
  const Result<Conv> found = ConvOf(*n);
  if (!found.ok() || !CanBeBlocked(*n, *found) || !Pays(c, *found)) {
    return false;
  }
  const Conv& conv = *found;
  const bool image_blocked = detail::CanBeBlocked(conv.image);
  const bool backward = conv.kind != detail::ConvKind::kForward;
  std::vector<Output> operands = {conv.a, conv.b};
  if (conv.kind != detail::ConvKind::kBackwardInput && image_blocked) {
    LS_ASSIGN_OR_RETURN(operands[0], ToBlocked(c, conv.a));
  }
  if (backward) {
    LS_ASSIGN_OR_RETURN(operands[1], ToBlocked(c, conv.b));
  }
  if (conv.bias.defined()) operands.push_back(conv.bias);
  AttrMap attrs = {
      {"N", static_cast<int64_t>(operands.size())},
      {"kind",
       std::string(!backward                                       ? "FORWARD"
                   : conv.kind == detail::ConvKind::kBackwardInput ? "INPUT"
                                                                   : "FILTER")},
      {"image", conv.image},
      {"filter", conv.filter},
      {"image_blocked", image_blocked},
      {"winograd", WinogradPays(c, conv.dims)},
      {"relu", conv.relu}};
  for (const char* name : kConvWindowAttrs) {
    attrs[name] = n->attrs().find(name)->second;
  }
  LS_ASSIGN_OR_RETURN(Node * blocked,
                      c.Add(n->name() + "/blocked", "_BlockedConv2D",
                            std::move(operands), std::move(attrs)));
  const bool plain = conv.kind == detail::ConvKind::kBackwardFilter ||
                     (backward && !image_blocked);
  if (plain) {
    c.Replace(n->output(0), blocked->output(0));
    return true;
  }
  LS_RETURN_IF_ERROR(ReplaceByBlocked(c, n->output(0), blocked->output(0)));
  return true;
}
LOCKSTEP_LATE_REWRITE("Conv2D", BlockConv);
LOCKSTEP_LATE_REWRITE("_FusedConv2D", BlockConv);
LOCKSTEP_LATE_REWRITE("Conv2DBackpropInput", BlockConv);
LOCKSTEP_LATE_REWRITE("Conv2DBackpropFilter", BlockConv);

// --- What moves in front of _FromBlocked ------------------------------------

Result<bool> MeetBlocks(RewriteContext& c) {
  Node* to = c.node();
  if (!IsBlocked(to->input(0)) || c.IsFed(to->input(0).node)) return false;
  c.Replace(to->output(0), BehindBlocks(to->input(0)));
  return true;
}
LOCKSTEP_LATE_REWRITE("_ToBlocked", MeetBlocks);

// The same op on blocks, all inputs of which are images of the same channels.
Result<bool> MoveBeforeBlocks(RewriteContext& c, AttrMap attrs) {
  Node* n = c.node();
  if (!ChannelsLast(*n) || c.IsFed(n) || IsUnread(c, n)) return false;
  bool any = false;
  for (const Output& in : n->inputs()) {
    if (!detail::CanBeBlocked(in.shape()) ||
        in.shape().dim(3) != n->input(0).shape().dim(3)) {
      return false;
    }
    any = any || IsBlocked(in);
  }
  for (int i = 0; i < n->num_outputs(); ++i) {
    if (!detail::CanBeBlocked(n->output_shape(i))) return false;
  }
  if (!any) return false;
  std::vector<Output> inputs;
  for (const Output& in : n->inputs()) {
    LS_ASSIGN_OR_RETURN(const Output blocked, ToBlocked(c, in));
    inputs.push_back(blocked);
  }
  LS_ASSIGN_OR_RETURN(Node * moved, c.Add(n->name() + "/blocked", n->op(),
                                          std::move(inputs), std::move(attrs)));
  for (int i = 0; i < n->num_outputs(); ++i) {
    LS_RETURN_IF_ERROR(ReplaceByBlocked(c, n->output(i), moved->output(i)));
  }
  return true;
}

// ReLU and its gradient, on floats of one shape.
Result<bool> MoveElements(RewriteContext& c) {
  const Node* n = c.node();
  if (n->output_type(0) != kFloat) return false;
  for (const Output& in : n->inputs()) {
    if (in.shape() != n->output_shape(0)) return false;
  }
  return MoveBeforeBlocks(c, n->attrs());
}
LOCKSTEP_LATE_REWRITE("Relu", MoveElements);
LOCKSTEP_LATE_REWRITE("ReluGrad", MoveElements);

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

Result<bool> SumBlocks(RewriteContext& c) {
  Node* n = c.node();
  const Output x = n->input(0);
  if (!IsBlocked(x) || !ChannelsLast(*n) || c.IsFed(n) || IsUnread(c, n) ||
      x.dtype() != kFloat) {
    return false;
  }
  LS_ASSIGN_OR_RETURN(Node * sum,
                      c.Add(n->name() + "/blocked", "_BlockedBiasAddGrad",
                            {BehindBlocks(x)}, {{"shape", x.shape()}}));
  c.Replace(n->output(0), sum->output(0));
  return true;
}
LOCKSTEP_LATE_REWRITE("BiasAddGrad", SumBlocks);

// `from` or something that it waits for is `to`.
bool Reaches(const Node* from, const Node* to) {
  std::unordered_set<const Node*> seen;
  std::vector<const Node*> left = {from};
  while (!left.empty()) {
    const Node* n = left.back();
    left.pop_back();
    if (n == to) return true;
    if (!seen.insert(n).second) continue;
    for (const Output& in : n->inputs()) left.push_back(in.node);
    for (const Node* c : n->control_inputs()) left.push_back(c);
  }
  return false;
}

// The filter's gradient by the same image, which runs when `sum` does and does
// not need it; null when there is none.
Result<Node*> FilterGradientBeside(RewriteContext& c, const Node* sum) {
  for (const auto& [reader, input] : c.consumers().Of(sum->input(0))) {
    if (input != 1 || reader->op() != "_BlockedConv2D" ||
        reader->Attr<std::string>("kind") != "FILTER" ||
        reader->num_outputs() > 1 || IsUnread(c, reader) ||
        reader->assigned_device() != sum->assigned_device() ||
        !c.consumers().ControlledBy(reader).empty() ||
        reader->control_inputs() != sum->control_inputs() ||
        Reaches(reader, sum)) {
      continue;
    }
    LS_ASSIGN_OR_RETURN(const auto order, c.graph().TopologicalOrder());
    const Conditions conditions(order);
    if (conditions.Of(reader) == conditions.Of(sum)) return reader;
  }
  return nullptr;
}

// One pass over the output's gradient makes both.
Result<bool> JoinFilterGradient(RewriteContext& c) {
  Node* sum = c.node();
  if (c.IsFed(sum) || IsUnread(c, sum)) return false;
  LS_ASSIGN_OR_RETURN(Node * conv, FilterGradientBeside(c, sum));
  if (conv == nullptr) return false;
  AttrMap attrs = conv->attrs();
  attrs["num_bias"] = int64_t{1};
  LS_ASSIGN_OR_RETURN(Node * both,
                      c.Add(conv->name() + "/bias", "_BlockedConv2D",
                            conv->inputs(), std::move(attrs)));
  c.Replace(conv->output(0), both->output(0));
  c.Replace(sum->output(0), both->output(1));
  return true;
}
LOCKSTEP_LATE_REWRITE("_BlockedBiasAddGrad", JoinFilterGradient);

}  // namespace
}  // namespace lockstep
