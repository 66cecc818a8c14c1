// SPDX-License-Identifier: Apache-2.0
#pragma once

// ShapeContext: what a shape rule sees and sets.
//
// The same rule runs while a graph is built (shapes perhaps partial, values
// perhaps unknown), at plan time (specialised on the feeds) and, for dynamic
// steps, as they run. A rule must accept unknown shapes and answer with what
// can be said. Messages need not name the node: the caller adds it.
//
//   Status MatMulShape(ShapeContext& c) {
//     LS_ASSIGN_OR_RETURN(Shape a, c.WithRank(0, 2));
//     LS_ASSIGN_OR_RETURN(Shape b, c.WithRank(1, 2));
//     ...
//     return c.SetOutput(0, Shape{a.dim(0), b.dim(1)});
//   }

#include <span>
#include <vector>

#include "runtime/op/attr.h"
#include "runtime/op/op_def.h"

namespace lockstep {

class ShapeContext {
 public:
  // `values[i]` is null when input i's value is unknown. The spans and the map
  // must outlive the context.
  ShapeContext(const OpDef& def, const AttrMap& attrs,
               std::span<const Shape> inputs,
               std::span<const Tensor* const> values, int num_outputs);

  const OpDef& def() const { return def_; }
  int num_inputs() const { return static_cast<int>(inputs_.size()); }
  int num_outputs() const { return static_cast<int>(outputs_.size()); }
  const Shape& Input(int i) const { return inputs_[static_cast<size_t>(i)]; }
  // Null when not known at this time.
  const Tensor* InputValue(int i) const {
    return values_[static_cast<size_t>(i)];
  }
  // Input i's value as integers; empty optional when not known,
  // INVALID_ARGUMENT when it is no int32/int64 tensor of rank <= 1.
  Result<std::optional<std::vector<int64_t>>> InputInts(int i) const;
  // A shape given as the value of input i (a vector, -1 = unknown); of unknown
  // rank when the value is not known, of known rank if the length is.
  Result<Shape> InputAsShape(int i) const;

  const AttrMap& attrs() const { return attrs_; }
  // Requires the attribute to exist with that kind (CheckAttrs saw to it).
  template <class T>
  const T& Attr(std::string_view name) const {
    return *attrs_.find(name)->second.template get_if<T>();
  }

  // "input 0 'features'", for messages; any input of a sequence argument has
  // the argument's name.
  std::string InputText(int i) const;

  // Input i merged with "some shape of this rank"; INVALID_ARGUMENT
  // "input 0 'a' must have rank 2, has shape [3]".
  Result<Shape> WithRank(int i, int rank) const;
  Result<Shape> WithRankAtLeast(int i, int rank) const;

  Status SetOutput(int i, const Shape& shape) {
    outputs_[static_cast<size_t>(i)] = shape;
    return Ok();
  }
  // Known without running a kernel (Shape, Rank, Size ...). Sets the shape too.
  void SetOutputValue(int i, Tensor value);

  const std::vector<Shape>& outputs() const { return outputs_; }
  const std::vector<Tensor>& output_values() const { return output_values_; }

 private:
  const OpDef& def_;
  const AttrMap& attrs_;
  std::span<const Shape> inputs_;
  std::span<const Tensor* const> values_;
  std::vector<Shape> outputs_;
  std::vector<Tensor> output_values_;  // undefined where unknown
};

// Rules that many ops share.
Status UnchangedShape(ShapeContext& c);  // every output = input 0
Status BroadcastShape(ShapeContext& c);  // output 0 = inputs 0 and 1
Status ScalarShape(ShapeContext& c);     // every output is a scalar
Status UnknownShape(ShapeContext& c);    // nothing can be said
Status NoOutputs(ShapeContext& c);
// All inputs must have compatible shapes; output 0 = their merge.
Status SameShapes(ShapeContext& c);
// Output 0 has the shape of attribute "shape".
Status ShapeFromAttr(ShapeContext& c);

}  // namespace lockstep
