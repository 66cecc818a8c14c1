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

// Einstein's convention, one or two inputs: "ij,jk->ik", "ii->i",
// "...ij->...ji".
Output Einsum(const Scope& scope, const std::vector<Output>& inputs,
              const std::string& equation);

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

// Zero below the num_lower-th lower and above the num_upper-th upper diagonal;
// negative numbers keep all.
Output MatrixBandPart(const Scope& scope, const Input& input,
                      const Input& num_lower, const Input& num_upper);
// A tensor of shape [dims, dims] with the input on its diagonal, and back.
Output Diag(const Scope& scope, const Input& diagonal);
Output DiagPart(const Scope& scope, const Input& input);
// Of vectors of 3 elements in the last dimension.
Output Cross(const Scope& scope, const Input& a, const Input& b);

// For square matrices in the last two dimensions; `adjoint` transposes first.
Output Cholesky(const Scope& scope, const Input& input);
Output MatrixInverse(const Scope& scope, const Input& input,
                     bool adjoint = false);
Output MatrixDeterminant(const Scope& scope, const Input& input);
Output MatrixSolve(const Scope& scope, const Input& matrix, const Input& rhs,
                   bool adjoint = false);
Output MatrixTriangularSolve(const Scope& scope, const Input& matrix,
                             const Input& rhs, bool lower = true,
                             bool adjoint = false);

}  // namespace lockstep::ops
