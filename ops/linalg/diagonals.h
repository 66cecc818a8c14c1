// SPDX-License-Identifier: Apache-2.0
#pragma once

// Diagonals: how the MatrixDiag ops lay a band of diagonals out. Diagonal k is
// the elements (i, i + k); a band goes from `upper` down to `lower`, each
// diagonal a row padded to the longest one, or a vector when there is just one.
//
//   LS_ASSIGN_OR_RETURN(Band band, BandOf(k_value, align));
//   LS_RETURN_IF_ERROR(CheckBand(band, rows, cols));
//   ForDiagonals(band, rows, cols, [&](int64_t slot, int64_t at) { ... });

#include <string_view>

#include "runtime/core/tensor.h"

namespace lockstep {

struct Band {
  int64_t lower = 0, upper = 0;
  // Where shorter diagonals begin: at the left or at the right.
  bool super_left = true, sub_left = true;
  int64_t count() const { return upper - lower + 1; }
  int64_t LongestIn(int64_t rows, int64_t cols) const {
    return std::min(rows + std::min<int64_t>(upper, 0),
                    cols - std::max<int64_t>(lower, 0));
  }
};

// From the value of k, one number or {lower, upper}, and of attribute "align".
inline Result<Band> BandOf(const Tensor& k, std::string_view align) {
  if (k.shape().rank() > 1 || k.NumElements() < 1 || k.NumElements() > 2) {
    return InvalidArgument(
        "diag_index must have only one or two elements, has shape ", k.shape());
  }
  Band b;
  b.lower = IntAt(k, 0);
  b.upper = IntAt(k, k.NumElements() - 1);
  if (b.lower > b.upper) {
    return InvalidArgument(
        "lower_diag_index must not be larger than upper_diag_index: ", b.lower,
        " > ", b.upper);
  }
  b.super_left = align.starts_with("LEFT");
  b.sub_left = align.ends_with("LEFT");
  return b;
}

// That both borders lie within a matrix.
inline Status CheckBand(const Band& b, int64_t rows, int64_t cols) {
  for (const auto& [name, k] :
       {std::pair("lower", b.lower), std::pair("upper", b.upper)}) {
    if (k != 0 && (k <= -rows || k >= cols)) {
      return InvalidArgument(name, "_diag_index is out of bound: ", k,
                             ". It must be between ", -rows, " and ", cols);
    }
  }
  return Ok();
}

// Calls f(slot, at) for each place of the band's [count, longest] layout, in
// order: `at` is the element's number in the matrix, -1 for padding.
template <class F>
void ForDiagonals(const Band& b, int64_t rows, int64_t cols, const F& f) {
  const int64_t longest = b.LongestIn(rows, cols);
  int64_t slot = 0;
  for (int64_t k = b.upper; k >= b.lower; --k) {
    const int64_t length = std::min(rows + std::min<int64_t>(k, 0),
                                    cols - std::max<int64_t>(k, 0));
    const bool left = (k >= 0 && b.super_left) || (k <= 0 && b.sub_left);
    const int64_t offset = left ? 0 : longest - length;
    const int64_t first = k >= 0 ? k : -k * cols;
    for (int64_t i = 0; i < longest; ++i, ++slot) {
      const int64_t n = i - offset;
      f(slot, n < 0 || n >= length ? -1 : first + n * (cols + 1));
    }
  }
}

}  // namespace lockstep
