// SPDX-License-Identifier: Apache-2.0
#pragma once

// TensorList: a list of tensors as a value; what the TensorList ops share.

#include "ops/control/object.h"
#include "runtime/op/shape_context.h"

namespace lockstep {

inline constexpr int64_t kMaxListLength = int64_t{1} << 30;

struct TensorList final : Object {
  DType dtype = kInvalidType;
  Shape element_shape = Shape::Unknown();
  int64_t max_length = -1;
  std::vector<Tensor> elements;  // undefined: not set

  std::string DebugString() const override {
    return StrCat("list of ", elements.size(), " ", DTypeName(dtype));
  }
  Result<ObjectRef> Zeros() const override;
  // Element by element; one that is not set counts as zeros.
  Result<ObjectRef> Plus(const Object& other) const override;

  // INVALID_ARGUMENT unless the value may be an element.
  Status CheckElement(const Tensor& value) const;
  // An element, zeros where it was not set; `hint` tells what is known of its
  // shape.
  Result<Tensor> Element(int64_t index, const Shape& hint) const;
};

// The list in input i.
Result<TensorList*> ListOf(KernelContext& k, int i);
// An empty one of attribute "element_dtype".
std::shared_ptr<TensorList> NewList(const KernelContext& k, const Shape& shape);
// A shape given as a tensor; -1 alone: of unknown rank.
Result<Shape> ListShape(const Tensor& t);

// For registrations, none of which has a gradient here.
OpBuilder ListOp(const char* name);
// Made from a list: "input_handle" and more inputs.
OpBuilder FromList(const char* name);
// Outputs a list: a scalar.
OpBuilder& ToList(OpBuilder& b, const char* output = "output_handle: variant");
OpBuilder& ShapeTyped(OpBuilder& b);

}  // namespace lockstep
