// SPDX-License-Identifier: Apache-2.0

// Conv2D and its gradients, element by element.
//   image: [n, h, w, c], NCHW: [n, c, h, w]   filter: [r, s, c / groups, k]
//   dy, output: [n, p, q, k] or [n, k, p, q]

#include "ops/conv/gpu_direct.h"
#include "ops/math/gpu_float16.h"

namespace lockstep::gpu {
namespace {

using detail::ConvDims;
using detail::ConvKind;

// A filter over images: what is where.
struct Places {
  ConvDims d;

  LS_HOST_DEVICE int64_t group_in() const { return d.in_channels / d.groups; }
  LS_HOST_DEVICE int64_t group_out() const { return d.out_channels / d.groups; }

  struct At {
    int64_t n, y, x, c;
  };
  LS_HOST_DEVICE At AtOf(int64_t i, int64_t h, int64_t w, int64_t c) const {
    return d.nchw ? At{i / w / h / c, i / w % h, i % w, i / w / h % c}
                  : At{i / c / w / h, i / c / w % h, i / c % w, i % c};
  }
  LS_HOST_DEVICE int64_t Image(int64_t n, int64_t y, int64_t x,
                               int64_t c) const {
    return d.nchw ? ((n * d.in_channels + c) * d.h.in + y) * d.w.in + x
                  : ((n * d.h.in + y) * d.w.in + x) * d.in_channels + c;
  }
  LS_HOST_DEVICE int64_t Output(int64_t n, int64_t y, int64_t x,
                                int64_t k) const {
    return d.nchw ? ((n * d.out_channels + k) * d.h.out + y) * d.w.out + x
                  : ((n * d.h.out + y) * d.w.out + x) * d.out_channels + k;
  }
  LS_HOST_DEVICE int64_t Filter(int64_t r, int64_t s, int64_t c,
                                int64_t k) const {
    return ((r * d.w.size + s) * group_in() + c) * d.out_channels + k;
  }
  // Where element `r` of the filter is for output `o`; -1: outside.
  LS_HOST_DEVICE static int64_t In(const Window& w, int64_t o, int64_t r) {
    const int64_t i = o * w.stride - w.pad_before + r * w.dilation;
    return i >= 0 && i < w.in ? i : -1;
  }
  // The output for which element `r` of the filter is at input `i`; -1: none.
  LS_HOST_DEVICE static int64_t Out(const Window& w, int64_t i, int64_t r) {
    const int64_t first = i + w.pad_before - r * w.dilation;
    if (first < 0 || first % w.stride != 0) return -1;
    return first / w.stride < w.out ? first / w.stride : -1;
  }
};

template <class T>
LS_HOST_DEVICE T Rounded(double sum) {
  if constexpr (kIsFloat16<T>) {
    return T(static_cast<float>(sum));
  } else {
    return static_cast<T>(sum);
  }
}

template <class T>
Status Forward(KernelContext& k, const Places& places) {
  const Places p = places;
  const T* image = k.in<T>(0);
  const T* filter = k.in<T>(1);
  T* y = k.out<T>(0);
  return Each(k, k.output(0).NumElements(), [=] LS_DEVICE(int64_t i) {
    const Places::At o = p.AtOf(i, p.d.h.out, p.d.w.out, p.d.out_channels);
    const int64_t begin = o.c / p.group_out() * p.group_in();
    double sum = 0;
    for (int64_t r = 0; r < p.d.h.size; ++r) {
      const int64_t iy = Places::In(p.d.h, o.y, r);
      for (int64_t s = 0; iy >= 0 && s < p.d.w.size; ++s) {
        const int64_t ix = Places::In(p.d.w, o.x, s);
        for (int64_t c = 0; ix >= 0 && c < p.group_in(); ++c) {
          sum += static_cast<double>(image[p.Image(o.n, iy, ix, begin + c)]) *
                 static_cast<double>(filter[p.Filter(r, s, c, o.c)]);
        }
      }
    }
    y[i] = Rounded<T>(sum);
  });
}

template <class T>
Status BackwardInput(KernelContext& k, const Places& places) {
  const Places p = places;
  const T* filter = k.in<T>(1);
  const T* dy = k.in<T>(2);
  T* dx = k.out<T>(0);
  return Each(k, k.output(0).NumElements(), [=] LS_DEVICE(int64_t i) {
    const Places::At at = p.AtOf(i, p.d.h.in, p.d.w.in, p.d.in_channels);
    const int64_t begin = at.c / p.group_in() * p.group_out();
    const int64_t c = at.c % p.group_in();
    double sum = 0;
    for (int64_t r = 0; r < p.d.h.size; ++r) {
      const int64_t oy = Places::Out(p.d.h, at.y, r);
      for (int64_t s = 0; oy >= 0 && s < p.d.w.size; ++s) {
        const int64_t ox = Places::Out(p.d.w, at.x, s);
        for (int64_t o = begin; ox >= 0 && o < begin + p.group_out(); ++o) {
          sum += static_cast<double>(dy[p.Output(at.n, oy, ox, o)]) *
                 static_cast<double>(filter[p.Filter(r, s, c, o)]);
        }
      }
    }
    dx[i] = Rounded<T>(sum);
  });
}

// A group of threads for each element of the filter goes over the outputs.
template <class T>
Status BackwardFilter(KernelContext& k, const Places& places) {
  const Places p = places;
  const T* image = k.in<T>(0);
  const T* dy = k.in<T>(2);
  T* df = k.out<T>(0);
  const int64_t count = p.d.batch * p.d.h.out * p.d.w.out;
  return Groups(
      k, k.output(0).NumElements(), count,
      [=] LS_DEVICE(int64_t i, const Group& g) {
        const int64_t o = i % p.d.out_channels;
        const int64_t c = i / p.d.out_channels % p.group_in();
        const int64_t s = i / p.d.out_channels / p.group_in() % p.d.w.size;
        const int64_t r = i / p.d.out_channels / p.group_in() / p.d.w.size;
        const int64_t channel = o / p.group_out() * p.group_in() + c;
        double sum = 0;
        for (int64_t j = g.lane(); j < count; j += g.width()) {
          const int64_t ox = j % p.d.w.out, oy = j / p.d.w.out % p.d.h.out;
          const int64_t n = j / p.d.w.out / p.d.h.out;
          const int64_t iy = Places::In(p.d.h, oy, r);
          const int64_t ix = Places::In(p.d.w, ox, s);
          if (iy < 0 || ix < 0) continue;
          sum += static_cast<double>(image[p.Image(n, iy, ix, channel)]) *
                 static_cast<double>(dy[p.Output(n, oy, ox, o)]);
        }
        sum = g.Reduce(sum, Plus());
        if (g.lane() == 0) df[i] = Rounded<T>(sum);
      });
}

template <ConvKind kKind>
struct DirectOf {
  template <class T>
  static Status Run(KernelContext& k, const Places& places) {
    if constexpr (kKind == ConvKind::kForward) {
      return Forward<T>(k, places);
    } else if constexpr (kKind == ConvKind::kBackwardInput) {
      return BackwardInput<T>(k, places);
    } else {
      return BackwardFilter<T>(k, places);
    }
  }
};

template <ConvKind kKind>
Status ForFloats(KernelContext& k, const Places& places) {
  switch (k.output(0).dtype()) {
    case kHalf: return DirectOf<kKind>::template Run<Half>(k, places);
    case kBfloat16: return DirectOf<kKind>::template Run<BFloat16>(k, places);
    case kDouble: return DirectOf<kKind>::template Run<double>(k, places);
    default: return DirectOf<kKind>::template Run<float>(k, places);
  }
}

}  // namespace

Status DirectConv(KernelContext& k, ConvKind kind, const ConvDims& dims) {
  const Places places{dims};
  switch (kind) {
    case ConvKind::kForward: return ForFloats<ConvKind::kForward>(k, places);
    case ConvKind::kBackwardInput:
      return ForFloats<ConvKind::kBackwardInput>(k, places);
    default: return ForFloats<ConvKind::kBackwardFilter>(k, places);
  }
}

}  // namespace lockstep::gpu
