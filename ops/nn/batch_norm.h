// SPDX-License-Identifier: Apache-2.0
#pragma once

// What FusedBatchNorm and its gradient share: sums over each channel and
// element-wise passes with numbers of a channel. For those files; functions
// are local to each.
//
// Images are cut into tiles of up to 64 channels side by side and of as many
// pixels as stay in the second-level cache, by size alone; sums of tiles are
// put together in order, so they do not depend on the number of threads. Where
// memory allows, a tile is read in runs of 64 elements, pixels side by side.

#include <array>
#include <cmath>

#include "ops/conv/blocked.h"
#include "ops/math/elementwise.h"
#include "ops/nn/channels.h"
#include "runtime/op/shape_context.h"

namespace lockstep {
namespace {

constexpr int64_t kNormBlock = 1 << 15;  // elements
constexpr int64_t kNormRun = 64;         // channels of a tile, at most
constexpr int kNormVectors = 8;          // of one float a channel, in scratch
constexpr int kNormSums = 2;             // of a channel, made in one pass

// Pixel p of image n, of channel g * lanes + l, is element
// n * image_stride + g * group_stride + p * pixel_stride + l.
struct NormView {
  int64_t images = 1, pixels = 1, channels = 1, lanes = 1;
  int64_t image_stride = 0, group_stride = 0, pixel_stride = 1;

  static NormView Of(const ChannelView& v) {
    if (v.inner > 1) {
      return {.images = v.outer,
              .pixels = v.inner,
              .channels = v.channels,
              .image_stride = v.channels * v.inner,
              .group_stride = v.inner};
    }
    const int64_t lanes = std::clamp<int64_t>(v.channels, 1, kNormRun);
    return {.pixels = v.outer,
            .channels = v.channels,
            .lanes = lanes,
            .group_stride = lanes,
            .pixel_stride = v.channels};
  }
  // Of an image [N,H,W,C] in blocks of channels.
  static NormView OfBlocked(const Shape& image) {
    const int64_t pixels = image.dim(1) * image.dim(2);
    return {.images = image.dim(0),
            .pixels = pixels,
            .channels = image.dim(3),
            .lanes = detail::kChannelBlock,
            .image_stride = pixels * image.dim(3),
            .group_stride = pixels * detail::kChannelBlock,
            .pixel_stride = detail::kChannelBlock};
  }
};

// Channels [channel, channel + lanes) of `pixels` pixels, from element `first`.
struct NormTile {
  int64_t first = 0, pixels = 0, channel = 0, lanes = 0;
  int64_t stride = 0;  // from pixel to pixel
  int64_t part = 0;    // of all tiles with these channels, in order

  // Whether it is runs of kNormRun elements, and pixels that are left.
  bool InRuns() const {
    return lanes == kNormRun || (stride == lanes && kNormRun % lanes == 0);
  }
  int64_t PixelsOfRun() const { return kNormRun / lanes; }
};

enum class NormActivation { kNone, kRelu, kRelu6 };

struct NormState {
  NormView view;
  NormActivation activation = NormActivation::kNone;
  int64_t part_pixels = 1, parts = 0;  // parts: of one image
  float epsilon = 0, factor = 1;
  bool training = true;

