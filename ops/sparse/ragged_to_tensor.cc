// SPDX-License-Identifier: Apache-2.0

// RaggedTensorToTensor: rows of different lengths, as one tensor.
//   shape: int32|int64, -1 or [1 + R + rank of an element]; -1: as long as the
//   longest   values: T [n, element]   default_value: T, as an element or less
//   row_partition_tensors: by row_partition_types, R times ROW_SPLITS (row i is
//   [splits[i], splits[i + 1]) of the next), or FIRST_DIM_SIZE (a number) and
//   then R times VALUE_ROWIDS (which row each is in, ascending)
//   result: T [rows, ..., element]; longer rows are cut, shorter ones filled
// Gradient: back to the values; what filled, to default_value.

#include <algorithm>
#include <vector>

#include "ops/array/array.h"
#include "ops/array/slices.h"
#include "ops/math/math.h"
#include "ops/reduce/reduce.h"
#include "ops/sparse/sparse.h"
#include "runtime/graph/gradients.h"
#include "runtime/op/kernel.h"
#include "runtime/op/shape_context.h"

namespace lockstep {
namespace {

constexpr int kFirstPartition = 3;  // input
constexpr int64_t kMaxRows = int64_t{1} << 31;

using Names = std::vector<std::string>;
const Names& TypesOf(const AttrMap& attrs) {
  return *GetIf<Names>(attrs, "row_partition_types");
}

// Whether the types are those said above; the number of partitions of rows.
Result<int> RaggedRank(const AttrMap& attrs, int tensors) {
  const Names& types = TypesOf(attrs);
  if (static_cast<int>(types.size()) != tensors) {
    return InvalidArgument("there are ", types.size(),
                           " row_partition_types for ", tensors, " tensors");
  }
  const bool ids = types[0] == "FIRST_DIM_SIZE";
  const std::string& want = ids ? "VALUE_ROWIDS" : "ROW_SPLITS";
  for (size_t i = ids ? 1 : 0; i < types.size(); ++i) {
    if (types[i] == want) continue;
    return InvalidArgument("Cannot handle type ", types[i], " as partition ", i,
                           ", want ", want);
  }
  if (ids && tensors == 1) {
    return InvalidArgument("FIRST_DIM_SIZE has to be followed by VALUE_ROWIDS");
  }
  return tensors - (ids ? 1 : 0);
}

Status RaggedShape(ShapeContext& c) {
  LS_ASSIGN_OR_RETURN(const int ragged,
                      RaggedRank(c.attrs(), c.num_inputs() - kFirstPartition));
  LS_ASSIGN_OR_RETURN(const Shape values, c.WithRankAtLeast(1, 1));
  const Shape& filler = c.Input(2);
  if (values.HasRank() && filler.HasRank()) {
    bool fits = filler.rank() < values.rank();
    for (int d = 1; fits && d <= filler.rank(); ++d) {
      const int64_t own = filler.dim(filler.rank() - d);
      const int64_t wide = values.dim(values.rank() - d);
      fits =
          own == 1 || own == wide || own == kUnknownDim || wide == kUnknownDim;
    }
    if (!fits) {
      return InvalidArgument("default_value of shape ", filler,
                             " cannot become an element of values, ", values);
    }
  }
  for (int i = kFirstPartition; i < c.num_inputs(); ++i) {
    const bool size =
        TypesOf(c.attrs())[static_cast<size_t>(i - kFirstPartition)] ==
        "FIRST_DIM_SIZE";
    LS_RETURN_IF_ERROR(c.WithRank(i, size ? 0 : 1).status());
  }
  if (!values.HasRank()) return c.SetOutput(0, Shape::Unknown());
  std::vector<int64_t> dims(static_cast<size_t>(ragged) + 1, kUnknownDim);
  for (int d = 1; d < values.rank(); ++d) dims.push_back(values.dim(d));
  LS_ASSIGN_OR_RETURN(const auto wanted, c.InputInts(0));
  const bool any = wanted && c.Input(0).rank() == 0;
  if (any && (*wanted)[0] != -1) {
    return InvalidArgument("shape is ", (*wanted)[0], ", as a scalar it is -1");
  }
  if (wanted && !any && wanted->size() != dims.size()) {
    return InvalidArgument("shape has ", wanted->size(), " dimensions, ",
                           dims.size(), " are wanted");
  }
  for (size_t d = 0; wanted && !any && d < dims.size(); ++d) {
    const int64_t size = (*wanted)[d];
    if (size < -1 || (size >= 0 && dims[d] >= 0 && size != dims[d])) {
      return InvalidArgument("dimension ", d, " of shape is ", size,
                             ", the values have ", dims[d]);
    }
    if (size >= 0) dims[d] = size;
  }
  LS_ASSIGN_OR_RETURN(const Shape result, Shape::Make(dims));
  return c.SetOutput(0, result);
}

// One partition of rows: row i has `Length(i)` items.
struct Partition {
  Indices at;
  bool splits;
  int64_t rows;                // that it has
  int64_t items;               // that there are to be in them
  std::vector<int64_t> first;  // item of each row, and the end of the last
  int64_t longest = 0;

