// SPDX-License-Identifier: Apache-2.0

// Clipping: compositions, with TensorFlow's formulas.

#include "ops/training/clip.h"

#include "ops/array/array.h"
#include "ops/array/indexed_slices.h"
#include "ops/math/math.h"
#include "ops/reduce/reduce.h"

namespace lockstep::ops {

Output ClipByNorm(const Scope& scope, const Input& t, const Input& clip_norm,
                  const std::vector<int32_t>& axes) {
  const Scope s = scope.SubScope("clip_by_norm");
  const Output given = t.Resolve(s);
  if (!given.defined()) return {};
  const Output x = AsIndexedSlices(s, given).values;
  const DType dtype = BaseOf(x.dtype());
  const Output limit = clip_norm.Resolve(s, dtype);
  const Output all = axes.empty() ? Range(s, 0, Rank(s, x), 1)
                                  : Const(s, Tensor::Vector(axes));
  const Output squares = Sum(s, Square(s, x), all, true);
  // The root of zero has no gradient.
  const Output some = Greater(s, squares, ZerosLike(s, squares));
  const Output root = Sqrt(s, SelectV2(s, some, squares, OnesLike(s, squares)));
  const Output norm = SelectV2(s, some, root, squares);
  return WithValues(s, given,
                    RealDiv(s, Mul(s, x, limit), Maximum(s, norm, limit)));
}

Output GlobalNorm(const Scope& scope, const std::vector<Output>& tensors) {
  const Scope s = scope.SubScope("global_norm");
  std::vector<Output> halves;
  for (const Output& t : tensors) {
    if (t.defined()) halves.push_back(L2Loss(s, AsIndexedSlices(s, t).values));
  }
  if (halves.empty()) {
    scope.graph()->UpdateStatus(
        InvalidArgument("GlobalNorm: there are no tensors"));
    return {};
  }
  return Sqrt(s, Mul(s, Sum(s, Pack(s, halves), {0}), 2.0f));
}

GloballyClipped ClipByGlobalNorm(const Scope& scope,
                                 const std::vector<Output>& tensors,
                                 const Input& clip_norm, Output norm) {
  const Scope s = scope.SubScope("clip_by_global_norm");
  GloballyClipped result;
  result.norm = norm.defined() ? norm : GlobalNorm(s, tensors);
  if (!result.norm.defined()) return {};
  const Output limit = clip_norm.Resolve(s, BaseOf(result.norm.dtype()));
  const Output factor =
      Mul(s, limit,
          Minimum(s, RealDiv(s, 1.0f, result.norm), RealDiv(s, 1.0f, limit)));
  // 0 for a finite norm, NaN for any other.
  const Output scale = Add(s, factor, Sub(s, result.norm, result.norm));
  for (const Output& t : tensors) {
    if (!t.defined()) {
      result.clipped.emplace_back();
      continue;
    }
    const Output x = AsIndexedSlices(s, t).values;
    const Output same = Cast(s, scale, BaseOf(x.dtype()));
    result.clipped.push_back(WithValues(s, t, Mul(s, x, same)));
  }
  return result;
}

}  // namespace lockstep::ops
