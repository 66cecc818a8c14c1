// SPDX-License-Identifier: Apache-2.0
#pragma once

// Products c = a b of floats whose left factor has many zeros, as images on a
// dark background, counts of words and what Relu leaves have: a row of b is
// read only for the elements of a that are not 0.
//
// An element of c is summed up along the inner dimension, whatever is beside
// it: the bits of a row depend neither on the other rows nor on how rows are
// divided among threads.
//
//   if (MaySkipZeros(m, n, k)) p.RequestScratch(SkipZerosScratch());
//   ...
//   if (SkippingZerosPays(a, b, m, n, k)) {
//     MultiplySkippingZeros(a, b, c, m, n, k, scratch);
//   }

#include <cstddef>
#include <cstdint>

namespace lockstep::detail {

// Element (i, l) of the left factor is data[i * row + l * step]; one of the two
// is 1.
struct LeftFactor {
  const float* data;
  int64_t row, step;

  // Of a [m, k], or of its transpose, a [k, m].
  static LeftFactor Of(const float* a, int64_t m, int64_t k, bool transposed) {
    return transposed ? LeftFactor{a, 1, m} : LeftFactor{a, k, 1};
  }
};

inline constexpr int64_t kMinColumns = 48;  // of a product

// Whether a product of this size, [m, k] by [k, n], is so large that looking
// for zeros takes no time beside it.
bool MaySkipZeros(int64_t m, int64_t n, int64_t k);

// Whether a has so many zeros that it pays, which it is asked by some of its
// rows (or columns), the same ones each time; and every element of b is
// finite, without which 0 times it would not be 0. Uses the team's threads.
bool SkippingZerosPays(const LeftFactor& a, const float* b, int64_t m,
                       int64_t n, int64_t k);

// Bytes of working memory, for one product at a time.
size_t SkipZerosScratch();

// c [m, n] = a [m, k] b [k, n], on the calling thread; n >= kMinColumns.
// Several threads may multiply at once, each with memory of its own.
void MultiplySkippingZeros(const LeftFactor& a, const float* b, float* c,
                           int64_t m, int64_t n, int64_t k, void* scratch);

// The same for several products by one b, which is brought into the order in
// which it is read once: `packed` has PackedFactorBytes(n, k) bytes. Packing
// uses the team's threads; the results are those of MultiplySkippingZeros.
size_t PackedFactorBytes(int64_t n, int64_t k);
void PackFactor(const float* b, int64_t n, int64_t k, float* packed);
void MultiplyPackedSkippingZeros(const LeftFactor& a, const float* packed,
                                 float* c, int64_t m, int64_t n, int64_t k,
                                 void* scratch);

}  // namespace lockstep::detail
