// SPDX-License-Identifier: Apache-2.0

// InTopKV2; InTopK, where k is an attribute: whether targets[i] is among the k
// largest of predictions[i].
//   predictions: [batch, classes]  targets: [batch]  k: []  -> [batch] bool
// Ties count as in; a target outside [0, classes) or a row whose target or
// other element is not finite gives false. No gradient.

#include <algorithm>
#include <cmath>
#include <limits>

#include "ops/math/elementwise.h"
#include "ops/nn/nn.h"
#include "runtime/core/simd.h"
#include "runtime/op/kernel.h"
#include "runtime/op/rank_words.h"
#include "runtime/op/shape_context.h"

namespace lockstep {
namespace {

Status InTopKShape(ShapeContext& c) {
  LS_ASSIGN_OR_RETURN(
      const Shape predictions,
      WithRank(c, 0, 2, "predictions must be 2-dimensional, has shape "));
  LS_ASSIGN_OR_RETURN(const Shape targets, c.WithRank(1, 1));
  if (c.num_inputs() > 2) LS_RETURN_IF_ERROR(c.WithRank(2, 0).status());
  auto batch = Shape::Merge(Shape{predictions.dim(0)}, targets);
  if (!batch.ok()) {
    return InvalidArgument("First dimension of predictions ",
                           predictions.dim(0), " must match length of targets ",
                           targets.dim(0));
  }
  return c.SetOutput(0, *batch);
}

struct Row {
  int32_t above = 0;     // elements greater than the target's
  int32_t infinite = 0;  // elements that are infinite or NaN
};

LS_SIMD_CLONES Row LookAt(const float* row, int64_t classes, float target) {
  constexpr float kMax = std::numeric_limits<float>::max();
  int32_t above = 0, infinite = 0;
#pragma omp simd reduction(+ : above, infinite)
  for (int64_t c = 0; c < classes; ++c) {
    above += static_cast<int32_t>(row[c] > target);
    infinite += static_cast<int32_t>(!(std::abs(row[c]) <= kMax));
  }
  return {above, infinite};
}

bool IsIn(const float* row, int64_t classes, int64_t target, int64_t k) {
  if (target < 0 || target >= classes) return false;
  const Row found = LookAt(row, classes, row[target]);
  return found.infinite == 0 && found.above < k;
}

Status InTopKPrepare(PrepareContext& p) {
  p.MakeState<int64_t>(GetOr<int64_t>(p.attrs(), "k", 0));
  return Ok();
}

template <class T>
Status InTopKRun(KernelContext& k) {
  const int64_t classes = k.input(0).shape().dim(1);
  const int64_t wanted =
      k.num_inputs() > 2 ? IntAt(k.input(2), 0) : k.state<int64_t>();
  bool* out = k.out<bool>(0);
  ParallelFor(k.output(0).NumElements(),
              std::max<int64_t>(1, kCheapGrain / std::max<int64_t>(1, classes)),
              [&](int64_t begin, int64_t end) {
                for (int64_t r = begin; r < end; ++r) {
                  out[r] = IsIn(k.in<float>(0) + r * classes, classes,
                                k.in<T>(1)[r], wanted);
                }
              });
  return Ok();
}

LOCKSTEP_OP("InTopKV2")
    .Input("predictions: float")
    .Input("targets: T")
    .Input("k: T")
    .Output("precision: bool")
    .Attr("T: {int32, int64} = DT_INT32")
    .Shape(InTopKShape)
    .NoGradient()
    .Kernels<int32_t, int64_t>(kCpu, []<class T>() {
      return KernelDef{InTopKRun<T>, InTopKPrepare};
    });
LOCKSTEP_OP("InTopK")
    .Input("predictions: float")
    .Input("targets: T")
    .Output("precision: bool")
    .Attr("k: int")
    .Attr("T: {int32, int64} = DT_INT32")
    .Shape(InTopKShape)
    .NoGradient()
    .Kernels<int32_t, int64_t>(kCpu, []<class T>() {
      return KernelDef{InTopKRun<T>, InTopKPrepare};
    });

}  // namespace

Output ops::InTopK(const Scope& scope, const Input& predictions,
                   const Input& targets, const Input& k) {
  return scope.Op("InTopKV2").In(predictions).InPair(targets, k).Out();
}

}  // namespace lockstep