  static NormState Of(const PrepareContext& p, const NormView& view) {
    NormState s;
    s.view = view;
    const int64_t row = std::max(view.pixel_stride, view.lanes);
    s.part_pixels = std::max<int64_t>(1, kNormBlock / row);
    s.parts = (view.pixels + s.part_pixels - 1) / s.part_pixels;
    s.epsilon = p.Attr<float>("epsilon");
    s.factor = GetOr(p.attrs(), "exponential_avg_factor", 1.0f);
    s.training = p.Attr<bool>("is_training");
    return s;
  }
  // Of input `x`, an image in blocks of channels where attribute "shape" says.
  static NormState Of(const PrepareContext& p, int x) {
    const Shape image = GetOr(p.attrs(), "shape", Shape::Unknown());
    NormState s =
        Of(p, detail::CanBeBlocked(image)
                  ? NormView::OfBlocked(image)
                  : NormView::Of(ViewOf(p.attrs(), p.input_shape(x))));
    const auto activation = GetOr<std::string>(p.attrs(), "activation", "");
    s.activation = activation == "Relu"    ? NormActivation::kRelu
                   : activation == "Relu6" ? NormActivation::kRelu6
                                           : NormActivation::kNone;
    return s;
  }
  int64_t samples() const { return view.images * view.pixels; }  // of a channel
  int64_t all_parts() const { return view.images * parts; }
  int64_t groups() const {
    return (view.channels + view.lanes - 1) / view.lanes;
  }
  int64_t FirstPixel(int64_t part) const { return part % parts * part_pixels; }
  int64_t PixelsOf(int64_t part) const {
    return std::min(part_pixels, view.pixels - FirstPixel(part));
  }
  NormTile Tile(int64_t i) const {
    NormTile t;
    const int64_t group = i % groups();
    t.part = i / groups();
    t.first = t.part / parts * view.image_stride + group * view.group_stride +
              FirstPixel(t.part) * view.pixel_stride;
    t.pixels = PixelsOf(t.part);
    t.channel = group * view.lanes;
    t.lanes = std::min(view.lanes, view.channels - t.channel);
    t.stride = view.pixel_stride;
    return t;
  }
  size_t scratch_bytes() const {
    return static_cast<size_t>((kNormSums * all_parts() + kNormVectors) *
                               view.channels) *
           sizeof(float);
  }
  // Sum `i` of a part's channels.
  float* Sum(KernelContext& k, int64_t part, int i) const {
    return static_cast<float*>(k.scratch()) +
           (part * kNormSums + i) * view.channels;
  }
  // Number `i` of the vectors that a kernel has beside its partial sums.
  float* Vector(KernelContext& k, int i) const {
    return Sum(k, all_parts(), 0) + i * view.channels;
  }
};

// f(tile) for each, on several threads.
template <class F>
void ForTiles(const NormState& s, const F& f) {
  const int64_t tile = std::max<int64_t>(
      1, std::min(s.part_pixels, s.view.pixels) * s.view.lanes);
  ParallelFor(s.all_parts() * s.groups(),
              std::max<int64_t>(1, kNormBlock / tile),
              [&](int64_t begin, int64_t end) {
                for (int64_t i = begin; i < end; ++i) f(s.Tile(i));
              });
}

// A number for each element of a tile's run.
using NormWide = std::array<float, kNormRun>;

inline NormWide Spread(const NormTile& t, const float* of_channel) {
  NormWide wide;
  for (int64_t j = 0; j < kNormRun; ++j) {
    wide[static_cast<size_t>(j)] = of_channel[t.channel + j % t.lanes];
  }
  return wide;
}

// sums[m][j] = the sum of maps[m](i, j) over elements i that are number j of
// their run.
template <class... Maps>
inline __attribute__((always_inline)) void SumRuns(const NormTile& t,
                                                   float (*sums)[kNormRun],
                                                   const Maps&... maps) {
  constexpr int64_t kVector = 16;
  const int64_t pixels = t.PixelsOfRun(), runs = t.pixels / pixels;
  float sum[sizeof...(maps)][kNormRun] = {};
  for (int64_t r = 0; r < runs; ++r) {
    const int64_t at = t.first + r * pixels * t.stride;
#pragma GCC unroll 4
    for (int64_t v = 0; v < kNormRun; v += kVector) {
      for (int64_t j = v; j < v + kVector; ++j) {
        size_t m = 0;
        ((sum[m++][j] += maps(at + j, j)), ...);
      }
    }
  }
  const int64_t at = t.first + runs * pixels * t.stride;
  for (int64_t j = 0; j < (t.pixels - runs * pixels) * t.lanes; ++j) {
    size_t m = 0;
    ((sum[m++][j] += maps(at + j, j)), ...);
  }
  std::copy_n(sum[0], sizeof...(maps) * kNormRun, sums[0]);
}

// sums[m][l] = the sum of maps[m](i, j) over elements i of the tile's channel
// l; j: the number of Spread's that belongs to it.
template <class... Maps>
LS_SIMD_CLONES void SumTile(const NormTile& t, float (*sums)[kNormRun],
                            const Maps&... maps) {
  if (t.InRuns()) {
    SumRuns(t, sums, maps...);
    for (size_t m = 0; m < sizeof...(maps); ++m) {
      for (int64_t j = t.lanes; j < kNormRun; ++j) {
        sums[m][j % t.lanes] += sums[m][j];
      }
    }
    return;
  }
  for (size_t m = 0; m < sizeof...(maps); ++m) {
    std::fill_n(sums[m], t.lanes, 0.0f);
  }
  for (int64_t p = 0; p < t.pixels; ++p) {
    const int64_t at = t.first + p * t.stride;
#pragma omp simd
    for (int64_t j = 0; j < t.lanes; ++j) {
      size_t m = 0;
      ((sums[m++][j] += maps(at + j, j)), ...);
    }
  }
}

inline void KeepSums(KernelContext& k, const NormState& s, const NormTile& t,
                     const float (*sums)[kNormRun], int count) {
  for (int i = 0; i < count; ++i) {
    std::copy_n(sums[i], t.lanes, s.Sum(k, t.part, i) + t.channel);
  }
}

// y[i] = map(i, j) for the elements i of the tile.
template <class T, class Map>
LS_SIMD_CLONES void MapTile(const NormTile& t, const Map& map, T* y) {
  const int64_t pixels = t.InRuns() ? t.PixelsOfRun() : 1;
  int64_t at = t.first, left = t.pixels;
  for (; t.InRuns() && left >= pixels; left -= pixels) {
#pragma omp simd
    for (int64_t j = 0; j < kNormRun; ++j) y[at + j] = T(map(at + j, j));
    at += pixels * t.stride;
  }
  for (; left > 0; --left, at += t.stride) {
#pragma omp simd
    for (int64_t j = 0; j < t.lanes; ++j) y[at + j] = T(map(at + j, j));
  }
}

template <class U>
void CopyVector(const float* from, U* to, int64_t n) {
  for (int64_t i = 0; i < n; ++i) to[i] = U(from[i]);
}

// Of x and its like: with depth or without.
inline int NormRank(const AttrMap& attrs) {
  return GetOr<std::string>(attrs, "data_format", "NHWC").size() == 5 ? 5 : 4;
}
inline Result<Shape> NormImage(const ShapeContext& c, int input) {
  return c.WithRank(input, NormRank(c.attrs()));
}

// Input `i` is `image` in blocks of channels.
inline Status CheckBlocked(const ShapeContext& c, int i, const Shape& image) {
  if (c.Input(i).IsCompatibleWith(detail::BlockedShape(image))) return Ok();
  return InvalidArgument(c.InputText(i), " has shape ", c.Input(i), ", not ",
                         image, " in blocks of channels");
}

// Inputs [first, last] are vectors with a number for each channel of `x`.
inline Status CheckVectors(ShapeContext& c, int first, int last, Shape* x) {
  if (!x->HasRank()) return Ok();
  const int at = ChannelDim(c.attrs(), x->rank());
  for (int i = first; i <= last; ++i) {
    LS_ASSIGN_OR_RETURN(const Shape vector, c.WithRank(i, 1));
    const int64_t n = vector.dim(0);
    if (n == kUnknownDim) continue;
    if (x->dim(at) != kUnknownDim && x->dim(at) != n) {
      return InvalidArgument(c.def().inputs[static_cast<size_t>(i)].name,
                             " must have the same number of elements as the "
                             "channels of x, got ",
                             n, " and ", x->dim(at));
    }
    x->set_dim(at, n);
  }
  return Ok();
}

}  // namespace
}  // namespace lockstep
