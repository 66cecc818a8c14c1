// SPDX-License-Identifier: Apache-2.0
#pragma once

// Gradients of a few rows of a large tensor, such as Gather's: TensorFlow's
// IndexedSlices. In a graph they are the node that makes all rows of them,
// which is an ordinary dense gradient; who can do with the rows asks for them,
// and the node is then not run.
//
//   Output d = IndexedSlicesToDense(scope, values, indices, num_rows);
//   GradientValue g = AsIndexedSlices(scope, d);    // {values, indices}

#include "runtime/graph/builder.h"
#include "runtime/graph/gradient_value.h"

namespace lockstep::ops {

// values: [n, rest]  indices: int32|int64 [n]  num_rows: [] -> [num_rows, rest]
Output IndexedSlicesToDense(const Scope& scope, const Input& values,
                            const Input& indices, const Input& num_rows);
// The rows that `gradient` was made of by the above, or a sum of several such;
// else all of it.
GradientValue AsIndexedSlices(const Scope& scope, Output gradient);
// The same with each index once: rows of equal ones added up. Unchanged when
// it is not sparse.
GradientValue WithoutDuplicates(const Scope& scope, const GradientValue& g);
// Other values for the same rows: dense again, and known as rows.
Output WithValues(const Scope& scope, Output gradient, const Input& values);

}  // namespace lockstep::ops
