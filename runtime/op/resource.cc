// SPDX-License-Identifier: Apache-2.0
#include "runtime/op/resource.h"

namespace lockstep {

Status Variable::Allocate(const Shape& shape) {
  if (value_.defined() && value_.shape() == shape) return Ok();
  if (!declared_.IsCompatibleWith(shape)) {
    return InvalidArgument("variable '", name_, "' has shape ", declared_,
                           ", cannot hold ", shape);
  }
  if (value_.defined() && value_.NumElements() == shape.NumElements()) {
    LS_ASSIGN_OR_RETURN(value_, value_.Reshaped(shape));
    return Ok();
  }
  LS_ASSIGN_OR_RETURN(value_, Tensor::Make(dtype_, shape, allocator_.get()));
  return Ok();
}

Status Variable::Assign(const Tensor& value) {
  if (value.dtype() != dtype_) {
    return InvalidArgument("variable '", name_, "' has dtype ",
                           DTypeName(dtype_), ", assigned value has ",
                           DTypeName(value.dtype()));
  }
  LS_RETURN_IF_ERROR(Allocate(value.shape()));
  if (value_.data() != value.data()) value_.CopyFrom(value);
  initialized_ = true;
  return Ok();
}

Result<Variable*> VariableStore::GetOrCreate(
    std::string_view name, DType dtype, const Shape& declared,
    std::shared_ptr<Allocator> allocator) {
  if (Variable* v = Find(name)) {
    if (v->dtype() != dtype || !(v->declared_shape() == declared)) {
      return InvalidArgument("variable '", name, "' exists as ",
                             DTypeName(v->dtype()), " ", v->declared_shape(),
                             ", asked for as ", DTypeName(dtype), " ",
                             declared);
    }
    if (v->allocator() != allocator.get()) {
      return InvalidArgument("variable '", name, "' exists on another device");
    }
    return v;
  }
  auto v = std::make_unique<Variable>(std::string(name), dtype, declared,
                                      std::move(allocator));
  Variable* ptr = v.get();
  variables_.emplace(std::string(name), std::move(v));
  return ptr;
}

Variable* VariableStore::Find(std::string_view name) {
  auto it = variables_.find(name);
  return it == variables_.end() ? nullptr : it->second.get();
}

}  // namespace lockstep
