// SPDX-License-Identifier: Apache-2.0

// CountUpTo, ResourceCountUpTo: an integer scalar's value, which then grows by
// 1.   ref: a variable [], int32|int64   output: []
// At attribute "limit" or above: OUT_OF_RANGE, and the variable stays.

#include "ops/state/state.h"
#include "ops/state/variable_input.h"
#include "runtime/op/shape_context.h"

namespace lockstep {
namespace {

Status CountShape(ShapeContext& c) {
  LS_RETURN_IF_ERROR(c.WithRank(0, 0).status());
  return c.SetOutput(0, Shape{});
}

Status CountPrepare(PrepareContext& p) {
  p.MakeState<int64_t>(p.Attr<int64_t>("limit"));
  return RequireVariable(p);
}

template <class T>
Status CountCpu(KernelContext& k) {
  const Tensor& value = k.variable(0).value();
  if (!value.shape().IsScalar()) {
    return InvalidArgument("input is not a scalar: ", value.shape());
  }
  T* counter = k.variable(0).data<T>();
  const int64_t limit = k.state<int64_t>();
  if (*counter >= limit) return OutOfRange("Reached limit of ", limit);
  *k.out<T>(0) = *counter;
  ++*counter;
  return Ok();
}

OpBuilder CountOp(const char* name, const char* input) {
  OpBuilder b(name);
  b.Input(input)
      .Output("output: T")
      .Attr("limit: int")
      .Attr("T: {int32, int64}")
      .Shape(CountShape)
      .NoGradient()
      .Stateful()
      .Kernels<int32_t, int64_t>(kCpu, []<class T>() {
        return KernelDef{CountCpu<T>, CountPrepare};
      });
  return b;
}

const OpRegistrar kCountUpTo = CountOp("CountUpTo", "ref: Ref(T)");
const OpRegistrar kResourceCountUpTo =
    CountOp("ResourceCountUpTo", "resource: resource");

}  // namespace

Output ops::CountUpTo(const Scope& scope, const Input& variable,
                      int64_t limit) {
  const Output v = variable.Resolve(scope);
  if (!v.defined()) return {};
  const bool resource = v.dtype() == kResource;
  return scope.Op(resource ? "ResourceCountUpTo" : "CountUpTo")
      .In(v)
      .Attr("T", VariableDType(v))
      .Attr("limit", limit)
      .Out();
}

}  // namespace lockstep
