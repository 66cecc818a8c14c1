// SPDX-License-Identifier: Apache-2.0
#pragma once

// What FusedBatchNorm and its gradient share: sums over each channel and
// element-wise passes with numbers of a channel. For those files; functions
// are local to each.
//
// Sums are cut into blocks by size alone and put together in order, so they do
// not depend on the number of threads.

#include <cmath>

#include "ops/math/elementwise.h"
#include "ops/nn/channels.h"
#include "runtime/op/shape_context.h"

namespace lockstep {
namespace {

constexpr int64_t kNormBlock = 1 << 15;  // elements
constexpr int kNormVectors = 8;          // of one float a channel, in scratch

struct NormState {
  ChannelView view;
  int64_t rows_per_block = 1, blocks = 1;
  float epsilon = 0, factor = 1;
  bool training = true;

  static NormState Of(const PrepareContext& p, const Shape& x) {
    NormState s;
    s.view = ViewOf(p.attrs(), x);
    const int64_t row = std::max<int64_t>(1, s.view.channels * s.view.inner);
    s.rows_per_block = std::max<int64_t>(1, kNormBlock / row);
    s.blocks = (s.view.outer + s.rows_per_block - 1) / s.rows_per_block;
    s.epsilon = p.Attr<float>("epsilon");
    s.factor = GetOr(p.attrs(), "exponential_avg_factor", 1.0f);
    s.training = p.Attr<bool>("is_training");
    return s;
  }
  int64_t samples() const { return view.outer * view.inner; }  // of a channel
  size_t scratch_bytes() const {
    return static_cast<size_t>((blocks + kNormVectors) * view.channels) *
           sizeof(float);
  }
  // Number `i` of the vectors that a kernel has beside its partial sums.
  float* Vector(KernelContext& k, int i) const {
    return static_cast<float*>(k.scratch()) + (blocks + i) * view.channels;
  }
};

// sums[c] = sum of map(i, c) over elements i of channel c in rows [r0, r1).
template <class Map>
LS_SIMD_CLONES void SumRows(const ChannelView& v, int64_t r0, int64_t r1,
                            const Map& map, float* sums) {
  const int64_t channels = v.channels;
  for (int64_t c = 0; c < channels; ++c) sums[c] = 0;
  for (int64_t r = r0; r < r1; ++r) {
    if (v.inner == 1) {
#pragma omp simd
      for (int64_t c = 0; c < channels; ++c) {
        sums[c] += map(r * channels + c, c);
      }
      continue;
    }
    for (int64_t c = 0; c < channels; ++c) {
      const int64_t at = (r * channels + c) * v.inner;
      float sum = 0;
#pragma omp simd reduction(+ : sum)
      for (int64_t i = 0; i < v.inner; ++i) sum += map(at + i, c);
      sums[c] += sum;
    }
  }
}

// total[c] = scale * the sum of map(i, c) over all of channel c.
template <class Map>
void SumChannels(KernelContext& k, const NormState& s, float scale,
                 const Map& map, float* total) {
  float* partial = static_cast<float*>(k.scratch());
  const int64_t channels = s.view.channels;
  ParallelFor(s.blocks, 1, [&](int64_t begin, int64_t end) {
    for (int64_t b = begin; b < end; ++b) {
      const int64_t first = b * s.rows_per_block;
      SumRows(s.view, first, std::min(first + s.rows_per_block, s.view.outer),
              map, partial + b * channels);
    }
  });
  for (int64_t c = 0; c < channels; ++c) {
    double sum = 0;
    for (int64_t b = 0; b < s.blocks; ++b) sum += partial[b * channels + c];
    total[c] = static_cast<float>(sum * scale);
  }
}

template <class T, class Map>
LS_SIMD_CLONES void MapRows(const ChannelView& v, int64_t r0, int64_t r1,
                            const Map& map, T* y) {
  for (int64_t r = r0; r < r1; ++r) {
    if (v.inner == 1) {
#pragma omp simd
      for (int64_t c = 0; c < v.channels; ++c) {
        y[r * v.channels + c] = T(map(r * v.channels + c, c));
      }
      continue;
    }
    for (int64_t c = 0; c < v.channels; ++c) {
      const int64_t at = (r * v.channels + c) * v.inner;
#pragma omp simd
      for (int64_t i = 0; i < v.inner; ++i) y[at + i] = T(map(at + i, c));
    }
  }
}

// y[i] = map(i, c) for every element i, of channel c.
template <class T, class Map>
void MapChannels(const NormState& s, const Map& map, T* y) {
  ParallelFor(s.view.outer, s.rows_per_block, [&](int64_t begin, int64_t end) {
    MapRows(s.view, begin, end, map, y);
  });
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
