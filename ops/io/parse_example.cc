// SPDX-License-Identifier: Apache-2.0

// ParseExample, ParseExampleV2, ParseSingleExample: serialised Examples (named
// lists of float, int64 or string values) to tensors, key by key.
//   serialized: string [batch] (V2: or [], Single: []: no batch dimension in
//   what follows)   names: string, of that shape or empty, for messages
//   sparse keys: -> indices: int64 [n,2], values [n], shape: int64 [2]
//   dense keys, with dense_shapes and dense_defaults: -> [batch, shape]; a
//   shape of first dimension -1: [batch, longest, shape], the rest filled with
//   the one element of the default. What an example lacks is the default; where
//   that is empty the key is required.
//   ragged keys (V2): -> values [n], row_splits [batch + 1] (none: [0])

#include "ops/io/example_outputs.h"
#include "runtime/op/kernel.h"
#include "runtime/op/shape_context.h"

namespace lockstep {
namespace {

using detail::DenseOutput;
using detail::Examples;
using detail::IsVariable;
using detail::RaggedOutput;
using detail::SparseOutput;
using Types = std::vector<DType>;
using Keys = std::vector<std::string>;

// How many keys of each kind the attributes speak of, and where the outputs of
// each kind begin.
struct Counts {
  int sparse, dense, ragged;

