// SPDX-License-Identifier: Apache-2.0
#pragma once

// Rows of the products that MatMul makes, by oneDNN or with the left factor's
// zeros left out (see runtime/op/product_rule.h). Of float and BFloat16
// factors.

#include "ops/linalg/skip_zeros.h"
#include "runtime/op/product_rule.h"

namespace lockstep::detail {

Result<std::unique_ptr<RowProduct>> MakeRowProduct(const ProductDims& d,
                                                   int64_t rows);

// Whether products of this kind may leave out zeros, in runs where that pays.
bool MayLeaveOutZeros(const ProductDims& d);
// Whether they may, and it pays for these factors, of all rows.
bool LeavesOutZeros(const ProductDims& d, const void* a, const void* b);
// The left factor, of floats.
LeftFactor LeftFloats(const ProductDims& d, const void* a);

}  // namespace lockstep::detail
