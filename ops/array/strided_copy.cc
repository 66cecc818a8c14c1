// SPDX-License-Identifier: Apache-2.0
#include "ops/array/strided_copy.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "ops/array/element_unit.h"
#include "runtime/core/threads.h"

namespace lockstep {
namespace {

constexpr int64_t kTile = 32;           // rows of a transposed block
constexpr int64_t kGrainBytes = 65536;  // worth a thread

}  // namespace

std::vector<int64_t> RowMajorStrides(const Shape& shape) {
  std::vector<int64_t> strides(static_cast<size_t>(shape.rank()));
  int64_t n = 1;
  for (int d = shape.rank() - 1; d >= 0; --d) {
    strides[static_cast<size_t>(d)] = n;
    n *= shape.dim(d);
  }
  return strides;
}

Result<StridedCopy> StridedCopy::Make(DType dtype,
                                      std::span<const int64_t> dims,
                                      std::span<const int64_t> dst_strides,
                                      std::span<const int64_t> src_strides) {
  StridedCopy c;
  LS_RETURN_IF_ERROR(VisitUnit(dtype, [&]<class U>(std::type_identity<U>) {
    c.run_ = RunUnit<U>;
    return Ok();
  }));
  c.unit_bytes_ = DTypeSize(dtype);
  c.size_ = 1;
  std::vector<Dim> merged;
  for (size_t i = 0; i < dims.size(); ++i) {
    c.size_ *= dims[i];
    if (dims[i] == 1) continue;
    const Dim dim{dims[i], dst_strides[i], src_strides[i]};
    if (!merged.empty() && merged.back().dst == dim.dst * dim.size &&
        merged.back().src == dim.src * dim.size) {
      merged.back() = {merged.back().size * dim.size, dim.dst, dim.src};
    } else {
      merged.push_back(dim);
    }
  }
  c.Normalise(std::move(merged));
  return c;
}

#ifndef LOCKSTEP_CUDA
Status StridedCopy::RunOnStream(void*, const void*, void*) const {
  return Internal("a build without CUDA has no streams");
}
#endif

void StridedCopy::Normalise(std::vector<Dim> dims) {
  inner_ = {1, 1, 1};
  if (dims.empty()) return;
  inner_ = dims.back();
  dims.pop_back();
  if (inner_.src != 1 && inner_.src != 0) {
    // A transposition, if the source runs on along another dimension.
    auto along = std::find_if(dims.rbegin(), dims.rend(),
                              [](const Dim& d) { return d.src == 1; });
    if (along != dims.rend()) {
      tile_ = *along;
      dims.erase(std::next(along).base());
    }
  }
  outer_ = std::move(dims);
}

template <class U>
void StridedCopy::CopyRow(U* dst, const U* src) const {
  const int64_t n = inner_.size;
  if (inner_.dst == 1 && inner_.src == 1) {
    if constexpr (std::is_trivially_copyable_v<U>) {
      std::memcpy(dst, src, static_cast<size_t>(n) * sizeof(U));
    } else {
      std::copy_n(src, n, dst);
    }
  } else if (inner_.dst == 1 && inner_.src == 0) {
    std::fill_n(dst, n, *src);
  } else {
    for (int64_t i = 0; i < n; ++i) dst[i * inner_.dst] = src[i * inner_.src];
  }
}

// Rows [begin, end) of tile_, in square blocks that stay in the cache.
template <class U>
void StridedCopy::CopyTile(U* dst, const U* src, int64_t begin,
                           int64_t end) const {
  for (int64_t at = 0; at < inner_.size; at += kTile) {
    const int64_t stop = std::min(inner_.size, at + kTile);
    for (int64_t t = begin; t < end; ++t) {
      U* d = dst + t * tile_.dst;
      const U* s = src + t * tile_.src;
      for (int64_t i = at; i < stop; ++i) {
        d[i * inner_.dst] = s[i * inner_.src];
      }
    }
  }
}

template <class U>
void StridedCopy::RunUnit(const StridedCopy& c, void* dst, const void* src) {
  if (c.size_ == 0) return;
  U* const to = static_cast<U*>(dst);
  const U* const from = static_cast<const U*>(src);
  const bool tiled = c.tile_.size != 1;
  const int64_t strips = tiled ? (c.tile_.size + kTile - 1) / kTile : 1;
  int64_t rows = strips;
  for (const Dim& d : c.outer_) rows *= d.size;
  if (rows == 1 && !tiled) return c.CopyRow(to, from);
  const int64_t row_bytes =
      std::max<int64_t>(1, c.size_ / rows) * static_cast<int64_t>(sizeof(U));
  ParallelFor(rows, std::max<int64_t>(1, kGrainBytes / row_bytes),
              [&](int64_t begin, int64_t end) {
                for (int64_t row = begin; row < end; ++row) {
                  const int64_t strip = row % strips;
                  int64_t rest = row / strips;
                  U* d = to;
                  const U* s = from;
                  for (size_t o = c.outer_.size(); o-- > 0;) {
                    const Dim& dim = c.outer_[o];
                    d += rest % dim.size * dim.dst;
                    s += rest % dim.size * dim.src;
                    rest /= dim.size;
                  }
                  if (tiled) {
                    c.CopyTile(d, s, strip * kTile,
                               std::min(c.tile_.size, (strip + 1) * kTile));
                  } else {
                    c.CopyRow(d, s);
                  }
                }
              });
}

}  // namespace lockstep
