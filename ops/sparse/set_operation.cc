// SPDX-License-Identifier: Apache-2.0

// Sets are the elements along the last dimension: of a dense tensor
// [group..., n], or of a sparse one of as many dimensions.
// DenseToDenseSetOperation, DenseToSparseSetOperation,
// SparseToSparseSetOperation: "union", "intersection", "a-b" or "b-a" (in any
// case) of the sets of each group -> a sparse tensor [group..., most elements],
// each set in ascending order.
// SetSize: the different elements of each group, int32 [group...].
// With validate_indices those of sparse tensors are in row-major order, do not
// repeat, and lie within the shape.

#include <algorithm>
#include <map>

#include "ops/math/elementwise.h"
#include "ops/sparse/sparse_inputs.h"

namespace lockstep {
namespace {

#define LS_SET_TYPES int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t

struct SetAttrs {
  std::string operation;  // in lower case; none of SetSize
  bool validate_indices = true;
};

// A group's place in all dimensions but the last.
using Group = std::vector<int64_t>;
// Ascending, without repetitions. Groups that are not there have empty sets.
template <class T>
using Sets = std::map<Group, std::vector<T>>;

template <class T>
void MakeSets(Sets<T>* sets) {
  for (auto& [group, set] : *sets) {
    std::ranges::sort(set);
    const auto rest = std::ranges::unique(set);
    set.erase(rest.begin(), rest.end());
  }
}

std::string OutsideText(std::span<const int64_t> index) {
  return StrCat("[", Join(index, ","), "]");
}

// Of the i-th index among those of a sparse tensor of this shape.
Status CheckIndex(const int64_t* indices, int64_t i,
                  std::span<const int64_t> shape) {
  const auto rank = static_cast<int64_t>(shape.size());
  const int64_t* index = indices + i * rank;
  const std::string text =
      OutsideText(std::span(index, static_cast<size_t>(rank)));
  for (int64_t d = 0; d < rank; ++d) {
    if (index[d] >= 0 && index[d] < shape[static_cast<size_t>(d)]) continue;
    return InvalidArgument("indices[", i, "] = ", text,
                           " is out of bounds: need 0 <= index < ",
                           OutsideText(shape));
  }
  const int order = i == 0 ? -1 : CompareIndices(index - rank, index, rank);
  if (order == 0) {
    return InvalidArgument("indices[", i, "] = ", text, " is repeated");
  }
  if (order > 0) {
    return InvalidArgument("indices[", i, "] = ", text, " is out of order");
  }
  return Ok();
}

// One operand: its groups' shape and its sets.
template <class T>
struct Operand {
  std::vector<int64_t> groups;
  Sets<T> sets;
};

Status CheckRank(int64_t rank) {
  return rank >= 2 ? Ok() : InvalidArgument("Invalid rank ", rank, ".");
}

template <class T>
Result<Operand<T>> Dense(KernelContext& k, int input) {
  const Shape& shape = k.input(input).shape();
  if (shape.rank() < 2) {
    return InvalidArgument("Shape ", shape, " has rank ", shape.rank(), " < 2");
  }
  Operand<T> o;
  o.groups.assign(shape.dims().begin(), shape.dims().end() - 1);
  const int64_t n = shape.dim(shape.rank() - 1);
  const T* x = k.in<T>(input);
  Group group(o.groups.size(), 0);
  for (int64_t at = 0; at < shape.NumElements(); at += n) {
    o.sets[group].assign(x + at, x + at + n);
    for (size_t d = group.size(); d-- > 0 && ++group[d] == o.groups[d];) {
      group[d] = 0;
    }
  }
  MakeSets(&o.sets);
  return o;
}

// Inputs `first` to `first` + 2 are indices, values and shape.
template <class T>
Result<Operand<T>> SparseSets(KernelContext& k, int first) {
  const int64_t* indices = k.in<int64_t>(first);
  const T* values = k.in<T>(first + 1);
  const std::span shape(k.in<int64_t>(first + 2),
                        static_cast<size_t>(k.input(first + 2).NumElements()));
  const size_t rank = shape.size();
  LS_RETURN_IF_ERROR(CheckRank(static_cast<int64_t>(rank)));
  const bool validate = k.state<SetAttrs>().validate_indices;
  Operand<T> o;
  o.groups.assign(shape.begin(), shape.end() - 1);
  for (int64_t i = 0; i < k.input(first + 1).NumElements(); ++i) {
    if (validate) LS_RETURN_IF_ERROR(CheckIndex(indices, i, shape));
    const int64_t* index = indices + i * static_cast<int64_t>(rank);
    o.sets[Group(index, index + rank - 1)].push_back(values[i]);
  }
  MakeSets(&o.sets);
  return o;
}

template <class T>
void Combine(const std::string& how, const std::vector<T>& a,
             const std::vector<T>& b, std::vector<T>* out) {
  if (how == "a-b") {
    std::ranges::set_difference(a, b, std::back_inserter(*out));
  } else if (how == "b-a") {
    std::ranges::set_difference(b, a, std::back_inserter(*out));
  } else if (how == "union") {
    std::ranges::set_union(a, b, std::back_inserter(*out));
  } else {
    std::ranges::set_intersection(a, b, std::back_inserter(*out));
  }
}

template <class T>
Sets<T> CombineGroups(const std::string& how, const Sets<T>& a,
                      const Sets<T>& b) {
  static const std::vector<T> kNone;
  const auto of = [](const Sets<T>& sets,
                     const Group& group) -> const std::vector<T>& {
    const auto it = sets.find(group);
    return it == sets.end() ? kNone : it->second;
  };
  Sets<T> made;
  for (const auto& [group, set] : a)
    Combine(how, set, of(b, group), &made[group]);
  for (const auto& [group, set] : b) {
    if (!a.contains(group)) Combine(how, kNone, set, &made[group]);
  }
  return made;
}

template <class T>
Status WriteSets(KernelContext& k, const std::vector<int64_t>& groups,
                 const Sets<T>& sets) {
  int64_t count = 0, most = 0;
  for (const auto& [group, set] : sets) {
    const auto n = static_cast<int64_t>(set.size());
    count += n;
    most = std::max(most, n);
  }
  const auto rank = static_cast<int64_t>(groups.size()) + 1;
  LS_RETURN_IF_ERROR(k.AllocateOutput(0, Shape{count, rank}));
  LS_RETURN_IF_ERROR(k.AllocateOutput(1, Shape{count}));
  LS_RETURN_IF_ERROR(k.AllocateOutput(2, Shape{rank}));
  int64_t* index = k.out<int64_t>(0);
  T* value = k.out<T>(1);
  for (const auto& [group, set] : sets) {
    for (size_t i = 0; i < set.size(); ++i) {
      index = std::ranges::copy(group, index).out;
      *index++ = static_cast<int64_t>(i);
      *value++ = set[i];
    }
  }
  *std::ranges::copy(groups, k.out<int64_t>(2)).out = most;
  return Ok();
}

Status PrepareSize(PrepareContext& p) {
  p.MakeState<SetAttrs>().validate_indices = p.Attr<bool>("validate_indices");
  return Ok();
}

Status PrepareOperation(PrepareContext& p) {
  const auto& asked = p.Attr<std::string>("set_operation");
  std::string how = asked;
  std::ranges::transform(how, how.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  for (const char* known : {"a-b", "b-a", "intersection", "union"}) {
    if (how != known) continue;
    p.MakeState<SetAttrs>(SetAttrs{how, p.Attr<bool>("validate_indices")});
    return Ok();
  }
  return InvalidArgument("Invalid set_operation ", asked, ".");
}

// Each operand is one input where it is dense, else three.
template <class T, bool kADense, bool kBDense>
Status OperationCpu(KernelContext& k) {
  LS_ASSIGN_OR_RETURN(const Operand<T> a,
                      kADense ? Dense<T>(k, 0) : SparseSets<T>(k, 0));
  constexpr int kB = kADense ? 1 : 3;
  LS_ASSIGN_OR_RETURN(const Operand<T> b,
                      kBDense ? Dense<T>(k, kB) : SparseSets<T>(k, kB));
  if (a.groups != b.groups) {
    return InvalidArgument("Mismatched shapes [", Join(a.groups, ","), "] vs [",
                           Join(b.groups, ","), "]");
  }
  return WriteSets(
      k, a.groups,
      CombineGroups(k.state<SetAttrs>().operation, a.sets, b.sets));
}

template <bool kADense, bool kBDense>
Status OperationShape(ShapeContext& c) {
  int64_t rank = kUnknownDim;
  if constexpr (kADense) {
    if (c.Input(0).HasRank()) rank = c.Input(0).rank();
  } else {
    LS_ASSIGN_OR_RETURN(const SparseShape a, SparseInputs(c, 0, 1, 2));
    rank = a.rank;
  }
  if constexpr (kBDense) {
    if (rank == kUnknownDim && c.Input(1).HasRank()) rank = c.Input(1).rank();
  } else {
    constexpr int kB = kADense ? 1 : 3;
    LS_ASSIGN_OR_RETURN(const SparseShape b,
                        SparseInputs(c, kB, kB + 1, kB + 2));
    if (rank == kUnknownDim) rank = b.rank;
  }
  return SetSparseOutputs(c, rank);
}

OpBuilder& AddOperand(OpBuilder& b, const std::string& name, bool dense) {
  if (dense) return b.Input(name + ": T");
  return b.Input(name + "_indices: int64")
      .Input(name + "_values: T")
      .Input(name + "_shape: int64");
}

template <bool kADense, bool kBDense>
OpBuilder SetOperation(const char* name) {
  OpBuilder b(name);
  AddOperand(b, "set1", kADense);
  AddOperand(b, "set2", kBDense);
  b.Output("result_indices: int64")
      .Output("result_values: T")
      .Output("result_shape: int64")
      .Attr("set_operation: string")
      .Attr("validate_indices: bool = true")
      .Attr("T: {int8, int16, int32, int64, uint8, uint16, string}")
      .Shape(OperationShape<kADense, kBDense>)
      .NoGradient()
      .template Kernels<LS_SET_TYPES, std::string>(kCpu, []<class T>() {
        return KernelDef{OperationCpu<T, kADense, kBDense>, PrepareOperation};
      });
  return b;
}
const OpRegistrar kDenseToDense(
    SetOperation<true, true>("DenseToDenseSetOperation"));
const OpRegistrar kDenseToSparse(
    SetOperation<true, false>("DenseToSparseSetOperation"));
const OpRegistrar kSparseToSparse(
    SetOperation<false, false>("SparseToSparseSetOperation"));

Status SizeShape(ShapeContext& c) {
  LS_RETURN_IF_ERROR(SparseInputs(c, 0, 1, 2).status());
  return c.SetOutput(0, Shape::Unknown());
}

template <class T>
Status SizeCpu(KernelContext& k) {
  LS_ASSIGN_OR_RETURN(const Operand<T> a, SparseSets<T>(k, 0));
  LS_ASSIGN_OR_RETURN(const Shape shape, Shape::Make(a.groups));
  LS_RETURN_IF_ERROR(k.AllocateOutput(0, shape));
  int32_t* sizes = k.out<int32_t>(0);
  std::fill_n(sizes, shape.NumElements(), 0);
  for (const auto& [group, set] : a.sets) {
    int64_t at = 0;
    for (size_t d = 0; d < group.size(); ++d) {
      if (group[d] < 0 || group[d] >= a.groups[d]) {
        return Internal("indices[0, ", d, "] expected < ", a.groups[d],
                        ", got ", group[d], ".");
      }
      at = at * a.groups[d] + group[d];
    }
    sizes[at] = static_cast<int32_t>(set.size());
  }
  return Ok();
}

LOCKSTEP_OP("SetSize")
    .Input("set_indices: int64")
    .Input("set_values: T")
    .Input("set_shape: int64")
    .Output("size: int32")
    .Attr("validate_indices: bool = true")
    .Attr("T: {int8, int16, int32, int64, uint8, uint16, string}")
    .Shape(SizeShape)
    .NoGradient()
    .Kernels<LS_SET_TYPES, std::string>(kCpu, []<class T>() {
      return KernelDef{SizeCpu<T>, PrepareSize};
    });

}  // namespace
}  // namespace lockstep
