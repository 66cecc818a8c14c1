// SPDX-License-Identifier: Apache-2.0

// Prod: the product over the axes in `reduction_indices`; of nothing 1.
//   input: numbers, any rank   reduction_indices: int32|int64, rank <= 1
// Floats are multiplied in double; integers wrap around.
// Gradient: dy times the product of the other elements, right also where some
// are zero.

#include "ops/array/array.h"
#include "ops/math/binary_gradient.h"
#include "ops/math/math.h"
#include "ops/reduce/reduce.h"
#include "ops/reduce/reduction.h"

namespace lockstep {
namespace {

template <class T>
struct ProdMonoid {
  using Acc = SumType<T>;
  static Acc Init() { return Acc{1}; }
  static Acc Step(Acc a, ValueType<T> x) { return a * static_cast<Acc>(x); }
  static Acc Merge(Acc a, Acc b) { return a * b; }
  static T Finish(Acc a, int64_t count) {
    return SumMonoid<T>::Finish(a, count);
  }
};

// The reduced axes first and then the others, each ascending: a permutation
// of x's axes, and how many are reduced. Needs constant axes.
struct AxisOrder {
  std::vector<int32_t> perm;
  int32_t reduced = 0;
};
Result<AxisOrder> OrderAxes(GradContext& g) {
  const Node* axes = g.x(1).node;
  const Tensor& folded = axes->output_value(g.x(1).index);
  const Tensor* known = folded.defined() ? &folded : nullptr;
  const Shape& x = g.x(0).shape();
  if (known == nullptr || !x.HasRank()) {
    return Unimplemented("the gradient of Prod needs constant axes and an ",
                         "input of known rank");
  }
  LS_ASSIGN_OR_RETURN(std::vector<int64_t> list, ToInt64s(*known));
  LS_ASSIGN_OR_RETURN(AxisSet set, ResolveAxes(list, x.rank()));
  AxisOrder order;
  for (const bool reduced : {true, false}) {
    for (int d = 0; d < x.rank(); ++d) {
      if (set.test(static_cast<size_t>(d)) == reduced) order.perm.push_back(d);
    }
    if (reduced) order.reduced = static_cast<int32_t>(order.perm.size());
  }
  return order;
}

// With x as [reduced, others]: the products of all before and all after each
// element, by two exclusive running products.
Status ProdGradient(GradContext& g) {
  const Scope& s = g.scope();
  LS_ASSIGN_OR_RETURN(AxisOrder order, OrderAxes(g));
  const Output perm = ops::Const(s, Tensor::Vector(order.perm));
  const Output turned = ops::Transpose(s, g.x(0), perm);
  const Output shape = ops::Shape(s, turned);
  const Output rows = ops::Reshape(
      s, ops::Prod(s, ops::Slice(s, shape, {0}, {order.reduced}), {0}), {1});
  const Output columns = ops::Reshape(
      s, ops::Prod(s, ops::Slice(s, shape, {order.reduced}, {-1}), {0}), {1});
  const Output flat =
      ops::Reshape(s, turned, ops::Concat(s, {rows, columns}, 0));
  const Output others = ops::Mul(s, ops::Cumprod(s, flat, 0, true, false),
                                 ops::Cumprod(s, flat, 0, true, true));
  const Output dy = ops::Reshape(s, g.dy(0), {1, -1});
  const Output dx =
      ops::Reshape(s, ops::Mul(s, Conjugate(s, others), dy), shape);
  return g.SetDx(0, ops::Transpose(s, dx, ops::InvertPermutation(s, perm)));
}

const OpRegistrar kProd = ReductionOp("Prod", "numbertype", ProdGradient)
                              .Kernels<LS_NUMBER_TYPES>(kCpu, []<class T>() {
                                return Reduction<ProdMonoid<T>, T>();
                              });

}  // namespace

namespace ops {

Output Prod(const Scope& scope, const Input& x, const Input& axes,
            bool keep_dims) {
  return Reduce(scope, "Prod", x, axes, keep_dims);
}

}  // namespace ops
}  // namespace lockstep
