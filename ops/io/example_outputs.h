// SPDX-License-Identifier: Apache-2.0
#pragma once

// The outputs of ops that parse Examples, one key at a time: what the examples
// have under it as a sparse, a dense or a ragged tensor. INVALID_ARGUMENT
// naming example and key where types or sizes differ.

#include <string>

#include "ops/io/example_features.h"
#include "runtime/op/kernel.h"

namespace lockstep::detail {

// Whether a dense key's rows may have different lengths.
inline bool IsVariable(const Shape& dense) {
  return dense.rank() > 0 && dense.dim(0) == kUnknownDim;
}

// Outputs i, count + i and 2 * count + i: indices, values and shape.
Status SparseOutput(KernelContext& k, const Examples& examples,
                    const std::string& key, DType type, int i, int count);
// Examples without the key have `value`, by its one element where rows may
// have different lengths.
Status DenseOutput(KernelContext& k, const Examples& examples,
                   const std::string& key, const Shape& shape,
                   const Tensor& value, int output);
Status RaggedOutput(KernelContext& k, const Examples& examples,
                    const std::string& key, DType type, int values, int splits);

}  // namespace lockstep::detail
