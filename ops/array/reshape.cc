// SPDX-License-Identifier: Apache-2.0

// Reshape, ExpandDims, Squeeze: the same elements under another shape; the
// output shares the input's memory.
// Gradient: dy under the input's shape.

#include <algorithm>

#include "ops/array/array.h"
#include "ops/array/axes.h"
#include "runtime/graph/gradients.h"
#include "runtime/op/shape_context.h"

namespace lockstep {
namespace {

// The value, too, when the input's is known.
Status SetReshaped(ShapeContext& c, const Shape& shape) {
  LS_RETURN_IF_ERROR(c.SetOutput(0, shape));
  const Tensor* v = c.InputValue(0);
  if (v != nullptr && shape.IsFullyKnown()) {
    LS_ASSIGN_OR_RETURN(Tensor reshaped, v->Reshaped(shape));
    c.SetOutputValue(0, std::move(reshaped));
  }
  return Ok();
}

// Nothing takes any shape with a zero. Where one is asked for, what is unknown
// becomes what it would be without the zeros, as in TensorFlow.
Result<Shape> FillInEmpty(const Shape& from, Shape wanted, int unknown) {
  int64_t elements = 1, known = 1;
  for (int64_t n : from.dims()) elements *= std::max<int64_t>(n, 1);
  for (int64_t n : wanted.dims()) known *= std::max<int64_t>(n, 1);
  if (from.NumElements() != 0 || elements % known != 0) {
    return InvalidArgument("reshape cannot infer the missing input size of ",
                           wanted, " from ", from);
  }
  wanted.set_dim(unknown, elements / known);
  return wanted;
}

// `wanted` has its one unknown dimension filled in from `from`, if it can be.
Result<Shape> FillIn(const Shape& from, Shape wanted) {
  int unknown = -1;
  int64_t known = 1;
  for (int d = 0; d < wanted.rank(); ++d) {
    if (wanted.dim(d) == kUnknownDim) {
      if (unknown >= 0) {
        return InvalidArgument("Only one input size may be -1, not both ",
                               unknown, " and ", d);
      }
      unknown = d;
    } else {
      known *= wanted.dim(d);
    }
  }
  const int64_t elements = from.NumElements();
  if (elements < 0) return wanted;
  if (unknown >= 0) {
    if (known == 0) return FillInEmpty(from, std::move(wanted), unknown);
    if (elements % known != 0) {
      return InvalidArgument(
          "Input to reshape is a tensor with ", elements,
          " values, but the requested shape requires a multiple of ", known);
    }
    wanted.set_dim(unknown, elements / known);
  } else if (known != elements) {
    return InvalidArgument("Input to reshape is a tensor with ", elements,
                           " values, but the requested shape has ", known);
  }
  return wanted;
}

Status ReshapeShape(ShapeContext& c) {
  LS_ASSIGN_OR_RETURN(auto dims, c.InputInts(1));
  if (!dims) {
    // A single number stands for a vector of it, as in TensorFlow.
    if (c.Input(1).IsScalar()) return c.SetOutput(0, Shape::UnknownOfRank(1));
    LS_ASSIGN_OR_RETURN(Shape wanted, c.InputAsShape(1));
    return c.SetOutput(0, wanted);
  }
  const auto below =
      std::ranges::find_if(*dims, [](int64_t n) { return n < kUnknownDim; });
  if (below != dims->end()) {
    return InvalidArgument("Size ", below - dims->begin(),
                           " must be non-negative, not ", *below);
  }
  LS_ASSIGN_OR_RETURN(Shape wanted, Shape::Make(*dims));
  LS_ASSIGN_OR_RETURN(Shape filled, FillIn(c.Input(0), wanted));
  return SetReshaped(c, filled);
}

Status ExpandDimsShape(ShapeContext& c) {
  LS_ASSIGN_OR_RETURN(std::optional<int64_t> axis, InputInt(c, 1));
  Shape s = c.Input(0);
  if (!s.HasRank()) return c.SetOutput(0, Shape::Unknown());
  if (s.rank() == Shape::kMaxRank) {
    return InvalidArgument("input 0 'input' has ", s.rank(),
                           " dimensions already");
  }
  if (!axis) return c.SetOutput(0, Shape::UnknownOfRank(s.rank() + 1));
  if (*axis < -s.rank() - 1 || *axis > s.rank()) {
    return InvalidArgument("Tried to expand dim index ", *axis,
                           " for tensor with ", s.rank(), " dimensions.");
  }
  LS_ASSIGN_OR_RETURN(int at, ResolveAxis(*axis, s.rank() + 1));
  s.InsertDim(at, 1);
  return SetReshaped(c, s);
}

Status SqueezeShape(ShapeContext& c) {
  const Shape& s = c.Input(0);
  if (!s.HasRank()) return c.SetOutput(0, Shape::Unknown());
  const auto& axes = c.Attr<std::vector<int64_t>>("squeeze_dims");
  AxisSet drop;
  for (int64_t a : axes) {
    if (a < -s.rank() || a >= s.rank()) {
      return InvalidArgument("Tried to squeeze dim index ", a,
                             " for tensor with ", s.rank(), " dimensions.");
    }
    LS_ASSIGN_OR_RETURN(int axis, ResolveAxis(a, s.rank()));
    if (s.dim(axis) != 1 && s.dim(axis) != kUnknownDim) {
      return InvalidArgument("Can not squeeze dim[", axis,
                             "], expected a dimension of 1, got ", s.dim(axis));
    }
    drop.set(static_cast<size_t>(axis));
  }
  Shape y;
  for (int d = 0; d < s.rank(); ++d) {
    if (axes.empty() && s.dim(d) == kUnknownDim) {
      return c.SetOutput(0, Shape::Unknown());
    }
    const bool dropped =
        axes.empty() ? s.dim(d) == 1 : drop.test(static_cast<size_t>(d));
    if (!dropped) y.AddDim(s.dim(d));
  }
  return SetReshaped(c, y);
}

Status ToInputShape(GradContext& g) {
  const Scope& s = g.scope();
  return g.SetDx(0, ops::Reshape(s, g.dy(0), ops::Shape(s, g.x(0))));
}

int SameKnownShape(ShapeContext& c) {
  return c.Input(0).IsFullyKnown() && c.outputs()[0] == c.Input(0) ? 0 : -1;
}

LOCKSTEP_OP("Reshape")
    .Input("tensor: T")
    .Input("shape: Tshape")
    .Output("output: T")
    .Attr("T: type")
    .Attr("Tshape: {int32, int64} = DT_INT32")
    .Shape(ReshapeShape)
    .Gradient(ToInputShape)
    .IdentityWhen(SameKnownShape)
    .Alias(0, 0)
    .NeedsValue({1});
LOCKSTEP_OP("ExpandDims")
    .Input("input: T")
    .Input("dim: Tdim")
    .Output("output: T")
    .Attr("T: type")
    .Attr("Tdim: {int32, int64} = DT_INT32")
    .Shape(ExpandDimsShape)
    .Gradient(ToInputShape)
    .Alias(0, 0)
    .NeedsValue({1});
LOCKSTEP_OP("Squeeze")
    .Input("input: T")
    .Output("output: T")
    .Attr("T: type")
    .Attr("squeeze_dims: list(int) >= 0 = []")
    .Shape(SqueezeShape)
    .Gradient(ToInputShape)
    .Alias(0, 0);

}  // namespace

namespace ops {

Output Reshape(const Scope& scope, const Input& tensor, const Input& shape) {
  return scope.Op("Reshape").In(tensor).In(shape).Out();
}
Output ExpandDims(const Scope& scope, const Input& input, const Input& axis) {
  return scope.Op("ExpandDims").In(input).In(axis).Out();
}
Output Squeeze(const Scope& scope, const Input& input,
               const std::vector<int64_t>& axes) {
  return scope.Op("Squeeze").In(input).Attr("squeeze_dims", axes).Out();
}

}  // namespace ops
}  // namespace lockstep
