// SPDX-License-Identifier: Apache-2.0

// StringJoin: the inputs' elements joined one by one; scalars go to every
// element.   inputs: N * string   output: string, the common shape
// ReduceJoin: joined along axes, in the order they are given; negative axes
// count from the back, no axes leave the input as it is.
// UnsortedSegmentJoin: row i joins the slices' elements whose id is i.

#include "ops/array/axes.h"
#include "ops/array/slices.h"
#include "ops/string/string.h"
#include "ops/string/string_map.h"

namespace lockstep {
namespace {

Status StringJoinShape(ShapeContext& c) {
  Shape y;
  bool known = true;
  for (int i = 0; i < c.num_inputs(); ++i) {
    const Shape& x = c.Input(i);
    known = known && x.HasRank();
    if (!x.HasRank() || x.IsScalar()) continue;
    if (y.IsScalar()) {
      y = x;
      continue;
    }
    Result<Shape> merged = Shape::Merge(y, x);
    if (!merged.ok()) {
      return InvalidArgument("Input shapes do not match: ", y, " vs. ", x);
    }
    y = *merged;
  }
  if (y.IsScalar() && !known) y = Shape::Unknown();
  return c.SetOutput(0, y);
}

Status StringJoinCpu(KernelContext& k) {
  const std::string separator = GetOr<std::string>(k.attrs(), "separator", "");
  std::string* y = k.out<std::string>(0);
  for (int64_t e = 0; e < k.output(0).NumElements(); ++e) {
    std::string text;
    for (int i = 0; i < k.num_inputs(); ++i) {
      if (i > 0) text += separator;
      const bool scalar = k.input(i).shape().IsScalar();
      text += k.in<std::string>(i)[scalar ? 0 : e];
    }
    y[e] = std::move(text);
  }
  return Ok();
}

LOCKSTEP_OP("StringJoin")
    .Input("inputs: N * string")
    .Output("output: string")
    .Attr("N: int >= 0")
    .Attr("separator: string = ''")
    .Shape(StringJoinShape)
    .NoGradient()
    .Kernel(kCpu, {StringJoinCpu});

Status ReduceJoinShape(ShapeContext& c) {
  LS_ASSIGN_OR_RETURN(auto axes, c.InputInts(1));
  const Shape& x = c.Input(0);
  if (!x.HasRank() || !axes) return Ok();
  LS_ASSIGN_OR_RETURN(AxisSet reduced, ResolveAxes(*axes, x.rank()));
  Shape y;
  for (int d = 0; d < x.rank(); ++d) {
    if (!reduced.test(static_cast<size_t>(d))) {
      y.AddDim(x.dim(d));
    } else if (c.Attr<bool>("keep_dims")) {
      y.AddDim(1);
    }
  }
  return c.SetOutput(0, y);
}

// The dimensions that are joined, outermost first, and the others.
struct JoinState {
  struct Dim {
    int64_t size, stride;
  };
  std::vector<Dim> joined, kept;
};

Status PrepareReduceJoin(PrepareContext& c) {
  JoinState& s = c.MakeState<JoinState>();
  const Shape& x = c.input_shape(0);
  LS_ASSIGN_OR_RETURN(std::vector<int64_t> axes, ToInt64s(*c.input_value(1)));
  LS_ASSIGN_OR_RETURN(AxisSet reduced, ResolveAxes(axes, x.rank()));
  const auto dim = [&x](int d) {
    return JoinState::Dim{x.dim(d), DimProduct(x, d + 1, x.rank())};
  };
  // The first axis given runs fastest.
  for (size_t i = axes.size(); i-- > 0;) {
    const int64_t a = axes[i];
    s.joined.push_back(dim(static_cast<int>(a < 0 ? a + x.rank() : a)));
  }
  for (int d = 0; d < x.rank(); ++d) {
    if (!reduced.test(static_cast<size_t>(d))) s.kept.push_back(dim(d));
  }
  return Ok();
}

// Offset of number i among the dimensions, the last running fastest.
int64_t OffsetOf(const std::vector<JoinState::Dim>& dims, int64_t i) {
  int64_t at = 0;
  for (size_t d = dims.size(); d-- > 0;) {
    at += i % dims[d].size * dims[d].stride;
    i /= dims[d].size;
  }
  return at;
}

Status ReduceJoinCpu(KernelContext& k) {
  const JoinState& s = k.state<JoinState>();
  const std::string separator = GetOr<std::string>(k.attrs(), "separator", "");
  const std::string* x = k.in<std::string>(0);
  int64_t count = 1;
  for (const auto& d : s.joined) count *= d.size;
  for (int64_t e = 0; e < k.output(0).NumElements(); ++e) {
    const int64_t at = OffsetOf(s.kept, e);
    std::string text;
    for (int64_t i = 0; i < count; ++i) {
      if (i > 0) text += separator;
      text += x[at + OffsetOf(s.joined, i)];
    }
    k.out<std::string>(0)[e] = std::move(text);
  }
  return Ok();
}

LOCKSTEP_OP("ReduceJoin")
    .Input("inputs: string")
    .Input("reduction_indices: int32")
    .Output("output: string")
    .Attr("keep_dims: bool = false")
    .Attr("separator: string = ''")
    .Shape(ReduceJoinShape)
    .NoGradient()
    .NeedsValue({1})
    .Kernel(kCpu, {ReduceJoinCpu, PrepareReduceJoin});

Status SegmentJoinShape(ShapeContext& c) {
  LS_ASSIGN_OR_RETURN(std::optional<int64_t> count, InputInt(c, 2));
  if (count && *count < 0) {
    return InvalidArgument("num_segments must be non-negative, got: ", *count);
  }
  const Shape& x = c.Input(0);
  const Shape& ids = c.Input(1);
  if (!x.HasRank() || !ids.HasRank()) return Ok();
  const size_t lead = static_cast<size_t>(ids.rank());
  if (x.rank() < ids.rank() ||
      !Shape(x.dims().first(lead)).IsCompatibleWith(ids)) {
    return InvalidArgument("segment_ids of shape ", ids,
                           " is not a prefix of inputs of shape ", x);
  }
  Shape y(x.dims().subspan(lead));
  y.InsertDim(0, count.value_or(kUnknownDim));
  return c.SetOutput(0, y);
}

Status SegmentJoinCpu(KernelContext& k) {
  const std::string separator = GetOr<std::string>(k.attrs(), "separator", "");
  const Indices ids(k.input(1));
  const int64_t segments = k.output(0).shape().dim(0);
  const int64_t width =
      ids.size() > 0 ? k.input(0).NumElements() / ids.size() : 0;
  std::string* y = k.out<std::string>(0);
  std::fill_n(y, k.output(0).NumElements(), std::string());
  std::vector<bool> begun(static_cast<size_t>(segments));
  for (int64_t i = 0; i < ids.size(); ++i) {
    const int64_t id = ids[i];
    if (id < 0) continue;
    if (id >= segments) {
      return InvalidArgument("segment id ", id, " must be less than ",
                             segments);
    }
    for (int64_t j = 0; j < width; ++j) {
      std::string& text = y[id * width + j];
      if (begun[static_cast<size_t>(id)]) text += separator;
      text += k.in<std::string>(0)[i * width + j];
    }
    begun[static_cast<size_t>(id)] = true;
  }
  return Ok();
}

LOCKSTEP_OP("UnsortedSegmentJoin")
    .Input("inputs: string")
    .Input("segment_ids: Tindices")
    .Input("num_segments: Tnumsegments")
    .Output("output: string")
    .Attr("separator: string = ''")
    .Attr("Tindices: {int32, int64}")
    .Attr("Tnumsegments: {int32, int64} = DT_INT32")
    .Shape(SegmentJoinShape)
    .NoGradient()
    .NeedsValue({2})
    .Kernel(kCpu, {SegmentJoinCpu});

}  // namespace

namespace ops {

Output StringJoin(const Scope& scope, const std::vector<Output>& inputs,
                  const std::string& separator) {
  return scope.Op("StringJoin").In(inputs).Attr("separator", separator).Out();
}
Output ReduceJoin(const Scope& scope, const Input& inputs, const Input& axes,
                  bool keep_dims, const std::string& separator) {
  return scope.Op("ReduceJoin")
      .In(inputs)
      .In(axes)
      .Attr("keep_dims", keep_dims)
      .Attr("separator", separator)
      .Out();
}
Output UnsortedSegmentJoin(const Scope& scope, const Input& inputs,
                           const Input& segment_ids, const Input& num_segments,
                           const std::string& separator) {
  return scope.Op("UnsortedSegmentJoin")
      .In(inputs)
      .In(segment_ids)
      .In(num_segments)
      .Attr("separator", separator)
      .Out();
}

}  // namespace ops
}  // namespace lockstep
