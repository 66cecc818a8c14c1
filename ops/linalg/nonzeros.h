// SPDX-License-Identifier: Apache-2.0
#pragma once

// What is other than 0 in a factor of a product of floats, listed tile by tile.
//
//   if (DensityOf(a, m, k) < 0.4) {
//     ListNonzeros(a.From(i, l), rows, inner, &entries);  // of some rows
//     for (int32_t e = 0; e < entries.count[0]; ++e) {
//       sum += entries.value[0][e] * b[l + entries.at[0][e]];

#include "ops/linalg/vector16.h"

namespace lockstep::detail {

// A matrix as it is stored: element (i, j) is data[i * row + j * step]; one of
// the two is 1.
struct Factor {
  const float* data;
  int64_t row, step;

  // [rows, columns], or stored transposed, as [columns, rows].
  static Factor Of(const float* x, int64_t rows, int64_t columns,
                   bool transposed) {
    return transposed ? Factor{x, 1, rows} : Factor{x, columns, 1};
  }
  Factor From(int64_t i, int64_t j) const {
    return {data + i * row + j * step, row, step};
  }
  Factor Transposed() const { return {data, step, row}; }
};

// Rows that are listed at a time, and columns at most.
inline constexpr int64_t kGroup = kLanes, kInner = 128;

// Of each row the values and the columns they are in, `count` of them, and room
// for what is written beyond. Rows are no power of two apart, or they would
// share a few sets of the cache.
struct Entries {
  float value[kGroup][kInner + kLanes];
  int32_t at[kGroup][kInner + kLanes];
  int32_t count[kGroup];
};

// Lists the elements of the first rows and columns of `a` that are not 0, or
// all, those of a row in the order of the columns.
void ListNonzeros(const Factor& a, int64_t rows, int64_t columns, Entries* e);
void ListAll(const Factor& a, int64_t rows, int64_t columns, Entries* e);

// The share of elements other than 0 in some of its rows or columns, the same
// ones each time.
double DensityOf(const Factor& a, int64_t rows, int64_t columns);

}  // namespace lockstep::detail
