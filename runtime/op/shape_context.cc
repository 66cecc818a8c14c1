// SPDX-License-Identifier: Apache-2.0
#include "runtime/op/shape_context.h"

namespace lockstep {

ShapeContext::ShapeContext(const OpDef& def, const AttrMap& attrs,
                           std::span<const Shape> inputs,
                           std::span<const Tensor* const> values,
                           int num_outputs)
    : def_(def),
      attrs_(attrs),
      inputs_(inputs),
      values_(values),
      outputs_(static_cast<size_t>(num_outputs), Shape::Unknown()),
      output_values_(static_cast<size_t>(num_outputs)) {}

Result<std::optional<std::vector<int64_t>>> ShapeContext::InputInts(
    int i) const {
  using Ints = std::optional<std::vector<int64_t>>;
  const Tensor* value = InputValue(i);
  if (!value) return Ints();
  if (value->shape().rank() > 1) {
    return InvalidArgument(InputText(i),
                           " must be a vector of integers, has "
                           "shape ",
                           value->shape());
  }
  LS_ASSIGN_OR_RETURN(std::vector<int64_t> ints, ToInt64s(*value));
  return Ints(std::move(ints));
}

Result<Shape> ShapeContext::InputAsShape(int i) const {
  LS_ASSIGN_OR_RETURN(auto ints, InputInts(i));
  if (ints) {
    return Shape::Make(*ints).ok()
               ? Shape::Make(*ints)
               : Result<Shape>(
                     Shape::Make(*ints).status().WithContext(InputText(i)));
  }
  const Shape& vector = Input(i);
  if (!vector.HasRank()) return Shape::Unknown();
  if (vector.rank() != 1) {
    return InvalidArgument(InputText(i), " must be a vector, has shape ",
                           vector);
  }
  if (vector.dim(0) < 0) return Shape::Unknown();
  if (vector.dim(0) > Shape::kMaxRank) {
    return InvalidArgument(InputText(i), " asks for ", vector.dim(0),
                           " dimensions, at most ", Shape::kMaxRank,
                           " are supported");
  }
  return Shape::UnknownOfRank(static_cast<int>(vector.dim(0)));
}

std::string ShapeContext::InputText(int i) const {
  for (int a = 0; a < static_cast<int>(def_.inputs.size()); ++a) {
    auto range = ArgRange(def_, def_.inputs, attrs_, a);
    if (range.ok() && i >= range->first && i < range->first + range->second) {
      return StrCat("input ", i, " '", def_.inputs[static_cast<size_t>(a)].name,
                    "'");
    }
  }
  return StrCat("input ", i);
}

Result<Shape> ShapeContext::WithRank(int i, int rank) const {
  const Shape& shape = Input(i);
  if (!shape.HasRank()) return Shape::UnknownOfRank(rank);
  if (shape.rank() != rank) {
    return InvalidArgument(InputText(i), " must have rank ", rank,
                           ", has shape ", shape);
  }
  return shape;
}

Result<Shape> ShapeContext::WithRankAtLeast(int i, int rank) const {
  const Shape& shape = Input(i);
  if (shape.HasRank() && shape.rank() < rank) {
    return InvalidArgument(InputText(i), " must have rank at least ", rank,
                           ", has shape ", shape);
  }
  return shape;
}

void ShapeContext::SetOutputValue(int i, Tensor value) {
  outputs_[static_cast<size_t>(i)] = value.shape();
  output_values_[static_cast<size_t>(i)] = std::move(value);
}

Status UnchangedShape(ShapeContext& c) {
  for (int i = 0; i < c.num_outputs(); ++i) {
    LS_RETURN_IF_ERROR(c.SetOutput(i, c.Input(0)));
  }
  return Ok();
}

Status BroadcastShape(ShapeContext& c) {
  LS_ASSIGN_OR_RETURN(Shape s, Shape::Broadcast(c.Input(0), c.Input(1)));
  return c.SetOutput(0, s);
}

Status ScalarShape(ShapeContext& c) {
  for (int i = 0; i < c.num_outputs(); ++i) {
    LS_RETURN_IF_ERROR(c.SetOutput(i, Shape{}));
  }
  return Ok();
}

Status UnknownShape(ShapeContext&) { return Ok(); }
Status NoOutputs(ShapeContext&) { return Ok(); }

Status SameShapes(ShapeContext& c) {
  Shape merged = c.Input(0);
  for (int i = 1; i < c.num_inputs(); ++i) {
    Result<Shape> m = Shape::Merge(merged, c.Input(i));
    if (!m.ok()) {
      return InvalidArgument("Inputs to operation of type ", c.def().name,
                             " must have the same size and shape.  Input 0: ",
                             merged, " != input ", i, ": ", c.Input(i));
    }
    merged = *m;
  }
  return c.SetOutput(0, merged);
}

Status ShapeFromAttr(ShapeContext& c) {
  return c.SetOutput(0, c.Attr<Shape>("shape"));
}

}  // namespace lockstep
