// SPDX-License-Identifier: Apache-2.0

// Where: the positions of the elements that are not zero (or are true), in
// row-major order.
//   input: numbers or bool, rank >= 1   index: int64 [count, rank]
// The count is known only as it runs.

#include "ops/array/array.h"
#include "ops/math/elementwise.h"
#include "runtime/op/shape_context.h"

namespace lockstep {
namespace {

Status WhereShape(ShapeContext& c) {
  const Shape& x = c.Input(0);
  return c.SetOutput(0,
                     Shape{kUnknownDim, x.HasRank() ? x.rank() : kUnknownDim});
}

template <class T>
Status WhereCpu(KernelContext& k) {
  const Tensor& x = k.input(0);
  const Shape& shape = x.shape();
  if (shape.IsScalar()) {
    return InvalidArgument("input must have rank at least 1, is a scalar");
  }
  const T* v = k.in<T>(0);
  const auto holds = [v](int64_t i) {
    return static_cast<ValueType<T>>(v[i]) != ValueType<T>{};
  };
  int64_t count = 0;
  for (int64_t i = 0; i < x.NumElements(); ++i) count += holds(i) ? 1 : 0;
  LS_RETURN_IF_ERROR(k.AllocateOutput(0, Shape{count, shape.rank()}));
  int64_t* y = k.out<int64_t>(0);
  for (int64_t i = 0; i < x.NumElements(); ++i) {
    if (!holds(i)) continue;
    int64_t rest = i;
    for (int d = shape.rank() - 1; d >= 0; --d) {
      y[d] = rest % shape.dim(d);
      rest /= shape.dim(d);
    }
    y += shape.rank();
  }
  return Ok();
}

LOCKSTEP_OP("Where")
    .Input("input: T")
    .Output("index: int64")
    .Attr("T: type = DT_BOOL")
    .Shape(WhereShape)
    .NoGradient()
    .Kernels<LS_NUMBER_TYPES, bool>(kCpu, []<class T>() {
      return KernelDef{WhereCpu<T>};
    });

}  // namespace

namespace ops {

Output Where(const Scope& scope, const Input& condition) {
  return scope.Op("Where").In(condition).Out();
}

}  // namespace ops
}  // namespace lockstep