  // INVALID_ARGUMENT unless rows follow each other.
  Status Read() {
    first.assign(static_cast<size_t>(rows) + 1, 0);
    for (int64_t i = 0; splits && i <= rows; ++i) {
      first[static_cast<size_t>(i)] = at[i];
    }
    for (int64_t j = 0; !splits && j < at.size(); ++j) {
      if (at[j] < 0 || at[j] >= rows || (j > 0 && at[j] < at[j - 1])) {
        return InvalidArgument("VALUE_ROWIDS do not fall and are in [0, ", rows,
                               "), element ", j, " is ", at[j]);
      }
      first[static_cast<size_t>(at[j]) + 1] = j + 1;
    }
    for (size_t i = 1; i < first.size(); ++i) {
      if (!splits) first[i] = std::max(first[i], first[i - 1]);
      if (first[0] != 0 || first[i] < first[i - 1] || first[i] > kMaxRows) {
        return InvalidArgument("Invalid row split size: splits begin with 0 ",
                               "and do not fall, splits[", i - 1,
                               "] = ", first[i - 1], ", splits[", i,
                               "] = ", first[i]);
      }
      longest = std::max(longest, first[i] - first[i - 1]);
    }
    return Ok();
  }
};

Result<std::vector<Partition>> Partitions(const KernelContext& k) {
  std::vector<Partition> all;
  const bool ids = TypesOf(k.attrs())[0] == "FIRST_DIM_SIZE";
  for (int i = kFirstPartition + (ids ? 1 : 0); i < k.num_inputs(); ++i) {
    const Indices at(k.input(i));
    int64_t rows = at.size() - 1;
    if (ids) {
      rows = all.empty() ? Indices(k.input(kFirstPartition))[0]
                         : all.back().at.size();
    }
    if (rows < 0 || (ids && all.empty() && rows > kMaxRows)) {
      return InvalidArgument("partition ", i - kFirstPartition, " has ", rows,
                             " rows");
    }
    all.push_back({at, !ids, rows, ids ? at.size() : 0, {}});
    if (all.size() > 1) all[all.size() - 2].items = rows;
  }
  const int64_t values = k.input(1).shape().dim(0);
  if (ids && all.back().items != values) {
    return InvalidArgument("there are ", values, " values for ",
                           all.back().items, " VALUE_ROWIDS");
  }
  all.back().items = values;
  for (Partition& p : all) LS_RETURN_IF_ERROR(p.Read());
  return all;
}

// As asked for, else as long as the longest.
std::vector<int64_t> Widths(const KernelContext& k,
                            const std::vector<Partition>& partitions) {
  std::vector<int64_t> widths = {partitions[0].rows};
  for (const Partition& p : partitions) widths.push_back(p.longest);
  const Indices wanted(k.input(0));
  for (int64_t d = 0; wanted.size() > 1 && d < std::ssize(widths); ++d) {
    if (wanted[d] >= 0) widths[static_cast<size_t>(d)] = wanted[d];
  }
  return widths;
}

// Where each value goes in the result; -1: it is cut off.
std::vector<int64_t> Places(const std::vector<Partition>& partitions,
                            const std::vector<int64_t>& widths) {
  std::vector<int64_t> rows(static_cast<size_t>(partitions[0].rows), -1);
  for (int64_t i = 0; i < std::min(widths[0], partitions[0].rows); ++i) {
    rows[static_cast<size_t>(i)] = i;
  }
  for (size_t level = 0; level < partitions.size(); ++level) {
    const Partition& p = partitions[level];
    const int64_t width = widths[level + 1];
    const int64_t taken = std::min(width, p.longest);
    std::vector<int64_t> items(static_cast<size_t>(p.items), -1);
    for (size_t i = 0; i < std::min(rows.size(), p.first.size() - 1); ++i) {
      const int64_t end =
          std::min({p.first[i + 1], p.first[i] + taken, p.items});
      for (int64_t j = p.first[i]; rows[i] >= 0 && j < end; ++j) {
        items[static_cast<size_t>(j)] = rows[i] * width + (j - p.first[i]);
      }
    }
    rows = std::move(items);
  }
  return rows;
}

// Which elements of `small`, broadcast, make one of the shape `like`.
std::vector<int64_t> Broadcast(const Shape& small,
                               std::span<const int64_t> like) {
  std::vector<int64_t> from = {0};
  const auto skip = std::ssize(like) - small.rank();
  for (int64_t d = 0; d < std::ssize(like); ++d) {
    std::vector<int64_t> wider;
    const int64_t own = d < skip ? 1 : small.dim(static_cast<int>(d - skip));
    for (const int64_t f : from) {
      for (int64_t i = 0; i < like[static_cast<size_t>(d)]; ++i) {
        wider.push_back(f * own + (own == 1 ? 0 : i));
      }
    }
    from = std::move(wider);
  }
  return from;
}

Status RaggedCpu(KernelContext& k) {
  LS_ASSIGN_OR_RETURN(const auto partitions, Partitions(k));
  std::vector<int64_t> dims = Widths(k, partitions);
  const auto value_dims = k.input(1).shape().dims();
  const std::span<const int64_t> element(value_dims.begin() + 1,
                                         value_dims.end());
  const std::vector<int64_t> widths = dims;
  dims.insert(dims.end(), element.begin(), element.end());
  LS_ASSIGN_OR_RETURN(const Shape shape, Shape::Make(dims));
  LS_RETURN_IF_ERROR(k.AllocateOutput(0, shape));
  if (shape.NumElements() == 0) return Ok();
  const std::vector<int64_t> filler = Broadcast(k.input(2).shape(), element);
  const auto size = std::ssize(filler);
  const int64_t rows = shape.NumElements() / size;
  const DType type = k.input(1).dtype();
  std::vector<bool> filled(static_cast<size_t>(rows));
  const std::vector<int64_t> places = Places(partitions, widths);
  const Slices whole(type, size), one(type, 1);
  for (int64_t j = 0; j < std::ssize(places); ++j) {
    const int64_t at = places[static_cast<size_t>(j)];
    if (at < 0) continue;
    filled[static_cast<size_t>(at)] = true;
    whole.Copy(k.output(0).data(), at, k.input(1).data(), j);
  }
  for (int64_t i = 0; i < rows; ++i) {
    if (filled[static_cast<size_t>(i)]) continue;
    for (int64_t e = 0; e < size; ++e) {
      one.Copy(k.output(0).data(), i * size + e, k.input(2).data(),
               filler[static_cast<size_t>(e)]);
    }
  }
  return Ok();
}

// The op on the values' numbers tells where each went, and -1 what filled.
Status RaggedGradient(GradContext& g) {
  const Scope& s = g.scope();
  LS_ASSIGN_OR_RETURN(
      const int ragged,
      RaggedRank(g.node()->attrs(), g.num_inputs() - kFirstPartition));
  const Output count = ops::Slice(s, ops::Shape(s, g.x(1)), {0}, {1});
  const Output n = ops::Reshape(s, count, Tensor::Of<int32_t>({0}, {}));
  const Output rows = ops::Slice(s, ops::Shape(s, g.y(0)), {0}, {ragged + 1});
  std::vector<Output> partitions = g.node()->inputs();
  partitions.erase(partitions.begin(), partitions.begin() + kFirstPartition);
  const Output from =
      s.Op("RaggedTensorToTensor")
          .In(rows)
          .In(ops::Range(s, 0, n, 1))
          .In(-1)
          .In(partitions)
          .Attr("row_partition_types", TypesOf(g.node()->attrs()))
          .Out();
  LS_RETURN_IF_ERROR(g.SetDx(1, ops::UnsortedSegmentSum(s, g.dy(0), from, n)));
  // Segment 0 for what filled, none for values.
  const Output none = ops::Sub(s, ops::Neg(s, from), 1);
  const Output rest =
      ops::Reshape(s, ops::UnsortedSegmentSum(s, g.dy(0), none, 1),
                   ops::Slice(s, ops::Shape(s, g.y(0)), {ragged + 1}, {-1}));
  return g.SetDx(2, SumToShapeOf(s, rest, g.x(2), rest, true));
}

LOCKSTEP_OP("RaggedTensorToTensor")
    .Input("shape: Tshape")
    .Input("values: T")
    .Input("default_value: T")
    .Input("row_partition_tensors: num_row_partition_tensors * Tindex")
    .Output("result: T")
    .Attr("T: type")
    .Attr("Tindex: {int64, int32}")
    .Attr("Tshape: {int64, int32}")
    .Attr("num_row_partition_tensors: int >= 1")
    .Attr("row_partition_types: list(string)")
    .Shape(RaggedShape)
    .Gradient(RaggedGradient)
    .NeedsValue({0})
    .Kernel(kCpu, {RaggedCpu});

}  // namespace
}  // namespace lockstep
