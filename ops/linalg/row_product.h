// SPDX-License-Identifier: Apache-2.0
#pragma once

// Rows of the products that MatMul makes, by oneDNN or with zeros left out (see
// runtime/op/product_rule.h). Of float and BFloat16 factors.

#include "runtime/op/product_rule.h"

namespace lockstep::detail {

Result<std::unique_ptr<RowProduct>> MakeRowProduct(const ProductDims& d,
                                                   int64_t rows);

// Of ProductRule: no bytes where such products never leave out zeros.
size_t SharedBytes(const ProductDims& d);
Zeros ShareProduct(const ProductDims& d, const void* a, const void* b,
                   void* shared);

// Any rows [row, row + rows) of a product that leaves out zeros, with the bits
// and in the working memory of RowProduct's.
void MultiplyLeavingOut(const ProductDims& d, const ProductFactors& factors,
                        int64_t row, int64_t rows, float* c, void* scratch);

}  // namespace lockstep::detail
