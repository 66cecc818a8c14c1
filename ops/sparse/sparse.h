// SPDX-License-Identifier: Apache-2.0
#pragma once

// Builder functions of sparse tensors: indices int64 [n,rank], values [n] and
// the dense shape, int64 [rank]. Gradients come with the ops.
//
//   auto full = ops::SparseFillEmptyRows(s, indices, ids, shape, int64_t{0});
//   Output y = ops::SparseTensorDenseMatMul(s, indices, values, shape, w);

#include "runtime/graph/builder.h"

namespace lockstep::ops {

struct SparseOutputs {
  Output indices, values;
};
struct FilledRows {
  Output indices, values;
  Output empty_row_indicator;  // bool [rows]
  Output reverse_index_map;    // where each element went
};

// Rows without an element get one, default_value, in their first column.
FilledRows SparseFillEmptyRows(const Scope& scope, const Input& indices,
                               const Input& values, const Input& dense_shape,
                               const Input& default_value);
// The indices in another shape of as many elements; one may be -1. `values` is
// that shape.
SparseOutputs SparseReshape(const Scope& scope, const Input& indices,
                            const Input& shape, const Input& new_shape);
// In row-major order.
SparseOutputs SparseReorder(const Scope& scope, const Input& indices,
                            const Input& values, const Input& shape);
// a, a matrix, by the dense matrix b.
Output SparseTensorDenseMatMul(const Scope& scope, const Input& a_indices,
                               const Input& a_values, const Input& a_shape,
                               const Input& b, bool adjoint_a = false,
                               bool adjoint_b = false);
// A dense tensor.
Output SparseReduceSum(const Scope& scope, const Input& indices,
                       const Input& values, const Input& shape,
                       const Input& axes, bool keep_dims = false);

}  // namespace lockstep::ops
