// SPDX-License-Identifier: Apache-2.0
#pragma once

// The elements of a tensor as text, the way TensorFlow's messages show them.

#include <string>

#include "runtime/core/tensor.h"

namespace lockstep {

// "[1 2][3...]...": the first `limit` elements (negative: all), the innermost
// and outermost brackets left to the caller. For Assert and Print.
std::string SummarizeFlat(const Tensor& t, int64_t limit);

// "[[1 2 ... 8 9]\n [3 4 ... 6 7]]": `ends` elements from both ends of every
// dimension (negative: all), strings in quotes. For StringFormat.
std::string SummarizeNested(const Tensor& t, int64_t ends);

// One element: floats with as many digits as it takes to read them back.
std::string ElementText(const Tensor& t, int64_t i);

}  // namespace lockstep
