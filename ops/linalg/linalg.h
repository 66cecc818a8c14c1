// SPDX-License-Identifier: Apache-2.0
#pragma once

// Builder functions of matrix ops. See runtime/graph/builder.h for scopes.
//
//   Output h = ops::MatMul(scope, x, w);                        // x w
//   Output dw = ops::MatMul(scope, x, dh, /*transpose_a=*/true);  // x' dh
//   Output s = ops::BatchMatMul(scope, q, k, false, /*adj_y=*/true);

#include "runtime/graph/builder.h"

namespace lockstep::ops {

// a: [m,k], b: [k,n] (before transposition [k,m], [n,k]) -> [m,n]
Output MatMul(const Scope& scope, const Input& a, const Input& b,
              bool transpose_a = false, bool transpose_b = false);

// x: [..., m,k], y: [..., k,n] -> [..., m,n]; leading dimensions broadcast.
Output BatchMatMul(const Scope& scope, const Input& x, const Input& y,
                   bool adj_x = false, bool adj_y = false);

// Matrices with a band of diagonals, k or {lower, upper}: diagonal k is the
// elements (i, i + k). Each diagonal is a row of `diagonal`, upper first, the
// shorter ones padded as `align` says (TensorFlow's words); the size defaults
// to the least.
Output MatrixDiag(const Scope& scope, const Input& diagonal,
                  const Input& k = Input(0), const Input& num_rows = Input(-1),
                  const Input& num_cols = Input(-1),
                  const Input& padding_value = Input(0),
                  const std::string& align = "RIGHT_LEFT");
// The band of each matrix, and matrices with it replaced.
Output MatrixDiagPart(const Scope& scope, const Input& input,
                      const Input& k = Input(0),
                      const Input& padding_value = Input(0),
                      const std::string& align = "RIGHT_LEFT");
Output MatrixSetDiag(const Scope& scope, const Input& input,
                     const Input& diagonal, const Input& k = Input(0),
                     const std::string& align = "RIGHT_LEFT");

}  // namespace lockstep::ops
