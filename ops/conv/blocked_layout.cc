// SPDX-License-Identifier: Apache-2.0

// Rules that keep images in blocks of 16 channels between convolutions. A
// convolution becomes _FromBlocked(_BlockedConv2D(_ToBlocked(x), ..)); what
// works on channels alike moves in front of _FromBlocked (blocked_moves.cc);
// and the pairs _ToBlocked(_FromBlocked(x)) that meet go. What is left at the
// ends of such a chain is read and written once more, which its convolutions
// make up for: their direct kernels are a tenth faster on blocks, and
// Winograd's, a third faster, know nothing else.
//
// Late rules: the exchange of gradients sees the graph as it was, and filters
// and their gradients stay as they were. Whether Winograd's transforms are
// used depends on sizes alone, not on a measurement, so that a program gives
// the same bits in every run.

#include "ops/conv/blocked_layout.h"

#include <unordered_set>

#include "ops/conv/conv_attrs.h"
#include "ops/conv/conv_kernel.h"
#include "runtime/graph/conditions.h"
#include "runtime/graph/passes/rewrite.h"

namespace lockstep {
namespace {

using detail::BehindBlocks, detail::IsBlocked, detail::MayMove,
    detail::ReplaceByBlocked, detail::ToBlocked, detail::WinogradPays;

// Multiplications that are worth the trouble; those between channels that are
// apart count, as then the memory takes the time.
constexpr int64_t kMinWork = 1 << 20;
// Images of so few channels are read as they are by a first layer.
constexpr int64_t kFewChannels = 4;
// From here on Winograd's transforms pay.
constexpr int64_t kWinogradChannels = 32, kWinogradPixels = 36;

// --- Convolutions -----------------------------------------------------------

struct Conv {
  detail::ConvKind kind;
  Output a, b;            // operands in _BlockedConv2D's order
  Output bias, residual;  // perhaps
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
      const int residual = n.Attr<bool>("residual") ? 1 : 0;
      if (n.num_inputs() - residual > 2) conv.bias = n.input(2);
      if (residual != 0) conv.residual = n.input(n.num_inputs() - 1);
    }
  }
  if (!conv.image.IsFullyKnown() || !conv.filter.IsFullyKnown()) {
    return FailedPrecondition("sizes are not known");
  }
  LS_ASSIGN_OR_RETURN(
      conv.dims, detail::ConvDims::From(n.attrs(), conv.image, conv.filter));
  return conv;
}

}  // namespace

bool detail::WinogradPays(const RewriteContext& c, const ConvDims& d) {
  const auto fits = [](const Window& w) {
    return w.size == 3 && w.stride == 1 && w.dilation == 1 &&
           w.pad_before <= 1 && w.pad_after <= 1;
  };
  return !c.direct_convolution() && d.groups == 1 && fits(d.h) && fits(d.w) &&
         d.in_channels >= kWinogradChannels &&
         d.out_channels >= kWinogradChannels &&
         d.in_channels % detail::kChannelBlock == 0 &&
         d.h.out * d.w.out >= kWinogradPixels;
}

namespace {

// What is read or written in blocks anyway, or gains more than it costs.
bool Pays(RewriteContext& c, const Conv& conv) {
  const detail::ConvDims& d = conv.dims;
  const int64_t work = d.batch * d.h.out * d.w.out * d.out_channels * d.h.size *
                       d.w.size * d.in_channels;
  if (work < kMinWork) return false;
  if (WinogradPays(c, d)) return true;
  if (conv.kind != detail::ConvKind::kForward) return IsBlocked(conv.b);
  if (conv.residual.defined()) {
    return IsBlocked(conv.residual) && IsBlocked(conv.a);
  }
  const Output made = c.node()->output(0);
  return IsBlocked(conv.a) ? detail::AllReadBlocks(c, made)
                           : detail::StaysBlocked(c, made);
}

// Whose blocks are groups, too.
bool IsOfEachChannel(const detail::ConvDims& d) {
  return d.groups == d.in_channels && d.groups == d.out_channels;
}

bool CanBeBlocked(const Node& n, const Conv& conv) {
  const detail::ConvDims& d = conv.dims;
  const bool image_blocked = detail::CanBeBlocked(conv.image);
  const bool few = d.in_channels <= kFewChannels &&
                   conv.kind != detail::ConvKind::kBackwardInput;
  return n.output_type(0) == kFloat && n.Attr<DType>("T") == kFloat &&
         (d.groups == 1 || IsOfEachChannel(d)) && !d.IsEmpty() &&
         detail::CanBeBlocked(d.OutputShape()) && (image_blocked || few);
}

Result<bool> BlockConv(RewriteContext& c) {
  Node* n = c.node();
  if (!MayMove(c)) return false;
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
  if (conv.residual.defined()) {
    LS_ASSIGN_OR_RETURN(const Output residual, ToBlocked(c, conv.residual));
    operands.push_back(residual);
  }
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
      {"residual", conv.residual.defined()}};
  if (n->op() == "_FusedConv2D") CopyAttrs(*n, kActivationAttrs, &attrs);
  CopyAttrs(*n, kConvWindowAttrs, &attrs);
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

// --- Gradients of biases -----------------------------------------------------

Result<bool> SumBlocks(RewriteContext& c) {
  Node* n = c.node();
  const Output x = n->input(0);
  if (!IsBlocked(x) || x.dtype() != kFloat || !MayMove(c)) return false;
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
        reader->num_outputs() > 1 ||
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
  if (!MayMove(c)) return false;
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
