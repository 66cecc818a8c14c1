// SPDX-License-Identifier: Apache-2.0
#include "distributed/step_estimate.h"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

namespace lockstep {
namespace {

constexpr double kUnknown = 64;
// Of one core: the proportions matter, not the figures.
constexpr double kFlopsPerMicro = 60e3;
constexpr double kBytesPerMicro = 8e3;
constexpr double kStepMicros = 0.5;

double Elements(const Shape& shape) {
  if (!shape.HasRank()) return kUnknown;
  double n = 1;
  for (const int64_t d : shape.dims()) {
    n *= d < 0 ? kUnknown : static_cast<double>(d);
  }
  return n;
}

double Dim(const Shape& shape, int i) {
  if (!shape.HasRank() || i >= shape.rank() || shape.dim(i) < 0)
    return kUnknown;
  return static_cast<double>(shape.dim(i));
}

// Multiplications and additions of products of matrices and of convolutions:
// each element of the larger operands meets each output channel, or the like.
double Flops(const Node& node) {
  const std::string& op = node.op();
  if (node.num_inputs() < 2 || node.num_outputs() == 0) return 0;
  if (op == "MatMul" || op == "BatchMatMul" || op == "BatchMatMulV2") {
    const Shape& a = node.input(0).shape();
    const bool transposed = GetOr(node.attrs(), "transpose_a", false);
    return 2 * Elements(node.output_shape(0)) * Dim(a, transposed ? 0 : 1);
  }
  if (op == "Conv2D" || op == "DepthwiseConv2dNative") {
    const Shape& filter = node.input(1).shape();
    return 2 * Elements(node.output_shape(0)) * Elements(filter) /
           Dim(filter, 3);
  }
  if (op == "Conv2DBackpropInput" || op == "Conv2DBackpropFilter") {
    const bool input = op == "Conv2DBackpropInput";
    const Shape& filter = input ? node.input(1).shape() : node.output_shape(0);
    const Output dy = node.input(2);
    return 2 * Elements(dy.shape()) * Elements(filter) / Dim(filter, 3);
  }
  return 0;
}

}  // namespace

double EstimateMicros(const Node& node) {
  double bytes = 0;
  for (const Output& in : node.inputs()) bytes += 4 * Elements(in.shape());
  for (int i = 0; i < node.num_outputs(); ++i) {
    bytes += 4 * Elements(node.output_shape(i));
  }
  if (node.traits().constant || node.traits().variable ||
      node.traits().alias.first >= 0) {
    return 0;
  }
  return kStepMicros +
         std::max(Flops(node) / kFlopsPerMicro, bytes / kBytesPerMicro);
}

std::vector<double> EstimateReady(std::span<const Node* const> order,
                                  std::span<const Output> outputs) {
  std::unordered_set<const Node*> needed;
  std::vector<const Node*> stack;
  const auto need = [&](const Node* n) {
    if (needed.insert(n).second) stack.push_back(n);
  };
  for (const Output& o : outputs) need(o.node);
  while (!stack.empty()) {
    const Node* n = stack.back();
    stack.pop_back();
    for (const Output& in : n->inputs()) need(in.node);
    for (const Node* c : n->control_inputs()) need(c);
  }
  std::unordered_map<const Node*, double> done;
  double now = 0;
  for (const Node* n : order) {
    if (needed.contains(n)) done[n] = now += EstimateMicros(*n);
  }
  std::vector<double> ready;
  for (const Output& o : outputs) ready.push_back(done[o.node]);
  return ready;
}

}  // namespace lockstep
