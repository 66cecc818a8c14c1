// SPDX-License-Identifier: Apache-2.0

// Tile: the input repeated multiples[d] times along each axis.
//   input: T, any rank   multiples: [rank] int32|int64
// BroadcastTo: the input repeated as NumPy broadcasting does.
//   input: T   shape: [rank] int32|int64   output: T of that shape
// Gradients: dy summed over the repetitions.

#include "ops/array/array.h"
#include "ops/array/strided_copy.h"
#include "ops/reduce/reduce.h"
#include "runtime/graph/gradients.h"
#include "runtime/op/element_rule.h"
#include "runtime/op/kernel.h"
#include "runtime/op/shape_context.h"

namespace lockstep {
namespace {

Status TileShape(ShapeContext& c) {
  const Shape& x = c.Input(0);
  LS_ASSIGN_OR_RETURN(auto multiples, c.InputInts(1));
  if (!multiples) {
    if (x.HasRank()) return c.SetOutput(0, Shape::UnknownOfRank(x.rank()));
    LS_ASSIGN_OR_RETURN(Shape any, c.InputAsShape(1));
    return c.SetOutput(0, any);
  }
  const int rank = static_cast<int>(multiples->size());
  if (x.HasRank() && x.rank() != rank) {
    return InvalidArgument("Expected multiples argument to be a vector of ",
                           "length ", x.rank(), " but got length ", rank);
  }
  LS_ASSIGN_OR_RETURN(Shape in, c.WithRank(0, rank));
  std::vector<int64_t> dims;
  for (int d = 0; d < rank; ++d) {
    const int64_t m = (*multiples)[static_cast<size_t>(d)];
    if (m < 0)
      return InvalidArgument("Expected multiples[", d, "] >= 0, but got ", m);
    int64_t n = in.dim(d);
    if (n != kUnknownDim && __builtin_mul_overflow(n, m, &n)) {
      return InvalidArgument("multiples[", d, "] = ", m, " is too large for ",
                             in);
    }
    dims.push_back(n);
  }
  LS_ASSIGN_OR_RETURN(Shape y, Shape::Make(dims));
  return c.SetOutput(0, y);
}

Status PrepareTile(PrepareContext& c) {
  const Shape& x = c.input_shape(0);
  const Shape& y = c.output_shape(0);
  const std::vector<int64_t> from = RowMajorStrides(x);
  const std::vector<int64_t> to = RowMajorStrides(y);
  // Each axis as [multiple, size]: the source stays put along the multiple.
  std::vector<int64_t> dims, dst, src;
  for (int d = 0; d < x.rank(); ++d) {
    const size_t u = static_cast<size_t>(d);
    dims.insert(dims.end(), {IntAt(*c.input_value(1), d), x.dim(d)});
    dst.insert(dst.end(), {x.dim(d) * to[u], to[u]});
    src.insert(src.end(), {0, from[u]});
  }
  LS_ASSIGN_OR_RETURN(StridedCopy copy,
                      StridedCopy::Make(c.input_dtype(0), dims, dst, src));
  c.MakeState<StridedCopy>(std::move(copy));
  return Ok();
}

Status CopyCpu(KernelContext& k) {
  return k.state<StridedCopy>().Run(k.output(0).data(), k.input(0).data(),
                                    k.stream());
}

int AllOnes(ShapeContext& c) {
  Result<std::optional<std::vector<int64_t>>> m = c.InputInts(1);
  if (!m.ok() || !m->has_value()) return -1;
  for (int64_t v : **m) {
    if (v != 1) return -1;
  }
  return 0;
}

// dy as [m0, n0, m1, n1, ...], summed over the multiples.
Status TileGradient(GradContext& g) {
  const Scope& s = g.scope();
  const Output shape = ops::Shape(s, g.x(0), BaseOf(g.x(1).dtype()));
  const Output split = ops::Reshape(
      s, ops::Transpose(s, ops::Pack(s, {g.x(1), shape}), {1, 0}), {-1});
  const Output axes = ops::Range(s, 0, ops::Size(s, split), 2);
  return g.SetDx(0, ops::Sum(s, ops::Reshape(s, g.dy(0), split), axes));
}

Status BroadcastToShape(ShapeContext& c) {
  LS_ASSIGN_OR_RETURN(Shape wanted, c.InputAsShape(1));
  if (c.InputValue(1) != nullptr) {
    if (c.Input(0).HasRank() && c.Input(0).rank() > wanted.rank()) {
      return InvalidArgument("Rank of input (", c.Input(0).rank(),
                             ") must be no greater than rank of output shape (",
                             wanted.rank(), "): ", c.Input(0), ", ", wanted);
    }
    if (!wanted.IsFullyKnown()) {
      return InvalidArgument("Dimension -1 must be >= 0: shape ", wanted);
    }
    Result<Shape> both = Shape::Broadcast(c.Input(0), wanted);
    if (!both.ok() || !both->IsCompatibleWith(wanted)) {
      return InvalidArgument("Incompatible shapes: ", c.Input(0), " vs. ",
                             wanted, ": the first cannot become the second");
    }
  }
  return c.SetOutput(0, wanted);
}

Status PrepareBroadcastTo(PrepareContext& c) {
  const Shape& x = c.input_shape(0);
  const Shape& y = c.output_shape(0);
  const std::vector<int64_t> from = RowMajorStrides(x);
  std::vector<int64_t> src(static_cast<size_t>(y.rank()), 0);
  for (int d = 0; d < x.rank(); ++d) {
    const int at = y.rank() - x.rank() + d;
    if (x.dim(d) != 1) {
      src[static_cast<size_t>(at)] = from[static_cast<size_t>(d)];
    }
  }
  LS_ASSIGN_OR_RETURN(
      StridedCopy copy,
      StridedCopy::Make(c.input_dtype(0), y.dims(), RowMajorStrides(y), src));
  c.MakeState<StridedCopy>(std::move(copy));
  return Ok();
}

// Of its own, as rules for fusion are found by it.
Status BroadcastToCpu(KernelContext& k) { return CopyCpu(k); }

int SameShape(ShapeContext& c) {
  return c.Input(0).IsFullyKnown() && c.outputs()[0] == c.Input(0) ? 0 : -1;
}

Status BroadcastToGradient(GradContext& g) {
  return g.SetDx(0, SumToShapeOf(g.scope(), g.dy(0), g.x(0), g.y(0), true));
}

LOCKSTEP_OP("Tile")
    .Input("input: T")
    .Input("multiples: Tmultiples")
    .Output("output: T")
    .Attr("T: type")
    .Attr("Tmultiples: {int32, int64} = DT_INT32")
    .Shape(TileShape)
    .Gradient(TileGradient)
    .IdentityWhen(AllOnes)
    .NeedsValue({1})
    .Kernel(kCpu, {CopyCpu, PrepareTile, {"multiples"}});
LOCKSTEP_OP("BroadcastTo")
    .Input("input: T")
    .Input("shape: Tidx")
    .Output("output: T")
    .Attr("T: type")
    .Attr("Tidx: {int32, int64} = DT_INT32")
    .Shape(BroadcastToShape)
    .Gradient(BroadcastToGradient)
    .IdentityWhen(SameShape)
    .NeedsValue({1})
    .Kernel(kCpu, (AddElementRule(BroadcastToCpu, {.operands = 1}),
                   KernelDef{BroadcastToCpu, PrepareBroadcastTo, {"shape"}}));

}  // namespace

namespace ops {

Output Tile(const Scope& scope, const Input& input, const Input& multiples) {
  return scope.Op("Tile").In(input).In(multiples).Out();
}
Output BroadcastTo(const Scope& scope, const Input& input, const Input& shape) {
  return scope.Op("BroadcastTo").In(input).In(shape).Out();
}

}  // namespace ops
}  // namespace lockstep
