// SPDX-License-Identifier: Apache-2.0

// Sum, Mean, EuclideanNorm (the root of the sum of |x|^2): over the axes in
// `reduction_indices`.
//   input: numbers, any rank   reduction_indices: int32|int64, rank <= 1
//   output: the input's shape without those axes, or with size 1
// Floats are accumulated in double. Integers wrap around; their mean
// truncates. The sum of nothing is 0, the mean NaN (integers: 0).
// Gradients: dy spread over the reduced axes; Mean: divided by their size;
// EuclideanNorm: times x / y.

#include "ops/array/array.h"
#include "ops/math/math.h"
#include "ops/reduce/reduce.h"
#include "ops/reduce/reduction.h"

namespace lockstep {
namespace {

template <class T>
struct MeanMonoid : SumMonoid<T> {
  using Acc = typename SumMonoid<T>::Acc;
  static T Finish(Acc a, int64_t count) {
    if constexpr (!std::is_integral_v<T>) {
      return SumMonoid<T>::Finish(a / static_cast<double>(count), count);
    } else {
      if (count == 0) return T{0};
      const T sum = static_cast<T>(a);
      if constexpr (std::is_signed_v<T>) {
        return static_cast<T>(static_cast<int64_t>(sum) / count);
      } else {
        return static_cast<T>(static_cast<uint64_t>(sum) /
                              static_cast<uint64_t>(count));
      }
    }
  }
};

template <class T>
struct NormMonoid : SumMonoid<T> {
  using Acc = SumType<T>;
  static Acc Step(Acc a, ValueType<T> x) {
    const Acc v = static_cast<Acc>(x);
    if constexpr (kIsComplex<T>) {
      return a + std::norm(v);
    } else {
      return a + v * v;
    }
  }
  static T Finish(Acc a, int64_t) {
    if constexpr (std::is_integral_v<T>) {
      return static_cast<T>(std::sqrt(static_cast<double>(static_cast<T>(a))));
    } else {
      return SumMonoid<T>::Finish(std::sqrt(a), 0);
    }
  }
};

Output Spread(GradContext& g, Output dy) {
  const Scope& s = g.scope();
  return ops::BroadcastTo(s, WithKeptAxes(g, dy), ops::Shape(s, g.x(0)));
}

Status SumGradient(GradContext& g) { return g.SetDx(0, Spread(g, g.dy(0))); }

Status NormGradient(GradContext& g) {
  const Scope& s = g.scope();
  const Output slope = ops::RealDiv(s, g.dy(0), g.y(0));
  return g.SetDx(0, ops::Mul(s, g.x(0), WithKeptAxes(g, slope)));
}

Status MeanGradient(GradContext& g) {
  const Scope& s = g.scope();
  const Output outputs = ops::Maximum(s, ops::Size(s, g.y(0), kInt64), 1);
  const Output count = ops::FloorDiv(s, ops::Size(s, g.x(0), kInt64), outputs);
  const Output each =
      ops::RealDiv(s, g.dy(0), ops::Cast(s, count, BaseOf(g.dy(0).dtype())));
  return g.SetDx(0, Spread(g, each));
}

const OpRegistrar kSum = ReductionOp("Sum", "numbertype", SumGradient)
                             .Kernels<LS_NUMBER_TYPES>(kCpu, []<class T>() {
                               return Reduction<SumMonoid<T>, T>();
                             });
const OpRegistrar kMean = ReductionOp("Mean", "numbertype", MeanGradient)
                              .Kernels<LS_NUMBER_TYPES>(kCpu, []<class T>() {
                                return Reduction<MeanMonoid<T>, T>();
                              });
const OpRegistrar kEuclideanNorm =
    ReductionOp("EuclideanNorm", "numbertype", NormGradient)
        .IdentityWhen(nullptr)
        .Kernels<LS_NUMBER_TYPES>(
            kCpu, []<class T>() { return Reduction<NormMonoid<T>, T>(); });

}  // namespace

namespace ops {

Output ReduceAll(const Scope& scope, const Input& x) {
  const Output in = x.Resolve(scope);
  if (!in.defined()) return {};
  if (in.shape().HasRank()) {
    std::vector<int32_t> axes(static_cast<size_t>(in.shape().rank()));
    for (size_t i = 0; i < axes.size(); ++i) axes[i] = static_cast<int32_t>(i);
    return Const(scope, Tensor::Vector(axes));
  }
  return Range(scope, 0, Rank(scope, in), 1);
}
Output Sum(const Scope& scope, const Input& x, const Input& axes,
           bool keep_dims) {
  return Reduce(scope, "Sum", x, axes, keep_dims);
}
Output EuclideanNorm(const Scope& scope, const Input& x, const Input& axes,
                     bool keep_dims) {
  return Reduce(scope, "EuclideanNorm", x, axes, keep_dims);
}
Output Mean(const Scope& scope, const Input& x, const Input& axes,
            bool keep_dims) {
  return Reduce(scope, "Mean", x, axes, keep_dims);
}

}  // namespace ops
}  // namespace lockstep
