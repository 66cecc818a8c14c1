// SPDX-License-Identifier: Apache-2.0
#pragma once

// Random elements from a Philox stream, as TensorFlow makes them; shared by the
// ops that keep a stream and those that are given a seed. For authors of
// random kernels; functions are local to each file.
//
//   FillRandom(rng, /*first=*/0, n, Normal(), out);
//
// Elements come in groups, each from words of its own: element e is a function
// of the stream and e, whatever part is asked for, on any number of threads.

#include <array>

#include "ops/math/elementwise.h"
#include "ops/math/vector_math.h"
#include "ops/random/random_stream.h"
#include "runtime/core/threads.h"

namespace lockstep {
namespace {

constexpr int64_t kPieceGroups = 64;  // made at a time, on the stack

// The type that is drawn: 16-bit floats are rounded from it.
template <class T>
using Drawn = std::conditional_t<std::is_same_v<T, double>, double, float>;
// Elements of 64 bits take two words.
template <class T>
inline constexpr int64_t kPerBlock = sizeof(T) == 8 ? 2 : 4;

inline uint64_t UniformBits(const uint32_t* words, int64_t i, uint32_t) {
  return words[i];
}
inline uint64_t UniformBits(const uint32_t* words, int64_t i, uint64_t) {
  return words[2 * i] | uint64_t{words[2 * i + 1]} << 32;
}

template <class T>
LS_SIMD_CLONES void Uniforms(const uint32_t* words, int64_t n, T* out) {
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) {
    if constexpr (std::is_same_v<T, double>) {
      out[i] = UniformDouble(words[2 * i], words[2 * i + 1]);
    } else if constexpr (std::is_same_v<T, Half>) {
      out[i] = T(static_cast<float>(words[i] & 0x3ff) * 0x1p-10f);
    } else if constexpr (std::is_same_v<T, BFloat16>) {
      out[i] = T(static_cast<float>(words[i] & 0x7f) * 0x1p-7f);
    } else {
      out[i] = UniformFloat(words[i]);
    }
  }
}

// Box-Muller: two uniforms, the first kept from 0, make two normals.
template <class D>
LS_SIMD_CLONES void BoxMuller(const D* u, D* z, int64_t pairs) {
#pragma omp simd
  for (int64_t i = 0; i < pairs; ++i) {
    const D first = u[2 * i] < D(1e-7) ? D(1e-7) : u[2 * i];
    const D r = std::sqrt(D(-2) * vm::Log(first));
    const D angle =
        static_cast<D>(6.283185307179586 * static_cast<double>(u[2 * i + 1]));
    z[2 * i] = r * vm::Sin(angle);
    z[2 * i + 1] = r * vm::Cos(angle);
  }
}

template <class D>
void Normals(const uint32_t* words, int64_t blocks, D* z) {
  D u[kPieceGroups * kPerBlock<D>];
  Uniforms(words, blocks * kPerBlock<D>, u);
  BoxMuller(u, z, blocks * kPerBlock<D> / 2);
}

// Distributions: elements of a group, and Fill(rng, first group, out), which
// makes kPieceGroups groups.

struct Uniform {  // in [0, 1)
  template <class T>
  static constexpr int64_t kGroup = kPerBlock<T>;
  template <class T>
  void Fill(const Philox& rng, uint64_t group, T* out) const {
    uint32_t words[4 * kPieceGroups];
    FillWords(rng, group, kPieceGroups, words);
    Uniforms(words, kPieceGroups * kGroup<T>, out);
  }
};

struct Normal {
  template <class T>
  static constexpr int64_t kGroup = kPerBlock<Drawn<T>>;
  template <class T>
  void Fill(const Philox& rng, uint64_t group, T* out) const {
    uint32_t words[4 * kPieceGroups];
    FillWords(rng, group, kPieceGroups, words);
    Drawn<T> z[kPieceGroups * kGroup<T>];
    Normals(words, kPieceGroups, z);
    for (int64_t i = 0; i < kPieceGroups * kGroup<T>; ++i) out[i] = T(z[i]);
  }
};

// Normals within two standard deviations. A group has so many blocks of its
// own that it never runs out: those that miss are left out.
struct TruncatedNormal {
  template <class T>
  static constexpr int64_t kGroup = kPerBlock<Drawn<T>>;
  template <class T>
  void Fill(const Philox& rng, uint64_t group, T* out) const {
    using D = Drawn<T>;
    constexpr int64_t kEach = kGroup<T>;
    constexpr uint64_t kBlocks = 64 * static_cast<uint64_t>(kEach);
    // Nearly always the first two blocks of a group are enough.
    uint32_t words[4 * kPieceGroups];
    D z[2][kPieceGroups * kEach];
    for (uint64_t j = 0; j < 2; ++j) {
      FillWords(rng, group * kBlocks + j, kPieceGroups, words, kBlocks);
      Normals(words, kPieceGroups, z[j]);
    }
    for (int64_t g = 0; g < kPieceGroups; ++g) {
      T* to = out + g * kEach;
      int64_t found = 0;
      const auto take = [&](const D* candidates) {
        for (int64_t i = 0; i < kEach && found < kEach; ++i) {
          if (std::abs(candidates[i]) < D(2)) to[found++] = T(candidates[i]);
        }
      };
      take(z[0] + g * kEach);
      take(z[1] + g * kEach);
      const uint64_t first = (group + static_cast<uint64_t>(g)) * kBlocks;
      for (uint64_t j = 2; found < kEach && j < kBlocks; ++j) {
        const std::array<uint32_t, 4> block = rng.Block(first + j);
        D more[kEach];
        Normals(block.data(), 1, more);
        take(more);
      }
      while (found < kEach) to[found++] = T(0);  // once in 10 ^ 200 groups
    }
  }
};

// Integers in [low, low + range).
template <class I>
struct UniformInt {
  template <class T>
  static constexpr int64_t kGroup = kPerBlock<T>;
  using Bits = std::make_unsigned_t<I>;
  Bits low, range;
  void Fill(const Philox& rng, uint64_t group, I* out) const {
    uint32_t words[4 * kPieceGroups];
    FillWords(rng, group, kPieceGroups, words);
    for (int64_t i = 0; i < kPieceGroups * kPerBlock<I>; ++i) {
      const Bits bits = static_cast<Bits>(UniformBits(words, i, Bits()));
      out[i] = static_cast<I>(static_cast<Bits>(low + bits % range));
    }
  }
};

// Every integer.
template <class I>
struct FullInt {
  template <class T>
  static constexpr int64_t kGroup = kPerBlock<T>;
  void Fill(const Philox& rng, uint64_t group, I* out) const {
    uint32_t words[4 * kPieceGroups];
    FillWords(rng, group, kPieceGroups, words);
    for (int64_t i = 0; i < kPieceGroups * kPerBlock<I>; ++i) {
      out[i] = static_cast<I>(UniformBits(words, i, std::make_unsigned_t<I>()));
    }
  }
};

// Elements [first, first + n) of the stream.
template <class T, class Distribution>
void FillRandom(const Philox& rng, int64_t first, int64_t n,
                const Distribution& distribution, T* out) {
  constexpr int64_t kEach = Distribution::template kGroup<T>;
  constexpr int64_t kPiece = kPieceGroups * kEach;
  const int64_t begin_piece = first / kPiece;
  const int64_t pieces = (first + n + kPiece - 1) / kPiece - begin_piece;
  if (n <= 0) return;
  ParallelFor(pieces, 16, [&](int64_t p0, int64_t p1) {
    for (int64_t p = p0; p < p1; ++p) {
      const int64_t number = (begin_piece + p) * kPiece;  // of its 1st element
      const int64_t from = std::max(first, number);
      const int64_t to = std::min(first + n, number + kPiece);
      const uint64_t group = static_cast<uint64_t>(number / kEach);
      if (to - from == kPiece) {
        distribution.Fill(rng, group, out + (from - first));
        continue;
      }
      T part[kPiece];
      distribution.Fill(rng, group, part);
      std::copy_n(part + (from - number), to - from, out + (from - first));
    }
  });
}

}  // namespace
}  // namespace lockstep
