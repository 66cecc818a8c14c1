// SPDX-License-Identifier: Apache-2.0
#include "ops/linalg/skip_zeros.h"

#include <atomic>

#include "ops/linalg/add_rows.h"
#include "runtime/core/allocator.h"
#include "runtime/core/threads.h"

namespace lockstep::detail {
namespace {

// Rows of a that go over a tile of b, and columns of b over one of a.
constexpr int64_t kRows = 128, kListed = 64;
// Multiplying what is not 0 takes a quarter longer an element than a dense
// product at its best, and what is around it a tenth of all.
constexpr double kMostNonzero = 0.55;
constexpr int64_t kMinFactor = 1 << 12, kMinProducts = 1 << 21;
constexpr int64_t kMostInLists = 1 << 20;  // elements of b
constexpr int64_t kMostInner = 1 << 10;

// --- Zeros of a --------------------------------------------------------------

struct LeftMemory {
  Entries entries[kRows / kGroup];
  alignas(64) float columns[kInner * kColumns];
};

// Of rows [0, rows) of a and a tile of the inner dimension.
class LeftLists {
 public:
  LeftLists(const Factor& a, int64_t rows, int64_t inner, Entries* entries)
      : a_(a), rows_(rows), inner_(inner), entries_(entries) {}

  const EntryRow* Get(bool zeros) {
    if (made_ && zeros == zeros_) return list_;
    for (int64_t i = 0; i < rows_; i += kGroup) {
      Entries& e = entries_[i / kGroup];
      const int64_t count = std::min(kGroup, rows_ - i);
      (zeros ? ListAll : ListNonzeros)(a_.From(i, 0), count, inner_, &e);
      for (int64_t r = 0; r < count; ++r) list_[i + r] = RowOf(e, r);
    }
    made_ = true;
    zeros_ = zeros;
    return list_;
  }

 private:
  const Factor a_;
  const int64_t rows_, inner_;
  Entries* const entries_;
  EntryRow list_[kRows];
  bool made_ = false, zeros_ = false;
};

// columns(tile, part, &finite) returns b's packed columns.
template <class F>
void MultiplyLeft(const Factor& a, int64_t m, int64_t n, int64_t k, float* c,
                  int64_t stride, Entries* entries, const F& columns) {
  for (int64_t i = 0; i < m; i += kRows) {
    const int64_t rows = std::min(kRows, m - i);
    for (int64_t t = 0; t < TilesOf(k); ++t) {
      const InnerTile inner = TileOf(k, t);
      LeftLists lists(a.From(i, inner.first), rows, inner.count, entries);
      for (int64_t p = 0; p < PartsOf(n); ++p) {
        const ColumnPart part = PartOf(n, p);
        bool finite = true;
        const float* packed = columns(t, part, &finite);
        AddRows(lists.Get(!finite), rows, packed, part.width, t == 0,
                c + i * stride + part.first, stride);
      }
    }
  }
}

// --- Zeros of b --------------------------------------------------------------

struct RightMemory {
  Entries entries[kListed / kGroup];
  // Of a block of columns of c, one after the other.
  alignas(64) float sums[kListed * kColumns];

