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

// Elements from one image, layer of a volume, row, column and channel to the
// next.
struct ImageStrides {
  int64_t n, d, h, w, c;
  static ImageStrides OfInput(const ConvDims& d, bool nchw) {
    return {d.in_positions(), d.h.in, d.w.in, d.in_channels, nchw};
  }
  static ImageStrides OfOutput(const ConvDims& d, bool nchw) {
    return {d.out_positions(), d.h.out, d.w.out, d.out_channels, nchw};
  }

 private:
  ImageStrides(int64_t positions, int64_t height, int64_t width,
               int64_t channels, bool nchw)
      : n(positions * channels),
        d(height * width * (nchw ? 1 : channels)),
        h(width * (nchw ? 1 : channels)),
        w(nchw ? 1 : channels),
        c(nchw ? positions : 1) {}
};

// Where along the image number `tap` of the window of output `out` is; -1: in
// the padding.
inline int64_t Joined(const Window& w, int64_t out, int64_t tap) {
  const int64_t at = out * w.stride - w.pad_before + tap * w.dilation;
  return at < 0 || at >= w.in ? -1 : at;
}

// Calls f(x, y, matrix) for each pair of an image position and an output
// position that filter tap number `tap` joins in image n; x, y are offsets,
// matrix that of the tap's [in / groups, out] matrix.
template <class F>
void ForTaps(const ConvDims& d, const ImageStrides& xs, const ImageStrides& ys,
             int64_t n, int64_t tap, const F& f) {
  const int64_t matrix = tap * (d.in_channels / d.groups) * d.out_channels;
  const int64_t kw = tap % d.w.size, kh = tap / d.w.size % d.h.size;
  const int64_t kd = tap / (d.w.size * d.h.size);
  for (int64_t od = 0; od < d.depth.out; ++od) {
    const int64_t id = Joined(d.depth, od, kd);
    if (id < 0) continue;
    for (int64_t oh = 0; oh < d.h.out; ++oh) {
      const int64_t ih = Joined(d.h, oh, kh);
      if (ih < 0) continue;
      for (int64_t ow = 0; ow < d.w.out; ++ow) {
        const int64_t iw = Joined(d.w, ow, kw);
        if (iw < 0) continue;
        f(n * xs.n + id * xs.d + ih * xs.h + iw * xs.w,
          n * ys.n + od * ys.d + oh * ys.h + ow * ys.w, matrix);
      }
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
  const auto xs = ImageStrides::OfInput(d, d.nchw);
  const auto ys = ImageStrides::OfOutput(d, d.nchw);
  ParallelFor(d.batch, 1, [&](int64_t begin, int64_t end) {
    std::fill(y + begin * ys.n, y + end * ys.n, T(0));
    for (int64_t n = begin; n < end; ++n) {
      for (int64_t t = 0; t < d.taps(); ++t) {
        ForTaps(d, xs, ys, n, t, [&](int64_t xo, int64_t yo, int64_t matrix) {
          ForChannels(d, [&](int64_t c, int64_t i, int64_t o0, int64_t o1) {
            const A v = A(x[xo + c * xs.c]);
            const T* row = f + matrix + i * d.out_channels;
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
  const auto xs = ImageStrides::OfInput(d, d.nchw);
  const auto ys = ImageStrides::OfOutput(d, d.nchw);
  ParallelFor(d.batch, 1, [&](int64_t begin, int64_t end) {
    std::fill(dx + begin * xs.n, dx + end * xs.n, T(0));
    for (int64_t n = begin; n < end; ++n) {
      for (int64_t t = 0; t < d.taps(); ++t) {
        ForTaps(d, xs, ys, n, t, [&](int64_t xo, int64_t yo, int64_t matrix) {
          ForChannels(d, [&](int64_t c, int64_t i, int64_t o0, int64_t o1) {
            const T* row = f + matrix + i * d.out_channels;
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
  const auto xs = ImageStrides::OfInput(d, d.nchw);
  const auto ys = ImageStrides::OfOutput(d, d.nchw);
  const int64_t size = d.in_channels / d.groups * d.out_channels;
  ParallelFor(d.taps(), 1, [&](int64_t begin, int64_t end) {
    std::fill(df + begin * size, df + end * size, T(0));
    for (int64_t t = begin; t < end; ++t) {
      for (int64_t n = 0; n < d.batch; ++n) {
        ForTaps(d, xs, ys, n, t, [&](int64_t xo, int64_t yo, int64_t matrix) {
          ForChannels(d, [&](int64_t c, int64_t i, int64_t o0, int64_t o1) {
            const A v = A(x[xo + c * xs.c]);
            T* row = df + matrix + i * d.out_channels;
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
