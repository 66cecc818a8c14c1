// SPDX-License-Identifier: Apache-2.0
#include "ops/array/nd_index.h"

namespace lockstep {

NdIndex::NdIndex(const Shape& indices, const Shape& whole)
    : rows(DimProduct(indices, 0, indices.rank() - 1)),
      k(indices.dim(indices.rank() - 1)) {
  const int axes = static_cast<int>(k);
  slice = DimProduct(whole, axes, whole.rank());
  for (int d = 0; d < axes; ++d) {
    const size_t u = static_cast<size_t>(d);
    dims[u] = whole.dim(d);
    strides[u] = DimProduct(whole, d + 1, whole.rank());
  }
}

Result<Shape> NdIndex::SlicesShape(const Shape& indices, const Shape& whole) {
  if (!indices.HasRank() || !whole.HasRank()) return Shape::Unknown();
  if (indices.rank() < 1) {
    return InvalidArgument("indices must be at least a vector, have shape ",
                           indices);
  }
  const int64_t k = indices.dim(indices.rank() - 1);
  if (k == kUnknownDim) return Shape::Unknown();
  if (k > whole.rank()) {
    return InvalidArgument("index innermost dimension length must be <= the ",
                           "rank of ", whole, "; saw: ", k);
  }
  std::vector<int64_t> dims(indices.dims().begin(), indices.dims().end() - 1);
  for (int d = static_cast<int>(k); d < whole.rank(); ++d) {
    dims.push_back(whole.dim(d));
  }
  return Shape::Make(dims);
}

}  // namespace lockstep
