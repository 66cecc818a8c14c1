// SPDX-License-Identifier: Apache-2.0

// Unique, UniqueV2, UniqueWithCounts, UniqueWithCountsV2: the distinct elements
// of a vector (V2: of any tensor's slices along `axis`, an empty vector for
// none) in the order of their first occurrence.
//   x: numbers, bool, string   y: [distinct]   idx: [n], y[idx[i]] = x[i]
//   count: [distinct], how often each occurs
// NaN equals nothing; the zeros of both signs are one. No gradients.
// ListDiff: the elements of x that are not in y, with their positions.

#include <unordered_map>
#include <unordered_set>

#include "ops/array/array.h"
#include "ops/array/axes.h"
#include "ops/array/slices.h"
#include "ops/math/elementwise.h"

namespace lockstep {
namespace {

template <class T>
size_t HashOf(const T& v) {
  if constexpr (std::is_same_v<T, std::string>) {
    return std::hash<std::string>()(v);
  } else {
    const auto value = static_cast<ValueType<T>>(v);
    return std::hash<ValueType<T>>()(value == ValueType<T>{} ? ValueType<T>{}
                                                             : value);
  }
}
template <class T>
bool SameValue(const T& a, const T& b) {
  return static_cast<const ValueType<T>&>(a) ==
         static_cast<const ValueType<T>&>(b);
}

// Row `row` of x seen as [outer, rows, inner].
template <class T>
struct RowSet {
  const T* x;
  int64_t outer, rows, inner;
  const T& At(int64_t row, int64_t o, int64_t i) const {
    return x[(o * rows + row) * inner + i];
  }
  size_t operator()(int64_t row) const {
    size_t hash = 0;
    for (int64_t o = 0; o < outer; ++o) {
      for (int64_t i = 0; i < inner; ++i) {
        hash = hash * 1000003 + HashOf(At(row, o, i));
      }
    }
    return hash;
  }
  bool operator()(int64_t a, int64_t b) const {
    for (int64_t o = 0; o < outer; ++o) {
      for (int64_t i = 0; i < inner; ++i) {
        if (!SameValue(At(a, o, i), At(b, o, i))) return false;
      }
    }
    return true;
  }
};

// The axis of V2 ops, -1 for none: then the input must be a vector.
Result<int> UniqueAxis(const Shape& x, const Tensor* axes) {
  const int64_t n = axes == nullptr ? 0 : axes->NumElements();
  if (n > 1) {
    return InvalidArgument("axis must have at most one element, has ", n);
  }
  if (n == 0) {
    if (x.HasRank() && x.rank() != 1) {
      return InvalidArgument("unique expects a 1D vector, got shape ", x);
    }
    return -1;
  }
  if (!x.HasRank()) return 0;
  return ResolveAxis(IntAt(*axes, 0), x.rank());
}

Status UniqueShape(ShapeContext& c) {
  const bool v2 = c.num_inputs() == 2;
  Shape y{kUnknownDim};
  int64_t rows = kUnknownDim;
  const Shape& x = c.Input(0);
  if (v2 && c.InputValue(1) == nullptr) {
    y = x.HasRank() ? Shape::UnknownOfRank(x.rank()) : Shape::Unknown();
  } else {
    LS_ASSIGN_OR_RETURN(int axis,
                        UniqueAxis(x, v2 ? c.InputValue(1) : nullptr));
    if (axis >= 0) y = x;
    if (x.HasRank()) {
      rows = x.dim(std::max(axis, 0));
      if (axis >= 0) y.set_dim(axis, kUnknownDim);
    }
  }
  LS_RETURN_IF_ERROR(c.SetOutput(0, y));
  LS_RETURN_IF_ERROR(c.SetOutput(1, Shape{rows}));
  return c.num_outputs() < 3 ? Ok() : c.SetOutput(2, Shape{kUnknownDim});
}

template <class T>
Status UniqueCpu(KernelContext& k) {
  const Shape& shape = k.input(0).shape();
  LS_ASSIGN_OR_RETURN(
      int axis, UniqueAxis(shape, k.num_inputs() == 2 ? &k.input(1) : nullptr));
  axis = std::max(axis, 0);
  const RowSet<T> rows{k.in<T>(0), DimProduct(shape, 0, axis), shape.dim(axis),
                       DimProduct(shape, axis + 1, shape.rank())};
  LS_RETURN_IF_ERROR(k.AllocateOutput(1, Shape{rows.rows}));
  std::unordered_map<int64_t, int64_t, RowSet<T>, RowSet<T>> found(16, rows,
                                                                   rows);
  std::vector<int64_t> first, counts;
  for (int64_t i = 0; i < rows.rows; ++i) {
    const auto [it, added] =
        found.try_emplace(i, static_cast<int64_t>(first.size()));
    if (added) {
      first.push_back(i);
      counts.push_back(0);
    }
    ++counts[static_cast<size_t>(it->second)];
    SetInt(k.output(1), i, it->second);
  }
  const int64_t n = static_cast<int64_t>(first.size());
  Shape y = shape;
  y.set_dim(axis, n);
  LS_RETURN_IF_ERROR(k.AllocateOutput(0, y));
  const Slices slices(k.input(0).dtype(), rows.inner);
  for (int64_t o = 0; o < rows.outer; ++o) {
    for (int64_t i = 0; i < n; ++i) {
      slices.Copy(k.output(0).data(), o * n + i, rows.x,
                  o * rows.rows + first[static_cast<size_t>(i)]);
    }
  }
  if (k.num_outputs() < 3) return Ok();
  LS_RETURN_IF_ERROR(k.AllocateOutput(2, Shape{n}));
  for (int64_t i = 0; i < n; ++i) {
    SetInt(k.output(2), i, counts[static_cast<size_t>(i)]);
  }
  return Ok();
}

OpBuilder UniqueOp(const char* name, bool axis, bool counts) {
  OpBuilder b(name);
  b.Input("x: T");
  if (axis) b.Input("axis: Taxis");
  b.Output("y: T").Output("idx: out_idx");
  if (counts) b.Output("count: out_idx");
  b.Attr("T: type");
  if (axis) b.Attr("Taxis: {int32, int64} = DT_INT64").NeedsValue({1});
  b.Attr("out_idx: {int32, int64} = DT_INT32").Shape(UniqueShape).NoGradient();
  b.Kernels<LS_REAL_TYPES, bool, std::string>(
      kCpu, []<class T>() { return KernelDef{UniqueCpu<T>}; });
  return b;
}

const OpRegistrar kUnique = UniqueOp("Unique", false, false);
const OpRegistrar kUniqueV2 = UniqueOp("UniqueV2", true, false);
const OpRegistrar kWithCounts = UniqueOp("UniqueWithCounts", false, true);
const OpRegistrar kWithCountsV2 = UniqueOp("UniqueWithCountsV2", true, true);

Status ListDiffShape(ShapeContext& c) {
  LS_RETURN_IF_ERROR(c.WithRank(0, 1).status());
  LS_RETURN_IF_ERROR(c.WithRank(1, 1).status());
  LS_RETURN_IF_ERROR(c.SetOutput(0, Shape{kUnknownDim}));
  return c.SetOutput(1, Shape{kUnknownDim});
}

template <class T>
Status ListDiffCpu(KernelContext& k) {
  const auto x = k.input(0).flat<T>();
  const auto hash = [](const T* v) { return HashOf(*v); };
  const auto same = [](const T* a, const T* b) { return SameValue(*a, *b); };
  std::unordered_set<const T*, decltype(hash), decltype(same)> out(16, hash,
                                                                   same);
  for (const T& v : k.input(1).flat<T>()) out.insert(&v);
  std::vector<int64_t> kept;
  for (size_t i = 0; i < x.size(); ++i) {
    if (!out.contains(&x[i])) kept.push_back(static_cast<int64_t>(i));
  }
  const int64_t n = static_cast<int64_t>(kept.size());
  LS_RETURN_IF_ERROR(k.AllocateOutput(0, Shape{n}));
  LS_RETURN_IF_ERROR(k.AllocateOutput(1, Shape{n}));
  for (int64_t i = 0; i < n; ++i) {
    k.out<T>(0)[i] = x[static_cast<size_t>(kept[static_cast<size_t>(i)])];
    SetInt(k.output(1), i, kept[static_cast<size_t>(i)]);
  }
  return Ok();
}

LOCKSTEP_OP("ListDiff")
    .Input("x: T")
    .Input("y: T")
    .Output("out: T")
    .Output("idx: out_idx")
    .Attr("T: type")
    .Attr("out_idx: {int32, int64} = DT_INT32")
    .Shape(ListDiffShape)
    .NoGradient()
    .Kernels<LS_REAL_TYPES, bool, std::string>(kCpu, []<class T>() {
      return KernelDef{ListDiffCpu<T>};
    });

ops::UniqueOutputs Outputs(const std::vector<Output>& outs) {
  if (outs.size() < 2) return {};
  return {outs[0], outs[1], outs.size() > 2 ? outs[2] : Output()};
}

}  // namespace

namespace ops {

UniqueOutputs Unique(const Scope& scope, const Input& x, DType out_idx) {
  return Outputs(scope.Op("Unique").In(x).Attr("out_idx", out_idx).Outs());
}
UniqueOutputs UniqueV2(const Scope& scope, const Input& x, const Input& axis,
                       DType out_idx) {
  return Outputs(
      scope.Op("UniqueV2").In(x).In(axis).Attr("out_idx", out_idx).Outs());
}
UniqueOutputs UniqueWithCounts(const Scope& scope, const Input& x,
                               DType out_idx) {
  return Outputs(
      scope.Op("UniqueWithCounts").In(x).Attr("out_idx", out_idx).Outs());
}
UniqueOutputs UniqueWithCountsV2(const Scope& scope, const Input& x,
                                 const Input& axis, DType out_idx) {
  return Outputs(scope.Op("UniqueWithCountsV2")
                     .In(x)
                     .In(axis)
                     .Attr("out_idx", out_idx)
                     .Outs());
}
std::vector<Output> ListDiff(const Scope& scope, const Input& x, const Input& y,
                             DType out_idx) {
  return scope.Op("ListDiff").InPair(x, y).Attr("out_idx", out_idx).Outs();
}

}  // namespace ops
}  // namespace lockstep
