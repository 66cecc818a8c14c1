// SPDX-License-Identifier: Apache-2.0
#pragma once

// Convolutions by plain loops, for the dtypes that oneDNN does not have
// (double, int32): exact, not fast. For conv_kernel.cc.
//
// Every output element is summed in one fixed order by one thread.

#include <algorithm>

#include "ops/conv/conv_kernel.h"
#include "ops/math/elementwise.h"
#include "runtime/core/threads.h"

namespace lockstep::detail {

// Elements from one image, row, column and channel to the next.
struct ImageStrides {
  int64_t n, h, w, c;
  ImageStrides(int64_t height, int64_t width, int64_t channels, bool nchw)
      : n(height * width * channels),
        h(nchw ? width : width * channels),
        w(nchw ? 1 : channels),
        c(nchw ? height * width : 1) {}
};

// Calls f(x, y, tap) for each pair of an image position and an output position
// that filter tap (kh, kw) joins in image n; x, y are offsets, tap the offset
// of the tap's [in / groups, out] matrix.
template <class F>
void ForTaps(const ConvDims& d, const ImageStrides& xs, const ImageStrides& ys,
             int64_t n, int64_t kh, int64_t kw, const F& f) {
  const int64_t tap =
      (kh * d.w.size + kw) * (d.in_channels / d.groups) * d.out_channels;
  for (int64_t oh = 0; oh < d.h.out; ++oh) {
    const int64_t ih = oh * d.h.stride - d.h.pad_before + kh * d.h.dilation;
    if (ih < 0 || ih >= d.h.in) continue;
    for (int64_t ow = 0; ow < d.w.out; ++ow) {
      const int64_t iw = ow * d.w.stride - d.w.pad_before + kw * d.w.dilation;
      if (iw < 0 || iw >= d.w.in) continue;
      f(n * xs.n + ih * xs.h + iw * xs.w, n * ys.n + oh * ys.h + ow * ys.w,
        tap);
    }
  }
}

// For each group and pair of its channels: f(image channel, channel within the
// group, first output channel, last output channel + 1).
template <class F>
void ForChannels(const ConvDims& d, const F& f) {
  const int64_t in = d.in_channels / d.groups;
  const int64_t out = d.out_channels / d.groups;
  for (int64_t g = 0; g < d.groups; ++g) {
    for (int64_t i = 0; i < in; ++i) f(g * in + i, i, g * out, (g + 1) * out);
  }
}

template <class T>
void DirectForward(const ConvDims& d, const T* x, const T* f, T* y) {
  using A = ArithmeticType<T>;
  const ImageStrides xs(d.h.in, d.w.in, d.in_channels, d.nchw);
  const ImageStrides ys(d.h.out, d.w.out, d.out_channels, d.nchw);
  ParallelFor(d.batch, 1, [&](int64_t begin, int64_t end) {
    std::fill(y + begin * ys.n, y + end * ys.n, T(0));
    for (int64_t n = begin; n < end; ++n) {
      for (int64_t t = 0; t < d.h.size * d.w.size; ++t) {
        ForTaps(d, xs, ys, n, t / d.w.size, t % d.w.size,
                [&](int64_t xo, int64_t yo, int64_t tap) {
                  ForChannels(
                      d, [&](int64_t c, int64_t i, int64_t o0, int64_t o1) {
                        const A v = A(x[xo + c * xs.c]);
                        const T* row = f + tap + i * d.out_channels;
                        for (int64_t o = o0; o < o1; ++o) {
                          T& to = y[yo + o * ys.c];
                          to = T(A(to) + v * A(row[o]));
                        }
                      });
                });
      }
    }
  });
}

template <class T>
void DirectBackwardInput(const ConvDims& d, const T* f, const T* dy, T* dx) {
  using A = ArithmeticType<T>;
  const ImageStrides xs(d.h.in, d.w.in, d.in_channels, d.nchw);
  const ImageStrides ys(d.h.out, d.w.out, d.out_channels, d.nchw);
  ParallelFor(d.batch, 1, [&](int64_t begin, int64_t end) {
    std::fill(dx + begin * xs.n, dx + end * xs.n, T(0));
    for (int64_t n = begin; n < end; ++n) {
      for (int64_t t = 0; t < d.h.size * d.w.size; ++t) {
        ForTaps(d, xs, ys, n, t / d.w.size, t % d.w.size,
                [&](int64_t xo, int64_t yo, int64_t tap) {
                  ForChannels(
                      d, [&](int64_t c, int64_t i, int64_t o0, int64_t o1) {
                        const T* row = f + tap + i * d.out_channels;
                        A sum(0);
                        for (int64_t o = o0; o < o1; ++o) {
                          sum += A(row[o]) * A(dy[yo + o * ys.c]);
                        }
                        T& to = dx[xo + c * xs.c];
                        to = T(A(to) + sum);
                      });
                });
      }
    }
  });
}

template <class T>
void DirectBackwardFilter(const ConvDims& d, const T* x, const T* dy, T* df) {
  using A = ArithmeticType<T>;
  const ImageStrides xs(d.h.in, d.w.in, d.in_channels, d.nchw);
  const ImageStrides ys(d.h.out, d.w.out, d.out_channels, d.nchw);
  const int64_t taps = d.h.size * d.w.size;
  const int64_t matrix = d.in_channels / d.groups * d.out_channels;
  ParallelFor(taps, 1, [&](int64_t begin, int64_t end) {
    std::fill(df + begin * matrix, df + end * matrix, T(0));
    for (int64_t t = begin; t < end; ++t) {
      for (int64_t n = 0; n < d.batch; ++n) {
        ForTaps(d, xs, ys, n, t / d.w.size, t % d.w.size,
                [&](int64_t xo, int64_t yo, int64_t tap) {
                  ForChannels(
                      d, [&](int64_t c, int64_t i, int64_t o0, int64_t o1) {
                        const A v = A(x[xo + c * xs.c]);
                        T* row = df + tap + i * d.out_channels;
                        for (int64_t o = o0; o < o1; ++o) {
                          row[o] = T(A(row[o]) + v * A(dy[yo + o * ys.c]));
                        }
                      });
                });
      }
    }
  });
}

}  // namespace lockstep::detail
