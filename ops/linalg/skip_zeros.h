// SPDX-License-Identifier: Apache-2.0
#pragma once

// Products c = a b of floats where one factor has many zeros, as images on a
// dark background, counts of words and what Relu leaves have: of the other one
// a row (of b) or a column (of a) is read only for the elements that are not 0.
//
// An element of c is summed up along the inner dimension, whatever is beside
// it and whichever factor's zeros are left out: its bits depend neither on the
// other rows and columns nor on how they are divided among threads. Where the
// other factor is not finite, 0 times it is not 0, and nothing is left out.
//
//   const Zeros zeros = ZerosToLeaveOut(a, b, m, n, k, {.right = true});
//   if (zeros == Zeros::kOfLeft) {
//     MultiplySkippingLeft(a, b, m, n, k, c, n, scratch);
//   } else if (zeros == Zeros::kOfRight && lists.List(b)) {
//     MultiplySkippingRight(a, b, lists, m, c, scratch);
//   }

#include "ops/linalg/pack_factor.h"
#include "runtime/op/product_rule.h"

namespace lockstep::detail {

inline constexpr int64_t kMinColumns = 48;  // that are multiplied at once

// Of which factor a product of this size, [m, k] by [k, n], may leave out
// zeros: where looking for them takes no time beside it. Of b only where a is
// stored transposed, as in gradients x^T dy: weights have no zeros.
struct MaySkip {
  bool left = false, right = false;
};
MaySkip MaySkipZeros(int64_t m, int64_t n, int64_t k, bool transpose_a);

// The zeros that it pays to leave out, which the factors are asked by some of
// their rows (or columns).
Zeros ZerosToLeaveOut(const Factor& a, const Factor& b, int64_t m, int64_t n,
                      int64_t k, MaySkip may);

// --- Zeros of a --------------------------------------------------------------

// Bytes of working memory, for one product at a time.
size_t SkipLeftScratch();

// c [m, n] = a [m, k] b [k, n], on the calling thread; n >= kMinColumns. Rows
// of c are `stride` apart. Several threads may multiply at once, each with
// memory of its own.
void MultiplySkippingLeft(const Factor& a, const Factor& b, int64_t m,
                          int64_t n, int64_t k, float* c, int64_t stride,
                          void* scratch);
// The same for several products by one b, which is packed once.
void MultiplySkippingLeft(const Factor& a, const PackedFactor& b, int64_t m,
                          int64_t n, int64_t k, float* c, int64_t stride,
                          void* scratch);

// --- Zeros of b --------------------------------------------------------------

// What is not 0 in each column of b [k, n]: made once for all rows of c.
class ColumnLists {
 public:
  static size_t Bytes(int64_t n, int64_t k);
  // In memory of so many bytes, which List has filled or will. What is in it
  // may be read where it is mapped at another address.
  ColumnLists(void* memory, int64_t n, int64_t k);

  // False if there are more than pay. Uses the team's threads.
  bool List(const Factor& b);

  struct Column {
    const float* value;
    const int32_t* at;
    int32_t count;
  };
  Column At(int64_t tile, int64_t column) const {
    const int64_t i = tile * n_ + column;
    return {value_ + begin_[i], at_ + begin_[i], count_[i]};
  }
  int64_t n() const { return n_; }
  int64_t k() const { return k_; }

 private:
  int64_t n_, k_, room_;
  int32_t *begin_, *count_;  // by tile and column
  float* value_;
  int32_t* at_;
};

size_t SkipRightScratch(int64_t k);

// c [m, n] = a [m, k] b [k, n], on the calling thread; c has no other columns.
void MultiplySkippingRight(const Factor& a, const Factor& b,
                           const ColumnLists& lists, int64_t m, float* c,
                           void* scratch);

}  // namespace lockstep::detail
