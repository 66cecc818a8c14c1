// SPDX-License-Identifier: Apache-2.0
#include "ops/io/example_outputs.h"

#include <algorithm>

#include "ops/array/slices.h"

namespace lockstep::detail {
namespace {

// Of each example what it has under the key, all of one type.
using Column = std::vector<const proto::Feature*>;
Result<Column> ColumnOf(const Examples& examples, const std::string& key,
                        DType type) {
  Column column;
  for (int64_t i = 0; i < examples.size(); ++i) {
    const proto::Feature* f = examples.Find(i, key);
    if (f && FeatureType(*f) != type) {
      return InvalidArgument(
          examples.Where(i, key),
          ".  Data types don't match. Expected type: ", DTypeName(type),
          ", Actual type: ", DTypeName(FeatureType(*f)));
    }
    column.push_back(f);
  }
  return column;
}
int64_t SizeOf(const proto::Feature* f) { return f ? FeatureSize(*f) : 0; }

// Output `output`: all values, one example's behind the other's.
Status CopyColumn(KernelContext& k, const Column& column, int output) {
  int64_t n = 0;
  for (const proto::Feature* f : column) n += SizeOf(f);
  LS_RETURN_IF_ERROR(k.AllocateOutput(output, Shape{n}));
  int64_t at = 0;
  for (const proto::Feature* f : column) {
    if (f) CopyFeature(*f, k.output(output), at);
    at += SizeOf(f);
  }
  return Ok();
}

template <class T>
void WriteSplits(const Column& column, T* splits) {
  *splits = 0;
  for (const proto::Feature* f : column) {
    splits[1] = static_cast<T>(*splits + SizeOf(f));
    ++splits;
  }
}

// Number of elements of one part of a dense key: of all but a first dimension
// that varies.
int64_t PartSize(const Shape& shape) {
  int64_t n = 1;
  for (int d = IsVariable(shape) ? 1 : 0; d < shape.rank(); ++d) {
    n *= shape.dim(d);
  }
  return n;
}

// The number of parts in each example's row: of the longest one where the
// shape varies.
Result<int64_t> PartsOf(const Examples& examples, const Column& column,
                        const std::string& key, const Shape& shape,
                        const Tensor& value) {
  const bool variable = IsVariable(shape);
  const int64_t part = PartSize(shape);
  int64_t parts = variable ? 0 : 1;
  for (size_t i = 0; i < column.size(); ++i) {
    const auto row = static_cast<int64_t>(i);
    const int64_t n = SizeOf(column[i]);
    if (variable ? n > 0 && (part == 0 || n % part != 0)
                 : column[i] && n != part) {
      return InvalidArgument(
          examples.Where(row, key), ".  Number of ", DTypeName(value.dtype()),
          variable ? " values is not a multiple of stride length. Saw "
                   : " values != expected.  Values size: ",
          n, variable ? " values but output shape is: " : " but output shape: ",
          shape);
    }
    if (!variable && !column[i] && value.NumElements() == 0 && part > 0) {
      return examples.Missing(row, key, value.dtype());
    }
    if (variable && n > 0) parts = std::max(parts, n / part);
  }
  return parts;
}

}  // namespace

Status SparseOutput(KernelContext& k, const Examples& examples,
                    const std::string& key, DType type, int i, int count) {
  LS_ASSIGN_OR_RETURN(const Column column, ColumnOf(examples, key, type));
  LS_RETURN_IF_ERROR(CopyColumn(k, column, count + i));
  const int64_t rank = examples.is_batch() ? 2 : 1;
  const int64_t n = k.output(count + i).NumElements();
  LS_RETURN_IF_ERROR(k.AllocateOutput(i, Shape{n, rank}));
  LS_RETURN_IF_ERROR(k.AllocateOutput(2 * count + i, Shape{rank}));
  int64_t* index = k.out<int64_t>(i);
  int64_t longest = 0;
  for (size_t row = 0; row < column.size(); ++row) {
    for (int64_t j = 0; j < SizeOf(column[row]); ++j) {
      if (rank == 2) *index++ = static_cast<int64_t>(row);
      *index++ = j;
    }
    longest = std::max(longest, SizeOf(column[row]));
  }
  int64_t* shape = k.out<int64_t>(2 * count + i);
  if (rank == 2) *shape++ = examples.size();
  *shape = longest;
  return Ok();
}

Status RaggedOutput(KernelContext& k, const Examples& examples,
                    const std::string& key, DType type, int values,
                    int splits) {
  LS_ASSIGN_OR_RETURN(const Column column, ColumnOf(examples, key, type));
  LS_RETURN_IF_ERROR(CopyColumn(k, column, values));
  const bool batch = examples.is_batch();
  LS_RETURN_IF_ERROR(
      k.AllocateOutput(splits, Shape{batch ? examples.size() + 1 : 0}));
  if (!batch) return Ok();
  if (k.output(splits).dtype() == kInt32) {
    WriteSplits(column, k.out<int32_t>(splits));
  } else {
    WriteSplits(column, k.out<int64_t>(splits));
  }
  return Ok();
}

Status DenseOutput(KernelContext& k, const Examples& examples,
                   const std::string& key, const Shape& shape,
                   const Tensor& value, int output) {
  LS_ASSIGN_OR_RETURN(const Column column,
                      ColumnOf(examples, key, value.dtype()));
  LS_ASSIGN_OR_RETURN(const int64_t parts,
                      PartsOf(examples, column, key, shape, value));
  Shape y;
  if (examples.is_batch()) y.AddDim(examples.size());
  for (int d = 0; d < shape.rank(); ++d) {
    y.AddDim(d == 0 && IsVariable(shape) ? parts : shape.dim(d));
  }
  LS_RETURN_IF_ERROR(k.AllocateOutput(output, y));
  const int64_t size = parts * PartSize(shape);
  const Slices element(value.dtype(), 1);
  Tensor& to = k.output(output);
  for (size_t i = 0; i < column.size(); ++i) {
    const int64_t row = static_cast<int64_t>(i) * size;
    int64_t at = SizeOf(column[i]);
    if (column[i]) CopyFeature(*column[i], to, row);
    for (; at < size; ++at) {
      element.Copy(to.data(), row + at, value.data(),
                   IsVariable(shape) ? 0 : at);
    }
  }
  return Ok();
}

}  // namespace lockstep::detail
