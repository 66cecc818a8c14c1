// SPDX-License-Identifier: Apache-2.0
#include "ops/linalg/pack_factor.h"

#include "runtime/core/allocator.h"
#include "runtime/core/simd.h"
#include "runtime/core/threads.h"

namespace lockstep::detail {
namespace {

typedef uint32_t Bits __attribute__((vector_size(64)));

// Whether numbers are finite: to the bits of an exponent that is all ones, of
// infinities and of what is no number, 1 is added, which sets the sign.
class Finite {
 public:
  [[gnu::always_inline]] void Look(const Vector16& v) {
    odd_ |= (reinterpret_cast<Bits>(v) & 0x7f800000u) + 0x00800000u;
  }
  bool all() const {
    uint32_t odd = 0;
    for (int64_t j = 0; j < kLanes; ++j) odd |= odd_[j];
    return odd >> 31 == 0;
  }

 private:
  Bits odd_ = {};
};

LS_SIMD_CLONES bool PackRows(const Factor& b, int64_t inner, int64_t width,
                             float* to) {
  Finite finite;
  const int64_t whole = width / kLanes * kLanes, rest = width - whole;
  Bits kept;
  for (int64_t j = 0; j < kLanes; ++j) kept[j] = j < rest ? ~0u : 0u;
  for (int64_t l = 0; l < inner; ++l) {
    const float* row = b.data + l * b.row;
    Vector16 v;
    for (int64_t j = 0; j < whole; j += kLanes, to += kLanes) {
      Load16(row + j, &v);
      finite.Look(v);
      Store16(v, to);
    }
    if (rest == 0) continue;
    if (l + 1 < inner && b.row >= kLanes) {  // the next row is behind it
      Load16(row + whole, &v);
      v = reinterpret_cast<Vector16>(reinterpret_cast<Bits>(v) & kept);
    } else {
      LoadSome(row + whole, rest, &v);
    }
    finite.Look(v);
    Store16(v, to);
    to += kLanes;
  }
  return finite.all();
}

// Up to 16 columns, each `step` behind the other, and rows of b, which is
// stored transposed, to rows that are `stride` apart.
template <bool kWhole>
[[gnu::always_inline]] inline void PackSquare(const float* b, int64_t step,
                                              int64_t columns, int64_t rows,
                                              float* to, int64_t stride,
                                              Finite* finite) {
  Vector16 square[kLanes] = {};
#pragma GCC unroll 16
  for (int64_t r = 0; r < (kWhole ? kLanes : columns); ++r) {
    LoadSome(b + r * step, kWhole ? kLanes : rows, &square[r]);
    finite->Look(square[r]);
  }
  Transpose16(square);
#pragma GCC unroll 16
  for (int64_t r = 0; r < (kWhole ? kLanes : rows); ++r) {
    Store16(square[r], to + r * stride);
  }
}

LS_SIMD_CLONES bool PackColumns(const Factor& b, int64_t inner, int64_t width,
                                float* to) {
  Finite finite;
  const int64_t stride = VectorsOf(width) * kLanes;
  for (int64_t j = 0; j < width; j += kLanes) {
    for (int64_t l = 0; l < inner; l += kLanes) {
      const float* from = b.data + j * b.step + l;
      const int64_t columns = std::min(kLanes, width - j);
      const int64_t rows = std::min(kLanes, inner - l);
      float* const square = to + l * stride + j;
      if (columns == kLanes && rows == kLanes) {
        PackSquare<true>(from, b.step, columns, rows, square, stride, &finite);
      } else {
        PackSquare<false>(from, b.step, columns, rows, square, stride, &finite);
      }
    }
  }
  return finite.all();
}

}  // namespace

ColumnPart PartOf(int64_t n, int64_t index) {
  const int64_t vectors = VectorsOf(n), parts = PartsOf(n);
  const int64_t before = vectors * index / parts;
  const int64_t count = vectors * (index + 1) / parts - before;
  return {index, before * kLanes, std::min(count * kLanes, n - before * kLanes),
          before, count};
}

bool PackTile(const Factor& b, int64_t inner, int64_t width, float* to) {
  return b.step == 1 ? PackRows(b, inner, width, to)
                     : PackColumns(b, inner, width, to);
}

size_t PackedFactor::Bytes(int64_t n, int64_t k) {
  return AlignedSize(static_cast<size_t>(VectorsOf(n) * kLanes * k) *
                         sizeof(float) +
                     static_cast<size_t>(TilesOf(k) * PartsOf(n)));
}

void PackedFactor::Pack(const Factor& b) {
  const int64_t parts = PartsOf(n_);
  ParallelFor(TilesOf(k_) * parts, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const ColumnPart part = PartOf(n_, i % parts);
      const InnerTile tile = TileOf(k_, i / parts);
      finite_[i] = PackTile(b.From(tile.first, part.first), tile.count,
                            part.width, Place(i / parts, part));
    }
  });
}

}  // namespace lockstep::detail
