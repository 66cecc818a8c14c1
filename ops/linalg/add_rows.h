// SPDX-License-Identifier: Apache-2.0
#pragma once

// The inner loops of products that leave out zeros.

#include "ops/linalg/pack_factor.h"

namespace lockstep::detail {

// What is to be multiplied of one row.
struct EntryRow {
  const float* value;
  const int32_t* at;  // rows of the columns
  int32_t count;
};
inline EntryRow RowOf(const Entries& e, int64_t i) {
  return {e.value[i], e.at[i], e.count[i]};
}

// sums [rows, width] = or += the rows times packed columns, of which there are
// `width`, kColumns at most. Rows of sums are `stride` apart; where width is no
// multiple of kLanes it is more than kLanes.
void AddRows(const EntryRow* rows, int64_t count, const float* columns,
             int64_t width, bool first, float* sums, int64_t stride);

// c [rows, columns] = the transposed of sums, [columns, width]; rows of c are
// `stride` apart.
void StoreTransposed(const float* sums, int64_t columns, int64_t width,
                     int64_t rows, float* c, int64_t stride);

}  // namespace lockstep::detail
