// SPDX-License-Identifier: Apache-2.0
#pragma once

// Philox4x32-10, a counter-based generator: Salmon, Moraes, Dror, Shaw,
// "Parallel random numbers: as easy as 1, 2, 3", SC'11. A value is a pure
// function of (key, counter), so any thread or rank computes any part of a
// stream. Shared by the CPU and CUDA kernels.
//
// Numbers are made from words as TensorFlow makes them, so that equal keys and
// counters give its numbers.
//
//   Philox rng(graph_seed, op_seed, step);
//   std::array<uint32_t, 4> four = rng.Block(element / 4);
//   float u = UniformFloat(four[element % 4]);

#include <array>
#include <cstdint>

#include "runtime/core/host_device.h"

namespace lockstep {

class Philox {
 public:
  // The stream of one op in one step; key mixing by SplitMix64's finaliser.
  LS_HOST_DEVICE Philox(uint64_t graph_seed, uint64_t op_seed, uint64_t step)
      : key_(Mix(graph_seed * 0x9e3779b97f4a7c15ull + Mix(op_seed))),
        high_(step) {}
  // The stream that begins at a counter of 128 bits.
  LS_HOST_DEVICE static Philox At(uint64_t key, uint64_t counter_low,
                                  uint64_t counter_high) {
    Philox rng;
    rng.key_ = key;
    rng.low_ = counter_low;
    rng.high_ = counter_high;
    return rng;
  }

  // Four 32-bit words: number `index` of this stream.
  LS_HOST_DEVICE std::array<uint32_t, 4> Block(uint64_t index) const {
    const uint64_t low = low_ + index;
    const uint64_t high = high_ + (low < index ? 1 : 0);
    uint32_t c0 = static_cast<uint32_t>(low);
    uint32_t c1 = static_cast<uint32_t>(low >> 32);
    uint32_t c2 = static_cast<uint32_t>(high);
    uint32_t c3 = static_cast<uint32_t>(high >> 32);
    uint32_t k0 = static_cast<uint32_t>(key_);
    uint32_t k1 = static_cast<uint32_t>(key_ >> 32);
    for (int round = 0; round < 10; ++round) {
      const uint64_t p0 = uint64_t{0xD2511F53u} * c0;
      const uint64_t p1 = uint64_t{0xCD9E8D57u} * c2;
      const uint32_t n0 = static_cast<uint32_t>(p1 >> 32) ^ c1 ^ k0;
      const uint32_t n2 = static_cast<uint32_t>(p0 >> 32) ^ c3 ^ k1;
      c1 = static_cast<uint32_t>(p1);
      c3 = static_cast<uint32_t>(p0);
      c0 = n0;
      c2 = n2;
      k0 += 0x9E3779B9u;
      k1 += 0xBB67AE85u;
    }
    return {c0, c1, c2, c3};
  }

 private:
  Philox() = default;
  LS_HOST_DEVICE static uint64_t Mix(uint64_t z) {
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
  }

  uint64_t key_ = 0;
  uint64_t low_ = 0, high_ = 0;  // the counter of block 0
};

// Uniform in [0, 1): the word's last 23 bits, and 52 bits of two words.
LS_HOST_DEVICE inline float UniformFloat(uint32_t word) {
  return static_cast<float>(word & 0x7fffff) * 0x1p-23f;
}
LS_HOST_DEVICE inline double UniformDouble(uint32_t high, uint32_t low) {
  const uint64_t bits = uint64_t{high & 0xfffff} << 32 | low;
  return static_cast<double>(bits) * 0x1p-52;
}

}  // namespace lockstep
