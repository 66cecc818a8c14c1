// SPDX-License-Identifier: Apache-2.0

// ConcatV2 (and Concat, whose axis comes first): tensors end to end along an
// axis; their other dimensions agree. ParallelConcat: tensors of one row each.
// ConcatOffset: where each begins.
//   values: N * T   axis: int32|int64 []   output: T
//   ConcatOffset: concat_dim int32 [], shape: N * int32|int64 [rank]
// Gradient: the Slices of dy that the inputs filled.

#include "ops/array/array.h"
#include "ops/array/axes.h"
#include "ops/array/slices.h"
#include "ops/array/strided_copy.h"
#include "ops/math/math.h"
#include "runtime/graph/gradients.h"
#include "runtime/op/kernel.h"
#include "runtime/op/shape_context.h"

namespace lockstep {
namespace {

// Where the axis and the first value stand among the inputs.
struct Layout {
  int axis;
  int first;
  int count;
};
Layout LayoutOf(const OpDef& def, int num_inputs) {
  const bool v2 = def.name == "ConcatV2";
  return {v2 ? num_inputs - 1 : 0, v2 ? 0 : 1, num_inputs - 1};
}

Status ConcatShape(ShapeContext& c) {
  const Layout in = LayoutOf(c.def(), c.num_inputs());
  LS_ASSIGN_OR_RETURN(std::optional<int64_t> given, InputInt(c, in.axis));
  int rank = -1, known = in.first;  // of the first that has a known one
  for (int i = in.first; rank < 0 && i < in.first + in.count; ++i) {
    if (!c.Input(i).HasRank()) continue;
    rank = c.Input(i).rank();
    known = i;
  }
  if (rank < 0) return c.SetOutput(0, Shape::Unknown());
  if (rank == 0) {
    return InvalidArgument(
        "ConcatOp : Can't concatenate scalars (use tf.stack, Pack, instead)");
  }
  for (int i = in.first; i < in.first + in.count; ++i) {
    if (!c.Input(i).HasRank() || c.Input(i).rank() == rank) continue;
    return InvalidArgument(
        "ConcatOp : Ranks of all input tensors should match: shape[",
        known - in.first, "] = ", c.Input(known), " vs. shape[", i - in.first,
        "] = ", c.Input(i));
  }
  if (!given) return c.SetOutput(0, Shape::UnknownOfRank(rank));
  const Result<int> resolved = ResolveAxis(*given, rank);
  if (!resolved.ok()) {
    return InvalidArgument(
        "ConcatOp : Expected concatenating dimensions in the range [", -rank,
        ", ", rank, "), but got ", *given);
  }
  const int axis = *resolved;
  Shape y = Shape::UnknownOfRank(rank);
  int64_t total = 0;
  for (int i = in.first; i < in.first + in.count; ++i) {
    Shape part = c.Input(i).HasRank() ? c.Input(i) : Shape::UnknownOfRank(rank);
    const int64_t n = part.dim(axis);
    total = n < 0 || total < 0 ? kUnknownDim : total + n;
    part.set_dim(axis, kUnknownDim);
    Result<Shape> merged = Shape::Merge(y, part);
    if (!merged.ok()) {
      int d = 0;  // the first that differs
      while (d + 1 < rank &&
             (d == axis || y.dim(d) == part.dim(d) || y.dim(d) == kUnknownDim ||
              part.dim(d) == kUnknownDim)) {
        ++d;
      }
      return InvalidArgument(
          "ConcatOp : Dimension ", d,
          " in both shapes must be equal: shape[0] = ", c.Input(in.first),
          " vs. shape[", i - in.first, "] = ", c.Input(i));
    }
    y = *merged;
  }
  y.set_dim(axis, total);
  return c.SetOutput(0, y);
}

struct Part {
  StridedCopy copy;
  int64_t offset;  // bytes into the output
};
struct ConcatState {
  int first = 0;
  std::vector<Part> parts;
};

Status PrepareConcat(PrepareContext& c) {
  const Layout in = LayoutOf(c.def(), c.num_inputs());
  const Shape& y = c.output_shape(0);
  LS_ASSIGN_OR_RETURN(int axis,
                      ResolveAxis(IntAt(*c.input_value(in.axis), 0), y.rank()));
  const int64_t row = DimProduct(y, axis, y.rank());
  ConcatState& state = c.MakeState<ConcatState>();
  state.first = in.first;
  int64_t at = 0;
  for (int i = in.first; i < in.first + in.count; ++i) {
    const Shape& x = c.input_shape(i);
    const int64_t part = DimProduct(x, axis, x.rank());
    const int64_t dims[] = {DimProduct(x, 0, axis), part};
    const int64_t dst[] = {row, 1}, src[] = {part, 1};
    LS_ASSIGN_OR_RETURN(StridedCopy copy,
                        StridedCopy::Make(c.output_dtype(0), dims, dst, src));
    state.parts.push_back({std::move(copy), at * static_cast<int64_t>(DTypeSize(
                                                     c.output_dtype(0)))});
    at += part;
  }
  return Ok();
}

Status ConcatCpu(KernelContext& k) {
  const ConcatState& s = k.state<ConcatState>();
  char* y = static_cast<char*>(k.output(0).data());
  for (size_t i = 0; i < s.parts.size(); ++i) {
    LS_RETURN_IF_ERROR(s.parts[i].copy.Run(
        y + s.parts[i].offset, k.input(s.first + static_cast<int>(i)).data(),
        k.stream()));
  }
  return Ok();
}

// One ConcatOffset gives every part's beginning; it folds to constants when
// the shapes are known.
Status ConcatGradient(GradContext& g) {
  const Scope& s = g.scope();
  const Layout in = LayoutOf(g.node()->def(), g.num_inputs());
  std::vector<Output> values;
  for (int i = 0; i < in.count; ++i) values.push_back(g.x(in.first + i));
  if (in.count == 1) return g.SetDx(in.first, g.dy(0));
  const std::vector<Output> shapes = ops::ShapeN(s, values);
  if (shapes.empty()) return s.status();
  const Output rank = ops::Rank(s, values[0]);
  const Output axis =
      ops::FloorMod(s, ops::Cast(s, g.x(in.axis), kInt32), rank);
  const std::vector<Output> begins = ops::ConcatOffset(s, axis, shapes);
  if (begins.empty()) return s.status();
  for (size_t i = 0; i < values.size(); ++i) {
    LS_RETURN_IF_ERROR(g.SetDx(in.first + static_cast<int>(i),
                               ops::Slice(s, g.dy(0), begins[i], shapes[i])));
  }
  return s.status();
}

Result<std::vector<Tensor>> Offsets(const std::vector<const Tensor*>& in) {
  const int64_t rank = in[1]->NumElements();
  LS_ASSIGN_OR_RETURN(int axis,
                      ResolveAxis(IntAt(*in[0], 0), static_cast<int>(rank)));
  std::vector<Tensor> out;
  int64_t at = 0;
  for (size_t i = 1; i < in.size(); ++i) {
    if (in[i]->NumElements() != rank) {
      return InvalidArgument("shape ", i - 1, " has ", in[i]->NumElements(),
                             " dimensions, shape 0 has ", rank);
    }
    Tensor t(in[1]->dtype(), Shape{rank});
    for (int d = 0; d < static_cast<int>(rank); ++d) {
      const bool here = d == axis;
      if (!here && IntAt(*in[i], d) != IntAt(*in[1], d)) {
        return InvalidArgument("All dimensions except ", axis, " must match. ",
                               "Shape ", i - 1, " has ", IntAt(*in[i], d),
                               " in dimension ", d, ", shape 0 has ",
                               IntAt(*in[1], d));
      }
      const int64_t offset = here ? at : 0;
      if (t.dtype() == kInt32) {
        t.flat<int32_t>()[static_cast<size_t>(d)] =
            static_cast<int32_t>(offset);
      } else {
        t.flat<int64_t>()[static_cast<size_t>(d)] = offset;
      }
    }
    at += IntAt(*in[i], axis);
    out.push_back(std::move(t));
  }
  return out;
}

Status OffsetShape(ShapeContext& c) {
  LS_RETURN_IF_ERROR(c.WithRank(0, 0).status());
  bool known = c.InputValue(0) != nullptr;
  std::vector<const Tensor*> in = {c.InputValue(0)};
  for (int i = 1; i < c.num_inputs(); ++i) {
    LS_ASSIGN_OR_RETURN(Shape s, c.WithRank(i, 1));
    LS_RETURN_IF_ERROR(c.SetOutput(i - 1, s));
    known = known && c.InputValue(i) != nullptr;
    in.push_back(c.InputValue(i));
  }
  if (!known) return Ok();
  LS_ASSIGN_OR_RETURN(std::vector<Tensor> out, Offsets(in));
  for (size_t i = 0; i < out.size(); ++i) {
    c.SetOutputValue(static_cast<int>(i), std::move(out[i]));
  }
  return Ok();
}

Status OffsetCpu(KernelContext& k) {
  std::vector<const Tensor*> in;
  for (int i = 0; i < k.num_inputs(); ++i) in.push_back(&k.input(i));
  LS_ASSIGN_OR_RETURN(std::vector<Tensor> out, Offsets(in));
  for (size_t i = 0; i < out.size(); ++i) {
    k.output(static_cast<int>(i)).CopyFrom(out[i]);
  }
  return Ok();
}

Status ParallelShape(ShapeContext& c) {
  const Shape& y = c.Attr<Shape>("shape");
  if (!y.IsFullyKnown() || y.rank() < 1 || y.dim(0) != c.num_inputs()) {
    return InvalidArgument("shape ", y, " must be known and begin with the ",
                           "number of values, ", c.num_inputs());
  }
  Shape row = y;
  row.set_dim(0, 1);
  for (int i = 0; i < c.num_inputs(); ++i) {
    if (c.Input(i).IsCompatibleWith(row)) continue;
    return InvalidArgument("value ", i, " must have shape ", row, ", has ",
                           c.Input(i));
  }
  return c.SetOutput(0, y);
}

Status ParallelCpu(KernelContext& k) {
  const Slices rows(k.input(0).dtype(), k.input(0).NumElements());
  for (int i = 0; i < k.num_inputs(); ++i) {
    rows.Copy(k.output(0).data(), i, k.input(i).data(), 0);
  }
  return Ok();
}

LOCKSTEP_OP("ConcatV2")
    .Input("values: N * T")
    .Input("axis: Tidx")
    .Output("output: T")
    .Attr("N: int >= 1")
    .Attr("T: type")
    .Attr("Tidx: {int32, int64} = DT_INT32")
    .Shape(ConcatShape)
    .Gradient(ConcatGradient)
    .NeedsValue({-1})
    .Kernel(kCpu, {ConcatCpu, PrepareConcat, {"axis"}});
LOCKSTEP_OP("Concat")
    .Input("concat_dim: int32")
    .Input("values: N * T")
    .Output("output: T")
    .Attr("N: int >= 1")
    .Attr("T: type")
    .Shape(ConcatShape)
    .Gradient(ConcatGradient)
    .NeedsValue({0})
    .Kernel(kCpu, {ConcatCpu, PrepareConcat, {"concat_dim"}});
LOCKSTEP_OP("ParallelConcat")
    .Input("values: N * T")
    .Output("output: T")
    .Attr("N: int >= 1")
    .Attr("T: type")
    .Attr("shape: shape")
    .Shape(ParallelShape)
    .NoGradient()
    .Kernel(kCpu, {ParallelCpu});
LOCKSTEP_OP("ConcatOffset")
    .Input("concat_dim: int32")
    .Input("shape: N * shape_type")
    .Output("offset: N * shape_type")
    .Attr("N: int >= 1")
    .Attr("shape_type: {int32, int64} = DT_INT32")
    .Shape(OffsetShape)
    .NoGradient()
    .Kernel(kCpu, {OffsetCpu, nullptr, {"concat_dim", "shape", "offset"}});

}  // namespace

namespace ops {

Output Concat(const Scope& scope, const std::vector<Output>& values,
              const Input& axis) {
  return scope.Op("ConcatV2").In(values).In(axis.Resolve(scope)).Out();
}
std::vector<Output> ConcatOffset(const Scope& scope, const Input& axis,
                                 const std::vector<Output>& shapes) {
  return scope.Op("ConcatOffset").In(axis).In(shapes).Outs();
}

}  // namespace ops
}  // namespace lockstep
