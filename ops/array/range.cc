// SPDX-License-Identifier: Apache-2.0

// Range: start, start + delta, ... before limit.
//   start, limit, delta: numbers []   output: [n] of the same dtype
// INVALID_ARGUMENT for a delta of 0 or one that leads away from the limit.
// LinSpace: `num` values at equal distances from start to stop, both included.
//   start, stop: floats []   num: int32|int64 []   output: [num]

#include "ops/array/array.h"
#include "ops/array/axes.h"
#include "ops/math/elementwise.h"
#include "runtime/op/shape_context.h"

namespace lockstep {
namespace {

Result<double> Number(const Tensor& t) {
  double value = 0;
  LS_RETURN_IF_ERROR(VisitDType(t.dtype(), [&]<class T>(std::type_identity<T>) {
    value = static_cast<double>(t.scalar<T>());
    return Ok();
  }));
  return value;
}

// The length; in the integers' own arithmetic, so that large ones are exact.
Result<int64_t> Length(const Tensor& start, const Tensor& limit,
                       const Tensor& delta) {
  const Tensor* all[] = {&start, &limit, &delta};
  double v[3];
  int64_t n[3] = {};
  for (size_t i = 0; i < 3; ++i) {
    if (all[i]->NumElements() != 1) {
      return InvalidArgument("start, limit and delta must be scalars, got ",
                             "shape ", all[i]->shape());
    }
    LS_ASSIGN_OR_RETURN(v[i], Number(*all[i]));
    if (all[i]->dtype() == kInt32 || all[i]->dtype() == kInt64) {
      n[i] = IntAt(*all[i], 0);
    }
  }
  if (v[2] == 0) return InvalidArgument("Requires delta != 0");
  if (v[2] > 0 && v[0] > v[1]) {
    return InvalidArgument("Requires start <= limit when delta > 0: ", v[0],
                           "/", v[1]);
  }
  if (v[2] < 0 && v[0] < v[1]) {
    return InvalidArgument("Requires start >= limit when delta < 0: ", v[0],
                           "/", v[1]);
  }
  if (start.dtype() == kInt32 || start.dtype() == kInt64) {
    const uint64_t distance =
        n[2] > 0 ? static_cast<uint64_t>(n[1]) - static_cast<uint64_t>(n[0])
                 : static_cast<uint64_t>(n[0]) - static_cast<uint64_t>(n[1]);
    const uint64_t step = n[2] > 0 ? static_cast<uint64_t>(n[2])
                                   : uint64_t{0} - static_cast<uint64_t>(n[2]);
    const uint64_t length = distance / step + (distance % step != 0);
    if (length > uint64_t{1} << 62) {
      return InvalidArgument("Requires fewer elements than ", length);
    }
    return static_cast<int64_t>(length);
  }
  const double length = std::ceil(std::abs((v[1] - v[0]) / v[2]));
  if (!(length < 0x1p62)) {
    return InvalidArgument("Requires finite start, limit and delta, got ", v[0],
                           ", ", v[1], ", ", v[2]);
  }
  return static_cast<int64_t>(length);
}

Status RangeShape(ShapeContext& c) {
  for (int i = 0; i < 3; ++i) LS_RETURN_IF_ERROR(c.WithRank(i, 0).status());
  if (!c.InputValue(0) || !c.InputValue(1) || !c.InputValue(2)) {
    return c.SetOutput(0, Shape{kUnknownDim});
  }
  LS_ASSIGN_OR_RETURN(
      int64_t n, Length(*c.InputValue(0), *c.InputValue(1), *c.InputValue(2)));
  return c.SetOutput(0, Shape{n});
}

template <class T>
Status RangeCpu(KernelContext& k) {
  using V = std::conditional_t<kIsFloat<T>, double, ArithmeticType<T>>;
  const V start = static_cast<V>(k.in<T>(0)[0]);
  const V delta = static_cast<V>(k.in<T>(2)[0]);
  T* y = k.out<T>(0);
  const int64_t n = k.output(0).NumElements();
  for (int64_t i = 0; i < n; ++i) {
    const V v = start + static_cast<V>(i) * delta;
    if constexpr (kIsFloat16<T>) {
      y[i] = T(static_cast<float>(v));
    } else {
      y[i] = static_cast<T>(v);
    }
  }
  return Ok();
}

Status LinSpaceShape(ShapeContext& c) {
  for (int i = 0; i < 3; ++i) LS_RETURN_IF_ERROR(c.WithRank(i, 0).status());
  LS_ASSIGN_OR_RETURN(std::optional<int64_t> num, InputInt(c, 2));
  if (num && *num <= 0) {
    return InvalidArgument("Requires num > 0: ", *num);
  }
  return c.SetOutput(0, Shape{num.value_or(kUnknownDim)});
}

template <class T>
Status LinSpaceCpu(KernelContext& k) {
  const double start = static_cast<double>(k.in<T>(0)[0]);
  const double stop = static_cast<double>(k.in<T>(1)[0]);
  T* y = k.out<T>(0);
  const int64_t last = k.output(0).NumElements() - 1;
  for (int64_t i = 0; i < last; ++i) {
    const double part = static_cast<double>(i) / static_cast<double>(last);
    y[i] = T(static_cast<ValueType<T>>(start + (stop - start) * part));
  }
  y[last] = last == 0 ? k.in<T>(0)[0] : k.in<T>(1)[0];
  return Ok();
}

LOCKSTEP_OP("LinSpace")
    .Input("start: T")
    .Input("stop: T")
    .Input("num: Tidx")
    .Output("output: T")
    .Attr("T: floattype")
    .Attr("Tidx: {int32, int64} = DT_INT32")
    .Shape(LinSpaceShape)
    .NoGradient()
    .NeedsValue({2})
    .Kernels<LS_FLOAT_TYPES>(kCpu, []<class T>() {
      return KernelDef{LinSpaceCpu<T>, nullptr, {"start", "stop", "num"}};
    });
LOCKSTEP_OP("Range")
    .Input("start: Tidx")
    .Input("limit: Tidx")
    .Input("delta: Tidx")
    .Output("output: Tidx")
    .Attr("Tidx: realnumbertype = DT_INT32")
    .Shape(RangeShape)
    .NoGradient()
    .NeedsValue({0, 1, 2})
    .Kernels<LS_REAL_TYPES>(
        kCpu,
        []<class T>() {
          return KernelDef{
              RangeCpu<T>, nullptr, {"start", "limit", "delta", "output"}};
        },
        "Tidx");

}  // namespace

namespace ops {

Output Range(const Scope& scope, const Input& start, const Input& limit,
             const Input& delta) {
  // Values take the dtype of whichever operand is none.
  DType type = start.dtype();
  for (const Input* i : {&start, &limit, &delta}) {
    if (!i->is_value()) type = i->dtype();
  }
  return scope.Op("Range")
      .In(start.Resolve(scope, type))
      .In(limit.Resolve(scope, type))
      .In(delta.Resolve(scope, type))
      .Out();
}

Output LinSpace(const Scope& scope, const Input& start, const Input& stop,
                const Input& num) {
  return scope.Op("LinSpace").InPair(start, stop).In(num).Out();
}

}  // namespace ops
}  // namespace lockstep
