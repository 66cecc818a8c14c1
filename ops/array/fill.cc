// SPDX-License-Identifier: Apache-2.0

// Fill, ZerosLike, OnesLike.
//   Fill: dims [rank] int32|int64, value [] T  ->  output: T of shape dims
//   ZerosLike, OnesLike: x: T  ->  y: same shape (ZerosLike of strings: empty)
// Gradient of Fill: dvalue = sum(dy).

#include <algorithm>
#include <cstring>

#include "ops/array/array.h"
#include "ops/array/element_unit.h"
#include "ops/math/elementwise.h"
#include "ops/reduce/reduce.h"
#include "runtime/core/object.h"
#include "runtime/device/stream.h"
#include "runtime/graph/gradients.h"
#include "runtime/op/shape_context.h"

namespace lockstep {
namespace {

Status FillShape(ShapeContext& c) {
  LS_RETURN_IF_ERROR(c.WithRank(0, 1).status());
  LS_RETURN_IF_ERROR(c.WithRank(1, 0).status());
  LS_ASSIGN_OR_RETURN(Shape shape, c.InputAsShape(0));
  LS_ASSIGN_OR_RETURN(const auto dims, c.InputInts(0));
  if (dims && !shape.IsFullyKnown()) {
    return InvalidArgument("Dimension ", std::ranges::min(*dims),
                           " must be >= 0");
  }
  return c.SetOutput(0, shape);
}

template <class U>
Status FillCpu(KernelContext& k) {
  const U value = k.in<U>(1)[0];
  U* y = k.out<U>(0);
  ParallelFor(k.output(0).NumElements(), kCheapGrain,
              [&](int64_t begin, int64_t end) {
                std::fill(y + begin, y + end, value);
              });
  return Ok();
}

Status ZerosCpu(KernelContext& k) {
  Tensor& y = k.output(0);
  if (y.dtype() == kString) {
    LS_ASSIGN_OR_RETURN(Tensor empty,
                        Tensor::Make(kString, k.input(0).shape()));
    k.SetOutput(0, std::move(empty));
  } else if (IsObject(y.dtype())) {
    const auto x = k.input(0).flat<ObjectRef>();
    for (size_t i = 0; i < x.size(); ++i) {
      if (!x[i]) continue;
      LS_ASSIGN_OR_RETURN(y.flat<ObjectRef>()[i], x[i]->Zeros());
    }
  } else {
    return ClearBytes(y.data(), y.bytes(), k.stream());
  }
  return Ok();
}

template <class T>
Status OnesCpu(KernelContext& k) {
  T* y = k.out<T>(0);
  const T one = static_cast<T>(1.0f);
  ParallelFor(
      k.output(0).NumElements(), kCheapGrain,
      [&](int64_t begin, int64_t end) { std::fill(y + begin, y + end, one); });
  return Ok();
}

Status FillGradient(GradContext& g) {
  const Scope& s = g.scope();
  const Output flat = ops::Reshape(s, g.dy(0), {-1});
  return g.SetDx(1, ops::Sum(s, flat, {0}));
}

LOCKSTEP_OP("Fill")
    .Input("dims: index_type")
    .Input("value: T")
    .Output("output: T")
    .Attr("T: type")
    .Attr("index_type: {int32, int64} = DT_INT32")
    .Shape(FillShape)
    .Gradient(FillGradient)
    .NeedsValue({0})
    .Kernels<LS_ANY_TYPES>(kCpu, []<class T>() {
      return KernelDef{FillCpu<ElementUnit<T>>, nullptr, {"dims"}};
    });
LOCKSTEP_OP("ZerosLike")
    .Input("x: T")
    .Output("y: T")
    .Attr("T: type")
    .Shape(UnchangedShape)
    .NoGradient()
    .InPlace(0, 0)
    .Kernel(kCpu, {ZerosCpu});
LOCKSTEP_OP("OnesLike")
    .Input("x: T")
    .Output("y: T")
    .Attr("T: type")
    .Shape(UnchangedShape)
    .NoGradient()
    .InPlace(0, 0)
    .Kernels<LS_NUMBER_TYPES, bool>(kCpu, []<class T>() {
      return KernelDef{OnesCpu<T>};
    });

}  // namespace

namespace ops {

Output Fill(const Scope& scope, const Input& dims, const Input& value) {
  return scope.Op("Fill").In(dims).In(value).Out();
}
Output ZerosLike(const Scope& scope, const Input& x) {
  return scope.Op("ZerosLike").In(x).Out();
}
Output OnesLike(const Scope& scope, const Input& x) {
  return scope.Op("OnesLike").In(x).Out();
}

}  // namespace ops
}  // namespace lockstep
