// SPDX-License-Identifier: Apache-2.0
#pragma once

// KeyedPermutation: an order of 0 .. n-1 for each epoch, computed element by
// element from (seed, epoch) with no table. A position in shuffled data is
// therefore one integer, and any rank computes any part of the order.
//
// Immutable; thread-safe.
//
//   KeyedPermutation order(60000, seed, epoch);
//   for (int64_t p = begin; p < end; ++p) Use(example[order(p)]);

#include <array>
#include <cstdint>

namespace lockstep {

class KeyedPermutation {
 public:
  // Requires n >= 0.
  KeyedPermutation(int64_t n, uint64_t seed, uint64_t epoch);

  // Where position `i` of the order reads. Requires 0 <= i < n.
  int64_t operator()(int64_t i) const {
    auto x = static_cast<uint64_t>(i);
    // The network permutes the next power of two: walk its cycle until back
    // among the first n. Less than two turns on average.
    do {
      x = Network(x);
    } while (x >= n_);
    return static_cast<int64_t>(x);
  }
  int64_t size() const { return static_cast<int64_t>(n_); }

 private:
  static constexpr int kRounds = 8;
  uint64_t Network(uint64_t x) const;

  uint64_t n_;
  int low_bits_;
  uint64_t low_mask_, high_mask_;
  std::array<uint64_t, kRounds> keys_;
};

}  // namespace lockstep
