// SPDX-License-Identifier: Apache-2.0
#pragma once

// Rows of the products that MatMul makes, by oneDNN or with the left factor's
// zeros left out (see runtime/op/product_rule.h). Of float and BFloat16
// factors.

#include "runtime/op/product_rule.h"

namespace lockstep::detail {

Result<std::unique_ptr<RowProduct>> MakeRowProduct(const ProductDims& d,
                                                   int64_t rows);

}  // namespace lockstep::detail
