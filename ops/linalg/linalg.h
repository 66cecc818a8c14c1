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

}  // namespace lockstep::ops
