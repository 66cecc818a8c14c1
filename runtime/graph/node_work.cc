// SPDX-License-Identifier: Apache-2.0
#include "runtime/graph/node_work.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <string_view>
#include <vector>

namespace lockstep {
namespace {

std::map<std::string_view, FlopsFn>& Rules() {
  static std::map<std::string_view, FlopsFn> rules;
  return rules;
}

double BytesOf(const Output& o, double unknown) {
  if (o.dtype() == kResource) return 0;
  return KnownElements(o.shape(), unknown) *
         static_cast<double>(DTypeSize(BaseOf(o.dtype())));
}

// An update reads and writes the variable and each of its slots, which it has
// by reference or handle.
double UpdateBytes(const Node& node, double unknown) {
  const Output gradient = node.input(node.traits().applies_gradient);
  double bytes = BytesOf(gradient, unknown);
  for (const ArgDef& arg : node.def().inputs) {
    if (!arg.is_ref && arg.type != kResource) continue;
    bytes += 2 * BytesOf(gradient, unknown);
  }
  return bytes;
}

}  // namespace

namespace detail {
FlopsRule::FlopsRule(const char* op, FlopsFn rule) { Rules()[op] = rule; }
}  // namespace detail

double KnownElements(const Shape& shape, double unknown) {
  if (!shape.HasRank()) return unknown;
  double n = 1;
  for (const int64_t d : shape.dims()) {
    n *= d < 0 ? unknown : static_cast<double>(d);
  }
  return n;
}

double KnownDim(const Shape& shape, int i, double unknown) {
  if (!shape.HasRank() || i >= shape.rank() || shape.dim(i) < 0) return unknown;
  return static_cast<double>(shape.dim(i));
}

NodeWork WorkOf(const Node& node, double unknown) {
  NodeWork work;
  const OpTraits& traits = node.traits();
  if (traits.constant || traits.variable || traits.alias.first >= 0) return {};
  std::vector<Output> operands;
  for (const Output& in : node.inputs()) {
    if (std::ranges::find(operands, in) == operands.end()) {
      operands.push_back(in);
    }
  }
  for (int i = 0; i < node.num_outputs(); ++i) {
    operands.push_back({const_cast<Node*>(&node), i});
  }
  for (const Output& o : operands) {
    work.bytes += BytesOf(o, unknown);
    work.flops = std::max(work.flops, KnownElements(o.shape(), unknown));
  }
  if (traits.applies_gradient >= 0) work.bytes = UpdateBytes(node, unknown);
  // What has no output is there for the variables: it writes them as well.
  if (node.num_outputs() == 0) {
    for (const Output& in : operands) {
      if (IsRef(in.dtype())) work.bytes += BytesOf(in, unknown);
    }
  }
  const auto rule = Rules().find(node.op());
  if (rule != Rules().end()) work.flops = rule->second(node, unknown);
  return work;
}

double EstimateMicros(const Node& node, double step_us) {
  constexpr double kUnknown = 64, kFlopsPerMicro = 60e3, kBytesPerMicro = 8e3;
  const NodeWork work = WorkOf(node, kUnknown);
  if (work.bytes == 0) return 0;
  return step_us +
         std::max(work.flops / kFlopsPerMicro, work.bytes / kBytesPerMicro);
}

// (m k) (k n) (m n) = (m k n)^2, once for each product of a batch.
double ProductFlops(const Node& node, double unknown) {
  if (node.num_inputs() < 2 || node.num_outputs() == 0) return 0;
  const Shape& product = node.output_shape(0);
  const double batch =
      product.HasRank() && product.rank() >= 2
          ? KnownElements(product, unknown) /
                (KnownDim(product, product.rank() - 2, unknown) *
                 KnownDim(product, product.rank() - 1, unknown))
          : 1;
  const double all = KnownElements(node.input(0).shape(), unknown) *
                     KnownElements(node.input(1).shape(), unknown) *
                     KnownElements(product, unknown);
  return batch > 0 ? 2 * std::sqrt(all / batch) : 0;
}

}  // namespace lockstep