  // Packed columns of a's transposed behind it, in tiles.
  float* columns() { return reinterpret_cast<float*>(this + 1); }
};

// Elements of b [k, n] that are listed at most.
int64_t MostListed(int64_t n, int64_t k) {
  return static_cast<int64_t>(static_cast<double>(n * k) * kMostNonzero);
}

// Up to kColumns rows of c, whose a is packed.
struct RowsOfC {
  const Factor& b;
  const ColumnLists& lists;
  int64_t rows;
  const bool* finite;  // by tile of a
  float* c;
};

// Adds the tile's products to the sums of columns [first, first + count).
void AddColumns(const RowsOfC& r, int64_t t, int64_t first, int64_t count,
                RightMemory* memory) {
  const InnerTile inner = TileOf(r.lists.k(), t);
  const int64_t width = VectorsOf(r.rows) * kLanes;
  EntryRow list[kListed];
  for (int64_t j = 0; j < count; ++j) {
    if (r.finite[t]) {
      const ColumnLists::Column column = r.lists.At(t, first + j);
      list[j] = {column.value, column.at, column.count};
      continue;
    }
    Entries& e = memory->entries[j / kGroup];
    if (j % kGroup == 0) {
      ListAll(r.b.From(inner.first, first + j).Transposed(),
              std::min(kGroup, count - j), inner.count, &e);
    }
    list[j] = RowOf(e, j % kGroup);
  }
  AddRows(list, count, memory->columns() + inner.first * width, width, t == 0,
          memory->sums, width);
}

void MultiplyRows(const RowsOfC& r, RightMemory* memory) {
  const int64_t n = r.lists.n();
  for (int64_t j = 0; j < n; j += kListed) {
    const int64_t count = std::min(kListed, n - j);
    for (int64_t t = 0; t < TilesOf(r.lists.k()); ++t) {
      AddColumns(r, t, j, count, memory);
    }
    StoreTransposed(memory->sums, count, VectorsOf(r.rows) * kLanes, r.rows,
                    r.c + j, n);
  }
}

}  // namespace

MaySkip MaySkipZeros(int64_t m, int64_t n, int64_t k, bool transpose_a) {
  if (m * n * k < kMinProducts) return {};
  return {.left = n >= kMinColumns && m * k >= kMinFactor,
          .right = transpose_a && m >= kMinColumns && n * k >= kMinFactor &&
                   n * k <= kMostInLists && k <= kMostInner};
}

Zeros ZerosToLeaveOut(const Factor& a, const Factor& b, int64_t m, int64_t n,
                      int64_t k, MaySkip may) {
  const double left = may.left ? DensityOf(a, m, k) : 1;
  const double right = may.right ? DensityOf(b, k, n) : 1;
  if (left <= kMostNonzero && left <= right) return Zeros::kOfLeft;
  return right <= kMostNonzero ? Zeros::kOfRight : Zeros::kKept;
}

size_t SkipLeftScratch() { return AlignedSize(sizeof(LeftMemory)); }

void MultiplySkippingLeft(const Factor& a, const Factor& b, int64_t m,
                          int64_t n, int64_t k, float* c, int64_t stride,
                          void* scratch) {
  auto& memory = *static_cast<LeftMemory*>(scratch);
  MultiplyLeft(a, m, n, k, c, stride, memory.entries,
               [&](int64_t t, const ColumnPart& part, bool* finite) {
                 const InnerTile inner = TileOf(k, t);
                 *finite = PackTile(b.From(inner.first, part.first),
                                    inner.count, part.width, memory.columns);
                 return memory.columns;
               });
}

void MultiplySkippingLeft(const Factor& a, const PackedFactor& b, int64_t m,
                          int64_t n, int64_t k, float* c, int64_t stride,
                          void* scratch) {
  MultiplyLeft(a, m, n, k, c, stride,
               static_cast<LeftMemory*>(scratch)->entries,
               [&](int64_t t, const ColumnPart& part, bool* finite) {
                 *finite = b.finite(t, part);
                 return b.Tile(t, part);
               });
}

ColumnLists::ColumnLists(void* memory, int64_t n, int64_t k)
    : n_(n),
      k_(k),
      room_(MostListed(n, k)),
      begin_(static_cast<int32_t*>(memory)),
      count_(begin_ + TilesOf(k) * n),
      value_(reinterpret_cast<float*>(count_ + TilesOf(k) * n)),
      at_(reinterpret_cast<int32_t*>(value_ + room_)) {}

size_t ColumnLists::Bytes(int64_t n, int64_t k) {
  return AlignedSize(static_cast<size_t>(TilesOf(k) * n + MostListed(n, k)) *
                     (sizeof(float) + sizeof(int32_t)));
}

bool ColumnLists::List(const Factor& b) {
  const int64_t groups = (n_ + kGroup - 1) / kGroup;
  std::atomic<int64_t> used = 0;
  const auto list = [&](int64_t tile, int64_t first) {
    const InnerTile inner = TileOf(k_, tile);
    const int64_t columns = std::min(kGroup, n_ - first);
    Entries e;
    ListNonzeros(b.From(inner.first, first).Transposed(), columns, inner.count,
                 &e);
    for (int64_t j = 0; j < columns; ++j) {
      const int64_t count = e.count[j], begin = used.fetch_add(count);
      if (begin + count > room_) return;
      begin_[tile * n_ + first + j] = static_cast<int32_t>(begin);
      count_[tile * n_ + first + j] = e.count[j];
      std::copy_n(e.value[j], count, value_ + begin);
      std::copy_n(e.at[j], count, at_ + begin);
    }
  };
  ParallelFor(TilesOf(k_) * groups, 4, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) list(i / groups, i % groups * kGroup);
  });
  return used <= room_;
}

size_t SkipRightScratch(int64_t k) {
  return AlignedSize(sizeof(RightMemory) +
                     static_cast<size_t>(k * kColumns) * sizeof(float));
}

void MultiplySkippingRight(const Factor& a, const Factor& b,
                           const ColumnLists& lists, int64_t m, float* c,
                           void* scratch) {
  auto& memory = *static_cast<RightMemory*>(scratch);
  const int64_t k = lists.k();
  bool finite[kMostInner / kInner];
  for (int64_t p = 0; p < PartsOf(m); ++p) {
    const ColumnPart part = PartOf(m, p);
    for (int64_t t = 0; t < TilesOf(k); ++t) {
      const InnerTile inner = TileOf(k, t);
      finite[t] = PackTile(
          a.From(part.first, inner.first).Transposed(), inner.count, part.width,
          memory.columns() + inner.first * part.vectors * kLanes);
    }
    MultiplyRows({b, lists, part.width, finite, c + part.first * lists.n()},
                 &memory);
  }
}

}  // namespace lockstep::detail
