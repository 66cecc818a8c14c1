// SPDX-License-Identifier: Apache-2.0
#include "ops/training/batch_parts.h"

#include "ops/array/array.h"
#include "ops/math/math.h"

namespace lockstep::ops {

BatchParts::BatchParts(const Scope& scope, Output batch, int count) {
  if (!scope.ok()) return;
  if (count < 1 || !batch.defined()) {
    scope.graph()->UpdateStatus(
        InvalidArgument("a batch cannot be cut into ", count, " parts"));
    return;
  }
  const Scope s = scope.SubScope("batch_parts");
  const Output samples =
      StridedSlice(s, Shape(s, batch), {0}, {1}, {1}, {.shrink_axis = 1});
  for (int i = 0; i <= count; ++i) {
    // As planned for known sizes: constants.
    begins_.push_back(FloorDiv(s, Mul(s, samples, i), count));
  }
  const Output all = Cast(s, samples, kFloat);
  for (int i = 0; i < count; ++i) {
    const auto at = static_cast<size_t>(i);
    const Output own = Sub(s, begins_[at + 1], begins_[at]);
    weights_.push_back(Div(s, Cast(s, own, kFloat), all));
  }
}

Output BatchParts::Part(const Scope& scope, Output tensor, int i) const {
  if (!scope.ok()) return {};
  if (i < 0 || i >= count()) {
    scope.graph()->UpdateStatus(
        InvalidArgument("there is no part ", i, " among ", count()));
    return {};
  }
  const auto at = static_cast<size_t>(i);
  const Scope s = scope.SubScope("part");
  return StridedSlice(s, tensor, Pack(s, {begins_[at]}),
                      Pack(s, {begins_[at + 1]}), {1});
}

Output BatchParts::Average(const Scope& scope,
                           const std::vector<Output>& values) const {
  if (!scope.ok()) return {};
  if (static_cast<int>(values.size()) != count()) {
    scope.graph()->UpdateStatus(InvalidArgument(
        "an average over ", count(), " parts of ", values.size(), " values"));
    return {};
  }
  std::vector<Output> weighted;
  for (size_t i = 0; i < values.size(); ++i) {
    const DType dtype = BaseOf(values[i].dtype());
    const Output weight =
        dtype == kFloat ? weights_[i] : Cast(scope, weights_[i], dtype);
    weighted.push_back(MulNoNan(scope, values[i], weight));
  }
  return weighted.size() == 1 ? Identity(scope, weighted[0])
                              : AddN(scope, weighted);
}

std::vector<Optimizer::GradientAndVariable> BatchParts::Average(
    const Scope& scope,
    const std::vector<std::vector<Optimizer::GradientAndVariable>>& parts)
    const {
  std::vector<Optimizer::GradientAndVariable> averages;
  if (!scope.ok() || parts.empty()) return averages;
  for (size_t v = 0; v < parts[0].size(); ++v) {
    std::vector<Output> gradients;
    for (const auto& part : parts) {
      if (part.size() > v && part[v].gradient.defined()) {
        gradients.push_back(part[v].gradient);
      }
    }
    const Output variable = parts[0][v].variable;
    if (gradients.empty()) {
      averages.push_back({{}, variable});
      continue;
    }
    const Scope beside = scope.SubScope("average").WithDevice("").WithDevice(
        variable.node->requested_device());
    averages.push_back({Average(beside, gradients), variable});
  }
  return averages;
}

}  // namespace lockstep::ops
