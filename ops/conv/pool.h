// SPDX-License-Identifier: Apache-2.0
#pragma once

// What pooling ops share: the geometry, and loops over windows. For authors
// of ops.
//
// Kernels see images as [images, height, width, channels]; NCHW tensors are
// that with images = N * C and one channel.

#include <algorithm>

#include "ops/conv/window.h"
#include "ops/math/elementwise.h"
#include "runtime/op/shape_context.h"

namespace lockstep {

struct PoolDims {
  int64_t images = 0, channels = 0;
  Window h, w;
  Shape output;

  // From attributes ksize, strides, padding, explicit_paddings, data_format
  // and an image of rank 4, perhaps of unknown sizes.
  static Result<PoolDims> From(const AttrMap& attrs, const Shape& image);
  int64_t image_size() const { return h.in * w.in * channels; }
  int64_t pooled_size() const { return h.out * w.out * channels; }
  // No input is in two windows.
  bool Disjoint() const { return h.stride >= h.size && w.stride >= w.size; }
};

// The part of window (oh, ow) inside the image.
struct PoolRange {
  int64_t h0, h1, w0, w1;
  int64_t top, left;  // of the whole window

  PoolRange(const PoolDims& d, int64_t oh, int64_t ow) {
    top = oh * d.h.stride - d.h.pad_before;
    left = ow * d.w.stride - d.w.pad_before;
    h0 = std::max<int64_t>(top, 0);
    h1 = std::min(top + d.h.size, d.h.in);
    w0 = std::max<int64_t>(left, 0);
    w1 = std::min(left + d.w.size, d.w.in);
  }
  int64_t count() const {
    return std::max<int64_t>(0, h1 - h0) * std::max<int64_t>(0, w1 - w0);
  }
};

// Channels that kernels hold on the stack at once.
inline constexpr int64_t kPoolBlock = 64;

// Shape rule of MaxPool and AvgPool.
inline Status PoolShape(ShapeContext& c) {
  LS_ASSIGN_OR_RETURN(const Shape image, c.WithRank(0, 4));
  LS_ASSIGN_OR_RETURN(const auto d, PoolDims::From(c.attrs(), image));
  return c.SetOutput(0, d.output);
}

// INVALID_ARGUMENT unless `pooled` can be a pooled `image`.
Status CheckPooled(const AttrMap& attrs, const Shape& image,
                   const Shape& pooled);

// f(image number, output row) over all rows, on several threads; rows of one
// image stay on one thread, in order, when their windows overlap and `scatter`
// says that f adds into the image.
template <class F>
void ForPoolRows(const PoolDims& d, bool scatter, const F& f) {
  const int64_t row = std::max<int64_t>(1, d.h.size * d.w.in * d.channels);
  if (scatter && !d.Disjoint()) {
    const int64_t grain =
        std::max<int64_t>(1, kCheapGrain / std::max<int64_t>(1, row * d.h.out));
    ParallelFor(d.images, grain, [&](int64_t begin, int64_t end) {
      for (int64_t n = begin; n < end; ++n) {
        for (int64_t oh = 0; oh < d.h.out; ++oh) f(n, oh);
      }
    });
    return;
  }
  ParallelFor(d.images * d.h.out, std::max<int64_t>(1, kCheapGrain / row),
              [&](int64_t begin, int64_t end) {
                for (int64_t i = begin; i < end; ++i) {
                  f(i / d.h.out, i % d.h.out);
                }
              });
}

// Numbers of an image's row at a time: over the height of windows they are one
// array, however few the channels are.
inline constexpr int64_t kPoolRow = 2048;
// Too few for a loop of vectors.
inline constexpr int64_t kFewChannels = 16;

// Windows [first, last) of a row of them, for so many channels, and the columns
// [begin, end) of the image that they cover.
struct PoolPart {
  int64_t first, last, begin, end;

  PoolPart(const PoolDims& d, int64_t from, int64_t channels) : first(from) {
    const int64_t columns = std::max(kPoolRow / channels, d.w.size);
    last = std::min(d.w.out, first + (columns - d.w.size) / d.w.stride + 1);
    const int64_t left = first * d.w.stride - d.w.pad_before;
    const int64_t right = (last - 1) * d.w.stride - d.w.pad_before + d.w.size;
    begin = std::clamp<int64_t>(left, 0, d.w.in);
    end = std::clamp(right, begin, d.w.in);
  }
};

// f(part, first channel, number of channels), over a row of windows.
template <class F>
inline __attribute__((always_inline)) void ForPoolParts(const PoolDims& d,
                                                        const F& f) {
  const int64_t most = std::max<int64_t>(1, kPoolRow / d.w.size);
  for (int64_t c = 0; c < d.channels; c += most) {
    const int64_t channels = std::min(most, d.channels - c);
    for (int64_t ow = 0; ow < d.w.out;) {
      const PoolPart part(d, ow, channels);
      f(part, c, channels);
      ow = part.last;
    }
  }
}

}  // namespace lockstep
