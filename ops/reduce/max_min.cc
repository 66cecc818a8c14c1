// SPDX-License-Identifier: Apache-2.0

// Max, Min: over the axes in `reduction_indices`; NaN where any element is.
//   input: real numbers, any rank   reduction_indices: int32|int64, rank <= 1
// Of nothing: the least (greatest) value of the dtype, infinite for floats.
// Gradient: dy to the extreme elements, shared equally among equal ones.

#include "ops/array/array.h"
#include "ops/math/math.h"
#include "ops/reduce/reduce.h"
#include "ops/reduce/reduction.h"

namespace lockstep {
namespace {

template <class T, bool kMax>
struct ExtremeMonoid {
  using Acc = ValueType<T>;
  static Acc Init() {
    using L = std::numeric_limits<Acc>;
    if constexpr (kIsFloat<T>) {
      return kMax ? -L::infinity() : L::infinity();
    } else {
      return kMax ? L::lowest() : L::max();
    }
  }
  static Acc Step(Acc a, ValueType<T> x) {
    return Merge(a, static_cast<Acc>(x));
  }
  static Acc Merge(Acc a, Acc b) {
    const bool better = kMax ? b > a : b < a;
    if constexpr (kIsFloat<T>) {
      return static_cast<int>(better) | static_cast<int>(b != b) ? b : a;
    } else {
      return better ? b : a;
    }
  }
  static T Finish(Acc a, int64_t) { return static_cast<T>(a); }
};

Status ExtremeGradient(GradContext& g) {
  const Scope& s = g.scope();
  const DType t = BaseOf(g.y(0).dtype());
  const Output kept = KeptShape(g);
  const Output y = ops::Reshape(s, g.y(0), kept);
  const Output dy = ops::Reshape(s, g.dy(0), kept);
  const Output hits = ops::Cast(s, ops::Equal(s, y, g.x(0)), t);
  const Output count = ops::Reshape(s, ops::Sum(s, hits, g.x(1)), kept);
  return g.SetDx(0, ops::Mul(s, ops::RealDiv(s, hits, count), dy));
}

const OpRegistrar kMax = ReductionOp("Max", "realnumbertype", ExtremeGradient)
                             .Kernels<LS_REAL_TYPES>(kCpu, []<class T>() {
                               return Reduction<ExtremeMonoid<T, true>, T>();
                             });
const OpRegistrar kMin = ReductionOp("Min", "realnumbertype", ExtremeGradient)
                             .Kernels<LS_REAL_TYPES>(kCpu, []<class T>() {
                               return Reduction<ExtremeMonoid<T, false>, T>();
                             });

}  // namespace

namespace ops {

Output Max(const Scope& scope, const Input& x, const Input& axes,
           bool keep_dims) {
  return Reduce(scope, "Max", x, axes, keep_dims);
}
Output Min(const Scope& scope, const Input& x, const Input& axes,
           bool keep_dims) {
  return Reduce(scope, "Min", x, axes, keep_dims);
}

}  // namespace ops
}  // namespace lockstep
