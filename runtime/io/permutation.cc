// SPDX-License-Identifier: Apache-2.0
#include "runtime/io/permutation.h"

#include <algorithm>
#include <bit>

namespace lockstep {
namespace {

constexpr uint64_t kGolden = 0x9e3779b97f4a7c15ull;

// SplitMix64's finaliser: every bit of z reaches every bit of the result.
uint64_t Mix(uint64_t z) {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
  return z ^ (z >> 31);
}

}  // namespace

KeyedPermutation::KeyedPermutation(int64_t n, uint64_t seed, uint64_t epoch)
    : n_(static_cast<uint64_t>(std::max<int64_t>(n, 0))) {
  const int bits = n_ > 1 ? static_cast<int>(std::bit_width(n_ - 1)) : 0;
  low_bits_ = (bits + 1) / 2;
  low_mask_ = (uint64_t{1} << low_bits_) - 1;
  high_mask_ = (uint64_t{1} << (bits - low_bits_)) - 1;
  uint64_t state = Mix(seed + kGolden) ^ Mix(~epoch * kGolden);
  for (uint64_t& key : keys_) key = Mix(state += kGolden);
}

// A Feistel network on two halves that may differ by a bit: each round changes
// one half by a function of the other, so it can be undone whatever the
// function is, and the whole is a permutation.
uint64_t KeyedPermutation::Network(uint64_t x) const {
  uint64_t low = x & low_mask_;
  uint64_t high = x >> low_bits_;
  for (size_t round = 0; round < kRounds; round += 2) {
    low ^= Mix(high ^ keys_[round]) & low_mask_;
    high ^= Mix(low ^ keys_[round + 1]) & high_mask_;
  }
  return high << low_bits_ | low;
}

}  // namespace lockstep