  explicit Counts(const AttrMap& attrs)
      : sparse(Of(attrs, "sparse_types")),
        dense(Of(attrs, "Tdense")),
        ragged(Of(attrs, "ragged_value_types")) {}
  static int Of(const AttrMap& attrs, std::string_view types) {
    const Types* t = GetIf<Types>(attrs, types);
    return t ? static_cast<int>(t->size()) : 0;
  }
  int first_dense() const { return 3 * sparse; }
  int first_ragged() const { return first_dense() + dense; }
};

// An output of shape `rest`, with the batch dimension where there is one.
Status SetBatched(ShapeContext& c, int output, const Shape& serialized,
                  const Shape& rest) {
  if (!serialized.HasRank()) return c.SetOutput(output, Shape::Unknown());
  Shape y;
  if (serialized.rank() == 1) y.AddDim(serialized.dim(0));
  for (int d = 0; d < rest.rank(); ++d) y.AddDim(rest.dim(d));
  return c.SetOutput(output, y);
}

// The attribute's shapes: as many as keys, all known but for a first dimension.
Status CheckDenseShapes(const std::vector<Shape>& shapes, int keys) {
  if (static_cast<int>(shapes.size()) != keys) {
    return InvalidArgument("there are ", shapes.size(), " dense_shapes for ",
                           keys, " dense keys");
  }
  for (size_t i = 0; i < shapes.size(); ++i) {
    bool known = shapes[i].HasRank();
    for (int d = 1; known && d < shapes[i].rank(); ++d) {
      known = shapes[i].dim(d) != kUnknownDim;
    }
    if (known) continue;
    return InvalidArgument("dense_shapes[", i, "] has unknown rank or unknown ",
                           "inner dimensions: ", shapes[i]);
  }
  return Ok();
}

Status CheckCounts(const AttrMap& attrs, const Counts& n) {
  const int64_t* sparse = GetIf<int64_t>(
      attrs, attrs.contains("Nsparse") ? "Nsparse" : "num_sparse");
  if (*sparse != n.sparse) {
    return InvalidArgument("there are ", n.sparse, " sparse_types for ",
                           *sparse, " sparse keys");
  }
  if (n.ragged != Counts::Of(attrs, "ragged_split_types")) {
    return InvalidArgument("len(ragged_value_types) != ",
                           "len(ragged_split_types)");
  }
  return Ok();
}

Status ParsedShapes(ShapeContext& c) {
  const Counts n(c.attrs());
  LS_RETURN_IF_ERROR(CheckCounts(c.attrs(), n));
  const Shape& in = c.Input(0);
  const int64_t rank = in.HasRank() ? in.rank() + 1 : kUnknownDim;
  for (int i = 0; i < n.sparse; ++i) {
    LS_RETURN_IF_ERROR(c.SetOutput(i, Shape{kUnknownDim, rank}));
    LS_RETURN_IF_ERROR(c.SetOutput(n.sparse + i, Shape{kUnknownDim}));
    LS_RETURN_IF_ERROR(c.SetOutput(2 * n.sparse + i, Shape{rank}));
  }
  const auto& shapes = c.Attr<std::vector<Shape>>("dense_shapes");
  LS_RETURN_IF_ERROR(CheckDenseShapes(shapes, n.dense));
  for (int i = 0; i < n.dense; ++i) {
    LS_RETURN_IF_ERROR(
        SetBatched(c, n.first_dense() + i, in, shapes[static_cast<size_t>(i)]));
  }
  for (int i = 0; i < n.ragged; ++i) {
    const int at = n.first_ragged() + i;
    LS_RETURN_IF_ERROR(c.SetOutput(at, Shape{kUnknownDim}));
    LS_RETURN_IF_ERROR(c.SetOutput(at + n.ragged, Shape{kUnknownDim}));
  }
  return Ok();
}

Status CheckNames(const Shape& serialized, const Shape& names) {
  if (!names.IsFullyKnown() || !serialized.IsFullyKnown() ||
      names.NumElements() == 0 || names == serialized) {
    return Ok();
  }
  return InvalidArgument("Expected names have the same shape as serialized: ",
                         "name.shape=", names,
                         ", serialized.shape=", serialized);
}

Status BatchShapes(ShapeContext& c) {
  const Shape& in = c.Input(0);
  if (in.HasRank() && in.rank() != 1) {
    return InvalidArgument("Expected serialized to be a vector, got shape: ",
                           in);
  }
  LS_RETURN_IF_ERROR(CheckNames(in, c.Input(1)));
  return ParsedShapes(c);
}
Status BatchOrOneShapes(ShapeContext& c) {
  const Shape& in = c.Input(0);
  if (in.HasRank() && in.rank() > 1) {
    return InvalidArgument("Expected serialized to be a scalar or vector, got ",
                           "shape: ", in);
  }
  LS_RETURN_IF_ERROR(CheckNames(in, c.Input(1)));
  return ParsedShapes(c);
}
Status OneShapes(ShapeContext& c) {
  if (c.Input(0).HasRank() && c.Input(0).rank() != 0) {
    return InvalidArgument("Expected serialized to be a scalar, got shape: ",
                           c.Input(0));
  }
  return ParsedShapes(c);
}

// What a dense key's default has to be.
Status CheckDefault(const Tensor& value, const Shape& shape, int i) {
  if (IsVariable(shape)) {
    if (value.NumElements() == 1) return Ok();
    return InvalidArgument("dense_shape[", i,
                           "] is a variable length shape: ", shape,
                           ", therefore def_value[", i, "] must ",
                           "contain a single element (the padding element).  ",
                           "But its shape is: ", value.shape());
  }
  if (value.NumElements() == 0 || value.shape() == shape) return Ok();
  return InvalidArgument("def_value[", i, "].shape() == ", value.shape(),
                         " is not compatible with dense_shapes_[", i,
                         "] == ", shape);
}

struct Wanted {
  Keys sparse, dense, ragged;
  int first_default;  // input
};

Status CheckKeys(const Wanted& w, const Counts& n) {
  const auto check = [](const Keys& keys, int want, const char* kind) {
    if (static_cast<int>(keys.size()) == want) return Ok();
    return InvalidArgument("Expected len(", kind, "_keys) == num_", kind,
                           " but got: ", keys.size(), " vs. ", want);
  };
  LS_RETURN_IF_ERROR(check(w.sparse, n.sparse, "sparse"));
  LS_RETURN_IF_ERROR(check(w.dense, n.dense, "dense"));
  return check(w.ragged, n.ragged, "ragged");
}

Status ParseAll(KernelContext& k, const Wanted& w,
                std::span<const std::string> names) {
  const Counts n(k.attrs());
  LS_RETURN_IF_ERROR(CheckKeys(w, n));
  const auto& shapes = *GetIf<std::vector<Shape>>(k.attrs(), "dense_shapes");
  for (int i = 0; i < n.dense; ++i) {
    LS_RETURN_IF_ERROR(CheckDefault(k.input(w.first_default + i),
                                    shapes[static_cast<size_t>(i)], i));
  }
  LS_ASSIGN_OR_RETURN(const Examples examples,
                      Examples::Parse(k.input(0).flat<std::string>(), names,
                                      k.input(0).shape().rank() == 1));
  const auto type = [&](const char* list, int i) {
    return (*GetIf<Types>(k.attrs(), list))[static_cast<size_t>(i)];
  };
  for (int i = 0; i < n.sparse; ++i) {
    LS_RETURN_IF_ERROR(SparseOutput(k, examples,
                                    w.sparse[static_cast<size_t>(i)],
                                    type("sparse_types", i), i, n.sparse));
  }
  for (int i = 0; i < n.dense; ++i) {
    const auto at = static_cast<size_t>(i);
    LS_RETURN_IF_ERROR(DenseOutput(k, examples, w.dense[at], shapes[at],
                                   k.input(w.first_default + i),
                                   n.first_dense() + i));
  }
  for (int i = 0; i < n.ragged; ++i) {
    const int at = n.first_ragged() + i;
    LS_RETURN_IF_ERROR(
        RaggedOutput(k, examples, w.ragged[static_cast<size_t>(i)],
                     type("ragged_value_types", i), at, at + n.ragged));
  }
  return Ok();
}

Keys ScalarsFrom(const KernelContext& k, int first, int count) {
  Keys keys;
  for (int i = 0; i < count; ++i) {
    keys.push_back(k.input(first + i).scalar<std::string>());
  }
  return keys;
}
Keys VectorAt(const KernelContext& k, int input) {
  const auto all = k.input(input).flat<std::string>();
  return Keys(all.begin(), all.end());
}

Status ParseExampleCpu(KernelContext& k) {
  const Counts n(k.attrs());
  const int first_dense = 2 + n.sparse;
  return ParseAll(k,
                  {ScalarsFrom(k, 2, n.sparse),
                   ScalarsFrom(k, first_dense, n.dense),
                   {},
                   first_dense + n.dense},
                  k.input(1).flat<std::string>());
}
Status ParseExampleV2Cpu(KernelContext& k) {
  return ParseAll(k, {VectorAt(k, 2), VectorAt(k, 3), VectorAt(k, 4), 5},
                  k.input(1).flat<std::string>());
}
Status ParseSingleExampleCpu(KernelContext& k) {
  return ParseAll(k,
                  {*GetIf<Keys>(k.attrs(), "sparse_keys"),
                   *GetIf<Keys>(k.attrs(), "dense_keys"),
                   {},
                   1},
                  {});
}

LOCKSTEP_OP("ParseExample")
    .Input("serialized: string")
    .Input("names: string")
    .Input("sparse_keys: Nsparse * string")
    .Input("dense_keys: Ndense * string")
    .Input("dense_defaults: Tdense")
    .Output("sparse_indices: Nsparse * int64")
    .Output("sparse_values: sparse_types")
    .Output("sparse_shapes: Nsparse * int64")
    .Output("dense_values: Tdense")
    .Attr("Nsparse: int >= 0")
    .Attr("Ndense: int >= 0")
    .Attr("sparse_types: list({float, int64, string}) >= 0")
    .Attr("Tdense: list({float, int64, string}) >= 0")
    .Attr("dense_shapes: list(shape) >= 0")
    .Shape(BatchShapes)
    .NoGradient()
    .Kernel(kCpu, {ParseExampleCpu});

LOCKSTEP_OP("ParseExampleV2")
    .Input("serialized: string")
    .Input("names: string")
    .Input("sparse_keys: string")
    .Input("dense_keys: string")
    .Input("ragged_keys: string")
    .Input("dense_defaults: Tdense")
    .Output("sparse_indices: num_sparse * int64")
    .Output("sparse_values: sparse_types")
    .Output("sparse_shapes: num_sparse * int64")
    .Output("dense_values: Tdense")
    .Output("ragged_values: ragged_value_types")
    .Output("ragged_row_splits: ragged_split_types")
    .Attr("Tdense: list({float, int64, string}) >= 0")
    .Attr("num_sparse: int >= 0")
    .Attr("sparse_types: list({float, int64, string}) >= 0")
    .Attr("ragged_value_types: list({float, int64, string}) >= 0")
    .Attr("ragged_split_types: list({int32, int64}) >= 0")
    .Attr("dense_shapes: list(shape) >= 0")
    .Shape(BatchOrOneShapes)
    .NoGradient()
    .Kernel(kCpu, {ParseExampleV2Cpu});

LOCKSTEP_OP("ParseSingleExample")
    .Input("serialized: string")
    .Input("dense_defaults: Tdense")
    .Output("sparse_indices: num_sparse * int64")
    .Output("sparse_values: sparse_types")
    .Output("sparse_shapes: num_sparse * int64")
    .Output("dense_values: Tdense")
    .Attr("num_sparse: int >= 0")
    .Attr("sparse_keys: list(string) >= 0")
    .Attr("dense_keys: list(string) >= 0")
    .Attr("sparse_types: list({float, int64, string}) >= 0")
    .Attr("Tdense: list({float, int64, string}) >= 0")
    .Attr("dense_shapes: list(shape) >= 0")
    .Shape(OneShapes)
    .NoGradient()
    .Kernel(kCpu, {ParseSingleExampleCpu});

}  // namespace
}  // namespace lockstep
