// SPDX-License-Identifier: Apache-2.0

// Assign, AssignAdd, AssignSub: write a variable; the output is its reference.
//   ref: a reference   value: its dtype and shape (Assign with
//   validate_shape=false: any shape)   output_ref: the same reference
// AssignAddVariableOp, AssignSubVariableOp: the latter two of a resource.

#include "ops/math/elementwise.h"
#include "ops/state/state.h"
#include "ops/state/variable_input.h"
#include "runtime/op/shape_context.h"

namespace lockstep {
namespace {

Status AssignShape(ShapeContext& c) {
  if (!c.Attr<bool>("validate_shape")) return c.SetOutput(0, c.Input(1));
  Result<Shape> merged = Shape::Merge(c.Input(0), c.Input(1));
  if (!merged.ok()) {
    return InvalidArgument("Assign requires shapes of both tensors to match. ",
                           "lhs shape= ", c.Input(0),
                           " rhs shape= ", c.Input(1));
  }
  return c.SetOutput(0, *merged);
}

Status UpdateShape(ShapeContext& c) {
  const Result<Shape> merged = Shape::Merge(c.Input(0), c.Input(1));
  if (!merged.ok()) {
    return InvalidArgument("Parameters and update must be the same size: ",
                           c.Input(0), " and ", c.Input(1));
  }
  return c.num_outputs() > 0 ? c.SetOutput(0, *merged) : Ok();
}

Status AssignCpu(KernelContext& k) { return k.variable(0).Assign(k.input(1)); }

struct PlusFn {
  template <class T>
  static T Apply(T a, T b) {
    using C = ArithmeticType<T>;
    return static_cast<T>(static_cast<C>(a) + static_cast<C>(b));
  }
};
struct MinusFn {
  template <class T>
  static T Apply(T a, T b) {
    using C = ArithmeticType<T>;
    return static_cast<T>(static_cast<C>(a) - static_cast<C>(b));
  }
};

template <class F, class T>
Status UpdateCpu(KernelContext& k) {
  Tensor& ref = k.variable(0).value();
  if (ref.shape() != k.input(1).shape()) {
    return InvalidArgument(
        "Parameters and update must be the same size: ", "variable has shape ",
        ref.shape(), ", value has ", k.input(1).shape());
  }
  T* y = k.variable(0).data<T>();
  const T* x = k.in<T>(1);
  ParallelFor(ref.NumElements(), kCheapGrain, [&](int64_t begin, int64_t end) {
    detail::BinaryRun<F, T, T>(y + begin, 1, x + begin, 1, y + begin,
                               end - begin);
  });
  return Ok();
}

LOCKSTEP_OP("Assign")
    .Input("ref: Ref(T)")
    .Input("value: T")
    .Output("output_ref: Ref(T)")
    .Attr("T: type")
    .Attr("validate_shape: bool = true")
    .Attr("use_locking: bool = true")
    .Shape(AssignShape)
    .NoGradient()
    .Stateful()
    .With([](OpTraits& t) {
      t.assigns = true;
      t.allows_uninitialized = true;
    })
    .Kernel(kCpu, {AssignCpu});
// As AssignAdd, or as AssignAddVariableOp.
template <class F>
OpBuilder UpdateOp(const char* name) {
  OpBuilder b(name);
  b.Input("ref: Ref(T)")
      .Input("value: T")
      .Output("output_ref: Ref(T)")
      .Attr("T: numbertype")
      .Attr("use_locking: bool = false")
      .Shape(UpdateShape)
      .NoGradient()
      .Stateful()
      .template Kernels<LS_NUMBER_TYPES>(
          kCpu, []<class T>() { return KernelDef{UpdateCpu<F, T>}; });
  return b;
}
template <class F>
OpBuilder UpdateResourceOp(const char* name) {
  OpBuilder b(name);
  b.Input("resource: resource")
      .Input("value: dtype")
      .Attr("dtype: numbertype")
      .Shape(UpdateShape)
      .NoGradient()
      .Stateful()
      .template Kernels<LS_NUMBER_TYPES>(
          kCpu,
          []<class T>() {
            return KernelDef{UpdateCpu<F, T>, RequireVariable};
          },
          "dtype");
  return b;
}

const OpRegistrar kAssignAdd = UpdateOp<PlusFn>("AssignAdd");
const OpRegistrar kAssignSub = UpdateOp<MinusFn>("AssignSub");
const OpRegistrar kAssignAddVariableOp =
    UpdateResourceOp<PlusFn>("AssignAddVariableOp");
const OpRegistrar kAssignSubVariableOp =
    UpdateResourceOp<MinusFn>("AssignSubVariableOp");

Output Update(const Scope& scope, const char* op, const Input& variable,
              const Input& value) {
  const Output ref = variable.Resolve(scope);
  if (!ref.defined()) return {};
  const bool resource = ref.dtype() == kResource;
  Node* node = scope.Op(StrCat(op, resource ? "VariableOp" : ""))
                   .In(ref)
                   .In(value.Resolve(scope, ops::VariableDType(ref)))
                   .Build();
  return ops::AfterUpdate(scope, node, ref);
}

}  // namespace

namespace ops {

Output Assign(const Scope& scope, const Input& ref, const Input& value,
              bool validate_shape) {
  const Output target = ref.Resolve(scope);
  if (!target.defined()) return {};
  const Output source = value.Resolve(scope, BaseOf(target.dtype()));
  return scope.Op("Assign")
      .In(target)
      .In(source)
      .Attr("validate_shape", validate_shape)
      .Out();
}
Output AssignAdd(const Scope& scope, const Input& variable,
                 const Input& value) {
  return Update(scope, "AssignAdd", variable, value);
}
Output AssignSub(const Scope& scope, const Input& variable,
                 const Input& value) {
  return Update(scope, "AssignSub", variable, value);
}

}  // namespace ops
}  // namespace lockstep
