// SPDX-License-Identifier: Apache-2.0
#pragma once

// Loops of max pooling, shared by MaxPool, MaxPoolGrad and the internal pair
// that keeps the argmax. For those files only; functions are local to each.

#include <limits>

#include "ops/conv/pool.h"

namespace lockstep {
namespace {

// best[c], index[c]: the largest of `width` channels of x over the window and
// the number of its position in the whole window; the first one wins.
template <class T>
inline void ArgMax(const PoolDims& d, const PoolRange& r, const T* x,
                   int64_t width, ValueType<T>* best, int32_t* index) {
  using V = ValueType<T>;
  bool first = true;
  for (int64_t h = r.h0; h < r.h1; ++h) {
    for (int64_t w = r.w0; w < r.w1; ++w) {
      const T* from = x + (h * d.w.in + w) * d.channels;
      const int32_t at =
          static_cast<int32_t>((h - r.top) * d.w.size + (w - r.left));
      if (first) {
        for (int64_t c = 0; c < width; ++c) {
          best[c] = from[c];
          index[c] = at;
        }
        first = false;
        continue;
      }
      for (int64_t c = 0; c < width; ++c) {
        const V v = from[c];
        index[c] = v > best[c] ? at : index[c];
        best[c] = v > best[c] ? v : best[c];
      }
    }
  }
  if (!first) return;
  for (int64_t c = 0; c < width; ++c) {  // a window of padding only
    best[c] = static_cast<V>(std::numeric_limits<V>::lowest());
    index[c] = -1;
  }
}

// Adds dy[c] to dx at position index[c] of the window, or writes all of the
// window when `overwrite`.
template <class T>
inline void Scatter(const PoolDims& d, const PoolRange& r, const T* dy,
                    const int32_t* index, int64_t width, bool overwrite,
                    T* dx) {
  for (int64_t h = r.h0; h < r.h1; ++h) {
    for (int64_t w = r.w0; w < r.w1; ++w) {
      T* to = dx + (h * d.w.in + w) * d.channels;
      const int32_t at =
          static_cast<int32_t>((h - r.top) * d.w.size + (w - r.left));
      if (overwrite) {
        for (int64_t c = 0; c < width; ++c) {
          to[c] = index[c] == at ? dy[c] : T(0);
        }
      } else {
        for (int64_t c = 0; c < width; ++c) {
          to[c] = index[c] == at ? T(to[c] + dy[c]) : to[c];
        }
      }
    }
  }
}

// Before scattering row `oh` of an image's windows: zeros where no window
// writes. Disjoint windows overwrite theirs, so that only gaps need it.
template <class T>
inline void ClearBefore(const PoolDims& d, int64_t oh, T* dx) {
  const int64_t row = d.w.in * d.channels;
  if (!d.Disjoint()) {
    if (oh == 0) std::fill_n(dx, d.image_size(), T(0));
    return;
  }
  const int64_t top = oh * d.h.stride - d.h.pad_before;
  const int64_t begin = oh == 0 ? 0 : std::max<int64_t>(top, 0);
  const int64_t end =
      oh + 1 == d.h.out ? d.h.in : std::min(top + d.h.stride, d.h.in);
  const bool gapless = d.h.stride == d.h.size && d.w.stride == d.w.size &&
                       begin == top && end == top + d.h.size &&
                       d.w.out * d.w.size - d.w.pad_before >= d.w.in;
  if (!gapless && begin < end) {
    std::fill(dx + begin * row, dx + end * row, T(0));
  }
}

}  // namespace
}  // namespace lockstep
