// SPDX-License-Identifier: Apache-2.0

// RaggedRange: starts, limits, deltas: T [n] each, or [] for all rows ->
// splits [n+1] and values: rows of start, start + delta, ... up to limit.
// RaggedGather: params_nested_splits: N * [rows+1], params_dense_values,
// indices: int32|int64 [...] -> the rows of those numbers: splits, one more
// for each dimension of indices behind the first, and values.
// Gradient of RaggedGather: by rows of the dense values.

#include <cmath>

#include "ops/array/array.h"
#include "ops/array/slices.h"
#include "ops/math/elementwise.h"
#include "ops/reduce/reduce.h"
#include "runtime/graph/gradients.h"

namespace lockstep {
namespace {

// Rows of inputs that are vectors; 1 where all are scalars, -1 when vectors
// differ.
int64_t RangeRows(const Shape& a, const Shape& b, const Shape& c) {
  int64_t rows = -2;
  for (const Shape* s : {&a, &b, &c}) {
    if (s->rank() == 0) continue;
    if (rows != -2 && rows != s->dim(0)) return -1;
    rows = s->dim(0);
  }
  return rows == -2 ? 1 : rows;
}

Status RangeShape(ShapeContext& c) {
  static constexpr const char* kNames[] = {"starts", "limits", "deltas"};
  bool known = true;
  for (int i = 0; i < 3; ++i) {
    known = known && c.Input(i).IsFullyKnown();
    if (c.Input(i).HasRank() && c.Input(i).rank() > 1) {
      return InvalidArgument(kNames[i], " must be a scalar or vector");
    }
  }
  int64_t rows = kUnknownDim;
  if (known) {
    rows = RangeRows(c.Input(0), c.Input(1), c.Input(2));
    if (rows < 0) {
      return InvalidArgument(
          "starts, limits, and deltas must have the same shape");
    }
  }
  LS_RETURN_IF_ERROR(
      c.SetOutput(0, Shape{rows == kUnknownDim ? rows : rows + 1}));
  return c.SetOutput(1, Shape{kUnknownDim});
}

// How many values a row has; -1 when they are more than can be.
template <class T>
int64_t RangeSize(T start, T limit, T delta) {
  if (delta > 0 ? start >= limit : start <= limit) return 0;
  if constexpr (std::is_floating_point_v<T>) {
    const double n =
        std::ceil(std::abs(static_cast<double>((limit - start) / delta)));
    return n < 9e18 ? static_cast<int64_t>(n) : -1;
  } else {
    const uint64_t a = static_cast<uint64_t>(start),
                   b = static_cast<uint64_t>(limit),
                   d = static_cast<uint64_t>(delta);
    const uint64_t room = delta > 0 ? b - a : a - b;
    const uint64_t step = delta > 0 ? d : uint64_t{0} - d;
    const uint64_t n = room / step + (room % step != 0);
    return n <= INT64_MAX ? static_cast<int64_t>(n) : -1;
  }
}

template <class T>
Status RangeCpu(KernelContext& k) {
  const int64_t rows = k.output(0).NumElements() - 1;
  const auto at = [&](int input, int64_t row) {
    return k.in<T>(input)[k.input(input).NumElements() == 1 ? 0 : row];
  };
  int64_t total = 0;
  SetInt(k.output(0), 0, 0);
  for (int64_t r = 0; r < rows; ++r) {
    if (at(2, r) == T(0)) return InvalidArgument("Requires delta != 0");
    const int64_t n = RangeSize<T>(at(0, r), at(1, r), at(2, r));
    const bool narrow = k.output(0).dtype() == kInt32;
    if (n < 0 || __builtin_add_overflow(total, n, &total) ||
        (narrow && total > INT32_MAX)) {
      return InvalidArgument("Requires ((limit - start) / delta) <= ",
                             narrow ? int64_t{INT32_MAX} : INT64_MAX);
    }
    SetInt(k.output(0), r + 1, total);
  }
  LS_RETURN_IF_ERROR(k.AllocateOutput(1, Shape{total}));
  const Indices splits(k.output(0));
  for (int64_t r = 0; r < rows; ++r) {
    T value = at(0, r);
    for (int64_t i = splits[r]; i < splits[r + 1]; ++i) {
      k.out<T>(1)[i] = value;
      // The last sum may lie beyond what T holds, and is not used.
      if (i + 1 < splits[r + 1]) value = static_cast<T>(value + at(2, r));
    }
  }
  return Ok();
}

LOCKSTEP_OP("RaggedRange")
    .Input("starts: T")
    .Input("limits: T")
    .Input("deltas: T")
    .Output("rt_nested_splits: Tsplits")
    .Output("rt_dense_values: T")
    .Attr("T: {bfloat16, float, double, int32, int64} = DT_INT32")
    .Attr("Tsplits: {int32, int64} = DT_INT64")
    .Shape(RangeShape)
    .NoGradient()
    .Kernels<float, double, int32_t, int64_t>(kCpu, []<class T>() {
      return KernelDef{RangeCpu<T>};
    });

Status GatherShape(ShapeContext& c) {
  const int levels = c.num_inputs() - 2, made = c.num_outputs() - 1;
  for (int i = 0; i < levels; ++i) {
    LS_RETURN_IF_ERROR(c.WithRank(i, 1).status());
  }
  const Shape& values = c.Input(levels);
  const Shape& indices = c.Input(levels + 1);
  if (values.HasRank() && values.rank() == 0) {
    return InvalidArgument("params.rank must be nonzero");
  }
  if (indices.HasRank() && levels + indices.rank() - 1 != made) {
    return InvalidArgument("OUTPUT_RAGGED_RANK is ", made, ", has to be ",
                           levels + indices.rank() - 1);
  }
  for (int i = 0; i < made; ++i) {
    LS_RETURN_IF_ERROR(c.SetOutput(i, Shape{kUnknownDim}));
  }
  Shape y = values;
  if (y.HasRank()) y.set_dim(0, kUnknownDim);
  return c.SetOutput(made, y);
}

// Rows from `begin` to `end`.
struct Rows {
  int64_t begin, end;
};

// Replaces rows of one level by those below them, whose number is `below`;
// their splits are appended to `made`.
Status Descend(const Indices& splits, int64_t below, std::vector<Rows>* rows,
               std::vector<int64_t>* made) {
  made->push_back(0);
  for (Rows& r : *rows) {
    for (int64_t i = r.begin; i < r.end; ++i) {
      const int64_t from = splits[i], to = splits[i + 1];
      if (from < 0)
        return InvalidArgument("Ragged splits must be non-negative");
      if (from > to) return InvalidArgument("Ragged splits must be sorted");
      if (to > below) {
        return InvalidArgument("Ragged splits must not point past values");
      }
      made->push_back(made->back() + to - from);
    }
    r = r.begin == r.end ? Rows{0, 0} : Rows{splits[r.begin], splits[r.end]};
  }
  return Ok();
}

Status WriteSplits(KernelContext& k, int output,
                   const std::vector<int64_t>& splits) {
  const auto n = static_cast<int64_t>(splits.size());
  LS_RETURN_IF_ERROR(k.AllocateOutput(output, Shape{n}));
  for (int64_t i = 0; i < n; ++i) {
    SetInt(k.output(output), i, splits[static_cast<size_t>(i)]);
  }
  return Ok();
}

// The splits of the dimensions of `indices` behind the first are uniform.
Status WriteUniformSplits(KernelContext& k, const Shape& indices) {
  int64_t rows = 1;
  for (int d = 0; d + 1 < indices.rank(); ++d) {
    rows *= indices.dim(d);
    std::vector<int64_t> splits;
    for (int64_t r = 0; r <= rows; ++r)
      splits.push_back(r * indices.dim(d + 1));
    LS_RETURN_IF_ERROR(WriteSplits(k, d, splits));
  }
  return Ok();
}

Status WriteValues(KernelContext& k, const Tensor& values,
                   const std::vector<Rows>& rows) {
  int64_t total = 0;
  for (const Rows& r : rows) total += r.end - r.begin;
  Shape y = values.shape();
  y.set_dim(0, total);
  const int output = k.num_outputs() - 1;
  LS_RETURN_IF_ERROR(k.AllocateOutput(output, y));
  if (y.NumElements() == 0) return Ok();
  const Slices slices(values.dtype(), y.NumElements() / total);
  int64_t at = 0;
  for (const Rows& r : rows) {
    slices.Copy(k.output(output).data(), at, values.data(), r.begin,
                r.end - r.begin);
    at += r.end - r.begin;
  }
  return Ok();
}

Status GatherCpu(KernelContext& k) {
  const int levels = k.num_inputs() - 2;
  const Tensor& values = k.input(levels);
  const Indices indices(k.input(levels + 1));
  const int64_t params = k.input(0).NumElements() - 1;
  std::vector<Rows> rows;
  for (int64_t i = 0; i < indices.size(); ++i) {
    if (indices[i] < 0 || indices[i] >= params) {
      return InvalidArgument("indices[", i, "] = ", indices[i],
                             " is not in [0, ", params, ")");
    }
    rows.push_back({indices[i], indices[i] + 1});
  }
  const Shape& shape = k.input(levels + 1).shape();
  LS_RETURN_IF_ERROR(WriteUniformSplits(k, shape));
  for (int level = 0; level < levels; ++level) {
    const bool last = level + 1 == levels;
    const int64_t below =
        last ? values.shape().dim(0) : k.input(level + 1).NumElements() - 1;
    std::vector<int64_t> splits;
    LS_RETURN_IF_ERROR(Descend(Indices(k.input(level)), below, &rows, &splits));
    const int output = shape.rank() - 1 + level;
    if (output >= 0) LS_RETURN_IF_ERROR(WriteSplits(k, output, splits));
  }
  return WriteValues(k, values, rows);
}

// Elements i and i + 1 of the outermost splits, seen in the dense values.
Status GatherGradient(GradContext& g) {
  const Scope& s = g.scope();
  const int levels = g.num_inputs() - 2;
  Output splits = g.x(0);
  for (int i = 1; i < levels; ++i) splits = ops::Gather(s, g.x(i), splits);
  const Output at =
      ops::Reshape(s, g.x(levels + 1), Tensor::Of<int32_t>({1}, {-1}));
  const Output behind = ops::Gather(s, ops::Slice(s, splits, {1}, {-1}), at);
  const Output rows = s.Op("RaggedRange")
                          .In(ops::Gather(s, splits, at))
                          .In(behind)
                          .In(ops::OnesLike(s, behind))
                          .Outs()
                          .back();
  const Output values = g.x(levels);
  const Output count =
      ops::Squeeze(s, ops::Slice(s, ops::Shape(s, values), {0}, {1}), {0});
  return g.SetDx(levels, ops::UnsortedSegmentSum(s, g.dy(g.num_outputs() - 1),
                                                 rows, count));
}

LOCKSTEP_OP("RaggedGather")
    .Input("params_nested_splits: PARAMS_RAGGED_RANK * Tsplits")
    .Input("params_dense_values: Tvalues")
    .Input("indices: Tindices")
    .Output("output_nested_splits: OUTPUT_RAGGED_RANK * Tsplits")
    .Output("output_dense_values: Tvalues")
    .Attr("Tvalues: type")
    .Attr("Tindices: {int32, int64}")
    .Attr("Tsplits: {int32, int64} = DT_INT64")
    .Attr("PARAMS_RAGGED_RANK: int >= 1")
    .Attr("OUTPUT_RAGGED_RANK: int >= 0")
    .Shape(GatherShape)
    .Gradient(GatherGradient)
    .Kernel(kCpu, {GatherCpu});

}  // namespace
}  // namespace lockstep
