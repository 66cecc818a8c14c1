// SPDX-License-Identifier: Apache-2.0
#include "ops/array/indexed_slices.h"

#include <algorithm>

#include "ops/array/array.h"
#include "ops/math/math.h"
#include "ops/reduce/reduce.h"

namespace lockstep::ops {
namespace {

constexpr const char* kMark = "_indexed_slices";

bool IsMarked(const Output& o) { return GetOr(o.node->attrs(), kMark, false); }

Output FirstDim(const Scope& scope, const Output& x) {
  return Squeeze(scope, Slice(scope, Shape(scope, x), {0}, {1}));
}

}  // namespace

Output IndexedSlicesToDense(const Scope& scope, const Input& values,
                            const Input& indices, const Input& num_rows) {
  const Output dense = UnsortedSegmentSum(scope, values, indices, num_rows);
  if (dense.defined()) dense.node->mutable_attrs()[kMark] = true;
  return dense;
}

GradientValue AsIndexedSlices(const Scope& scope, Output gradient) {
  if (!gradient.defined()) return {};
  const std::vector<Output>& inputs = gradient.node->inputs();
  if (IsMarked(gradient)) return {inputs[0], inputs[1]};
  if (gradient.node->op() != "AddN" || !std::ranges::all_of(inputs, IsMarked)) {
    return gradient;
  }
  std::vector<Output> values, indices;
  for (const Output& part : inputs) {
    values.push_back(part.node->input(0));
    indices.push_back(Cast(scope, part.node->input(1), kInt64));
  }
  return {Concat(scope, values, 0), Concat(scope, indices, 0)};
}

GradientValue WithoutDuplicates(const Scope& scope, const GradientValue& g) {
  if (!g.sparse()) return g;
  const UniqueOutputs unique = Unique(scope, g.indices);
  if (!unique.y.defined()) return {};
  return {UnsortedSegmentSum(scope, g.values, unique.idx,
                             FirstDim(scope, unique.y)),
          unique.y};
}

Output WithValues(const Scope& scope, Output gradient, const Input& values) {
  const GradientValue g = AsIndexedSlices(scope, gradient);
  if (!g.sparse()) return values.Resolve(scope);
  return IndexedSlicesToDense(scope, values, g.indices,
                              FirstDim(scope, gradient));
}

}  // namespace lockstep::ops
