// SPDX-License-Identifier: Apache-2.0
#pragma once

// The right factor b [k, n] of a product in the order in which
// skip_zeros.h's products read it: tiles of b, up to kInner rows by kColumns
// columns, which stay in the first-level cache, or close to it, while rows of
// the left factor go over them. A tile's rows are beside each other, filled up
// to whole vectors: no vector lies across two cache lines.

#include <cstddef>

#include "ops/linalg/nonzeros.h"

namespace lockstep::detail {

inline constexpr int64_t kMostVectors = 6;
inline constexpr int64_t kColumns = kLanes * kMostVectors;

inline int64_t VectorsOf(int64_t n) { return (n + kLanes - 1) / kLanes; }

// Columns that are multiplied at once, of about the same width each, as every
// part goes over the same entries.
struct ColumnPart {
  int64_t index;
  int64_t first, width;     // in columns
  int64_t before, vectors;  // in vectors
};
inline int64_t PartsOf(int64_t n) {
  return (VectorsOf(n) + kMostVectors - 1) / kMostVectors;
}
ColumnPart PartOf(int64_t n, int64_t index);

// The inner dimension in tiles.
struct InnerTile {
  int64_t first, count;
};
inline int64_t TilesOf(int64_t k) { return (k + kInner - 1) / kInner; }
inline InnerTile TileOf(int64_t k, int64_t index) {
  const int64_t first = k * index / TilesOf(k);
  return {first, k * (index + 1) / TilesOf(k) - first};
}

// Packs the first `inner` rows and `width` columns of b, as
// inner * VectorsOf(width) vectors. Returns whether all of them are finite.
bool PackTile(const Factor& b, int64_t inner, int64_t width, float* to);

// All tiles of b, and whether they are finite.
class PackedFactor {
 public:
  static size_t Bytes(int64_t n, int64_t k);
  // Of memory of so many bytes, which Pack has filled or will.
  PackedFactor(void* memory, int64_t n, int64_t k)
      : data_(static_cast<float*>(memory)),
        finite_(reinterpret_cast<bool*>(data_ + VectorsOf(n) * kLanes * k)),
        n_(n),
        k_(k) {}

  // Uses the team's threads.
  void Pack(const Factor& b);

  const float* Tile(int64_t tile, const ColumnPart& part) const {
    return Place(tile, part);
  }
  bool finite(int64_t tile, const ColumnPart& part) const {
    return finite_[tile * PartsOf(n_) + part.index];
  }

 private:
  float* Place(int64_t tile, const ColumnPart& part) const {
    const InnerTile inner = TileOf(k_, tile);
    return data_ +
           (inner.first * VectorsOf(n_) + part.before * inner.count) * kLanes;
  }

  float* data_;
  bool* finite_;
  int64_t n_, k_;
};

}  // namespace lockstep::detail
