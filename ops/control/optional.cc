// SPDX-License-Identifier: Apache-2.0

// OptionalFromValue, OptionalNone, OptionalHasValue, OptionalGetValue: a list
// of tensors or nothing. A branch that is taken hands its intermediate values
// to the gradient in one, the other branch hands nothing.
//   components: the tensors   optional: variant []

#include "ops/control/object.h"
#include "runtime/op/shape_context.h"

namespace lockstep {
namespace {

struct Optional final : Object {
  bool has_value = false;
  std::vector<Tensor> components;
  std::string DebugString() const override {
    return has_value ? StrCat("optional of ", components.size())
                     : std::string("empty optional");
  }
  Result<ObjectRef> Zeros() const override;
  Result<ObjectRef> Plus(const Object& other) const override;
};

Result<ObjectRef> Optional::Zeros() const {
  auto zeros = std::make_shared<Optional>(*this);
  for (Tensor& c : zeros->components) {
    LS_ASSIGN_OR_RETURN(c, ZerosLike(c));
  }
  return ObjectRef(std::move(zeros));
}

Result<ObjectRef> Optional::Plus(const Object& other) const {
  const auto* b = dynamic_cast<const Optional*>(&other);
  if (!b || b->has_value != has_value ||
      b->components.size() != components.size()) {
    return InvalidArgument("cannot add a ", other.DebugString(), " to a ",
                           DebugString());
  }
  auto sum = std::make_shared<Optional>(*this);
  for (size_t i = 0; i < components.size(); ++i) {
    sum->components[i] = components[i].Clone();
    LS_RETURN_IF_ERROR(AddInto(b->components[i], &sum->components[i]));
  }
  return ObjectRef(std::move(sum));
}

Status FromValue(KernelContext& k) {
  auto optional = std::make_shared<Optional>();
  optional->has_value = true;
  for (int i = 0; i < k.num_inputs(); ++i) {
    optional->components.push_back(k.input(i).Clone());
  }
  SetObject(k, 0, kVariant, std::move(optional));
  return Ok();
}

Status None(KernelContext& k) {
  SetObject(k, 0, kVariant, std::make_shared<Optional>());
  return Ok();
}

Status HasValue(KernelContext& k) {
  LS_ASSIGN_OR_RETURN(Optional * optional,
                      ObjectOf<Optional>(k, 0, "optional"));
  LS_RETURN_IF_ERROR(k.AllocateOutput(0, Shape{}));
  k.out<bool>(0)[0] = optional->has_value;
  return Ok();
}

Status GetValue(KernelContext& k) {
  LS_ASSIGN_OR_RETURN(Optional * optional,
                      ObjectOf<Optional>(k, 0, "optional"));
  if (!optional->has_value) {
    return InvalidArgument("The given optional does not have a value.");
  }
  const auto count = static_cast<size_t>(k.num_outputs());
  if (optional->components.size() != count) {
    return InvalidArgument("the optional has ", optional->components.size(),
                           " components, ", count, " are wanted");
  }
  const auto& types = *GetIf<std::vector<DType>>(k.attrs(), "output_types");
  for (size_t i = 0; i < count; ++i) {
    const Tensor& component = optional->components[i];
    if (component.dtype() != types[i]) {
      return InvalidArgument("component ", i, " of the optional is ",
                             DTypeName(component.dtype()), ", ",
                             DTypeName(types[i]), " is wanted");
    }
    k.SetOutput(static_cast<int>(i), component.Clone());
  }
  return Ok();
}

LOCKSTEP_OP("OptionalFromValue")
    .Input("components: Toutput_types")
    .Output("optional: variant")
    .Attr("Toutput_types: list(type) >= 1")
    .Shape(ScalarShape)
    .NoGradient()
    .Kernel(kCpu, {FromValue});

LOCKSTEP_OP("OptionalNone")
    .Output("optional: variant")
    .Shape(ScalarShape)
    .NoGradient()
    .Kernel(kCpu, {None});

LOCKSTEP_OP("OptionalHasValue")
    .Input("optional: variant")
    .Output("has_value: bool")
    .Shape(ScalarShape)
    .NoGradient()
    .Kernel(kCpu, {HasValue});

LOCKSTEP_OP("OptionalGetValue")
    .Input("optional: variant")
    .Output("components: output_types")
    .Attr("output_types: list(type) >= 1")
    .Attr("output_shapes: list(shape) >= 1")
    .Shape(UnknownShape)
    .NoGradient()
    .Kernel(kCpu, {GetValue});

}  // namespace
}  // namespace lockstep
