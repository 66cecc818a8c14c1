// SPDX-License-Identifier: Apache-2.0

// Const, Placeholder, PlaceholderWithDefault, Identity, IdentityN,
// StopGradient, PreventGradient, NoOp, ControlTrigger.
// The outputs of Identity and its like share their inputs' memory.

#include "ops/array/array.h"
#include "runtime/graph/gradients.h"
#include "runtime/op/kernel.h"
#include "runtime/op/shape_context.h"

namespace lockstep {
namespace {

Status ConstShape(ShapeContext& c) {
  const Tensor& value = c.Attr<Tensor>("value");
  const DType dtype = c.Attr<DType>("dtype");
  if (value.dtype() != dtype) {
    return InvalidArgument("attribute value is ", DTypeName(value.dtype()),
                           ", attribute dtype is ", DTypeName(dtype));
  }
  c.SetOutputValue(0, value);
  return Ok();
}

// Attribute "shape" is what a fed value and the default have to fit; the
// output may be another one each time.
Status DefaultShape(ShapeContext& c) {
  const Shape& wanted = c.Attr<Shape>("shape");
  LS_RETURN_IF_ERROR(Shape::Merge(c.Input(0), wanted).status());
  return c.SetOutput(0, wanted);
}

Status DefaultCpu(KernelContext& k) {
  LS_RETURN_IF_ERROR(k.AllocateOutput(0, Shape(k.input(0).shape())));
  k.output(0).CopyFrom(k.input(0));
  return Ok();
}

Status PassGradient(GradContext& g) { return g.SetDx(0, g.dy(0)); }

Status ManyPassGradient(GradContext& g) {
  for (int i = 0; i < g.num_inputs(); ++i) {
    if (g.has_dy(i)) LS_RETURN_IF_ERROR(g.SetDx(i, g.dy(i)));
  }
  return Ok();
}

Status PreventedGradient(GradContext& g) {
  return InvalidArgument("gradient explicitly disabled: ",
                         g.Attr<std::string>("message"));
}

Status SameAsInputs(ShapeContext& c) {
  for (int i = 0; i < c.num_inputs(); ++i) {
    LS_RETURN_IF_ERROR(c.SetOutput(i, c.Input(i)));
    if (const Tensor* v = c.InputValue(i)) c.SetOutputValue(i, *v);
  }
  return Ok();
}

Status IdentityNCpu(KernelContext& k) {
  for (int i = 0; i < k.num_outputs(); ++i) k.output(i).CopyFrom(k.input(i));
  return Ok();
}

Status DoNothing(KernelContext&) { return Ok(); }

LOCKSTEP_OP("Const")
    .Output("output: dtype")
    .Attr("value: tensor")
    .Attr("dtype: type")
    .Shape(ConstShape)
    .NoGradient()
    .With([](OpTraits& t) { t.constant = true; });

LOCKSTEP_OP("Placeholder")
    .Output("output: dtype")
    .Attr("dtype: type")
    .Attr("shape: shape = unknown")
    .Shape(ShapeFromAttr)
    .NoGradient()
    .With([](OpTraits& t) { t.placeholder = true; });

LOCKSTEP_OP("PlaceholderWithDefault")
    .Input("input: dtype")
    .Output("output: dtype")
    .Attr("dtype: type")
    .Attr("shape: shape")
    .Shape(DefaultShape)
    .Gradient(PassGradient)
    .With([](OpTraits& t) { t.placeholder = true; })
    .Kernel(kCpu, {DefaultCpu});

LOCKSTEP_OP("Identity")
    .Input("input: T")
    .Output("output: T")
    .Attr("T: type")
    .Shape(SameAsInputs)
    .Gradient(PassGradient)
    .Alias(0, 0);

LOCKSTEP_OP("Snapshot")
    .Input("input: T")
    .Output("output: T")
    .Attr("T: type")
    .Shape(SameAsInputs)
    .Gradient(PassGradient)
    .Alias(0, 0);

LOCKSTEP_OP("GuaranteeConst")
    .Input("input: T")
    .Output("output: T")
    .Attr("T: type")
    .Shape(SameAsInputs)
    .NoGradient()
    .Stateful()
    .Alias(0, 0);

LOCKSTEP_OP("StopGradient")
    .Input("input: T")
    .Output("output: T")
    .Attr("T: type")
    .Shape(SameAsInputs)
    .NoGradient()
    .Alias(0, 0);

LOCKSTEP_OP("PreventGradient")
    .Input("input: T")
    .Output("output: T")
    .Attr("T: type")
    .Attr("message: string = ''")
    .Shape(SameAsInputs)
    .Gradient(PreventedGradient)
    .Alias(0, 0);

LOCKSTEP_OP("IdentityN")
    .Input("input: T")
    .Output("output: T")
    .Attr("T: list(type) >= 1")
    .Shape(SameAsInputs)
    .Gradient(ManyPassGradient)
    .Kernel(kCpu, {IdentityNCpu});

LOCKSTEP_OP("NoOp").Shape(NoOutputs).Kernel(kCpu, {DoNothing});
LOCKSTEP_OP("ControlTrigger").Shape(NoOutputs).Kernel(kCpu, {DoNothing});

}  // namespace

namespace ops {

Output Const(const Scope& scope, const Tensor& value) {
  return scope.Op("Const")
      .Attr("dtype", value.dtype())
      .Attr("value", value)
      .Out();
}
Output Placeholder(const Scope& scope, DType dtype,
                   const lockstep::Shape& shape) {
  return scope.Op("Placeholder")
      .Attr("dtype", dtype)
      .Attr("shape", shape)
      .Out();
}
Output PlaceholderWithDefault(const Scope& scope, const Input& input,
                              const lockstep::Shape& shape) {
  return scope.Op("PlaceholderWithDefault")
      .In(input)
      .Attr("shape", shape)
      .Out();
}
Output Identity(const Scope& scope, const Input& input) {
  return scope.Op("Identity").In(input).Out();
}
std::vector<Output> IdentityN(const Scope& scope,
                              const std::vector<Output>& inputs) {
  return scope.Op("IdentityN").In(inputs).Outs();
}
Output StopGradient(const Scope& scope, const Input& input) {
  return scope.Op("StopGradient").In(input).Out();
}
Node* NoOp(const Scope& scope, const std::vector<Node*>& after) {
  NodeBuilder node = scope.Op("NoOp");
  for (Node* n : after) node.ControlInput(n);
  return node.Build();
}

}  // namespace ops
}  // namespace lockstep
