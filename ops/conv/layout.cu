// SPDX-License-Identifier: Apache-2.0

// Filters and images as cuDNN wants them, and back.

#include "ops/conv/gpu_layout.h"
#include "runtime/op/gpu_launch.h"

namespace lockstep::gpu {
namespace {

// Where element i of cuDNN's filter is in ours.
LS_HOST_DEVICE int64_t OursOf(const FilterLayout& f, int64_t i) {
  const int64_t inside = i % (f.rs * f.c), out = i / (f.rs * f.c);
  const int64_t row = f.nchw ? inside % f.rs * f.c + inside / f.rs : inside;
  return row * f.k + out;
}

// Where element i of the larger image is in the image; -1: outside.
LS_HOST_DEVICE int64_t InsideOf(const ImageLayout& m, int64_t i) {
  int64_t channel = 0;
  if (!m.large_nchw) {
    channel = i % m.c;
    i /= m.c;
  }
  const int64_t x = i % m.large_w - m.left;
  const int64_t y = i / m.large_w % m.large_h - m.top;
  int64_t n = i / m.large_w / m.large_h;
  if (m.large_nchw) {
    channel = n % m.c;
    n /= m.c;
  }
  if (x < 0 || x >= m.w || y < 0 || y >= m.h) return -1;
  return m.nchw ? ((n * m.c + channel) * m.h + y) * m.w + x
                : ((n * m.h + y) * m.w + x) * m.c + channel;
}

struct Turn {
  template <class T>
  static Status Run(void* stream, const FilterLayout& layout, const void* from,
                    void* to) {
    const FilterLayout f = layout;
    const T* ours = static_cast<const T*>(from);
    T* cudnns = static_cast<T*>(to);
    return Each(stream, f.size(),
                [=] LS_DEVICE(int64_t i) { cudnns[i] = ours[OursOf(f, i)]; });
  }
};
struct TurnBack {
  template <class T>
  static Status Run(void* stream, const FilterLayout& layout, const void* from,
                    void* to) {
    const FilterLayout f = layout;
    const T* cudnns = static_cast<const T*>(from);
    T* ours = static_cast<T*>(to);
    return Each(stream, f.size(),
                [=] LS_DEVICE(int64_t i) { ours[OursOf(f, i)] = cudnns[i]; });
  }
};
struct Enlarge {
  template <class T>
  static Status Run(void* stream, const ImageLayout& layout, const void* from,
                    void* to) {
    const ImageLayout m = layout;
    const T* image = static_cast<const T*>(from);
    T* large = static_cast<T*>(to);
    return Each(stream, m.large_size(), [=] LS_DEVICE(int64_t i) {
      const int64_t inside = InsideOf(m, i);
      large[i] = inside < 0 ? T(0) : image[inside];
    });
  }
};
struct Cut {
  template <class T>
  static Status Run(void* stream, const ImageLayout& layout, const void* from,
                    void* to) {
    const ImageLayout m = layout;
    const T* large = static_cast<const T*>(from);
    T* image = static_cast<T*>(to);
    return Each(stream, m.large_size(), [=] LS_DEVICE(int64_t i) {
      const int64_t inside = InsideOf(m, i);
      if (inside >= 0) image[inside] = large[i];
    });
  }
};

// Impl::Run for elements as wide as those of `dtype`, a float.
template <class Impl, class Layout>
Status Move(void* stream, const Layout& layout, DType dtype, const void* from,
            void* to) {
  switch (DTypeSize(dtype)) {
    case 2: return Impl::template Run<uint16_t>(stream, layout, from, to);
    case 4: return Impl::template Run<uint32_t>(stream, layout, from, to);
    default: return Impl::template Run<uint64_t>(stream, layout, from, to);
  }
}

}  // namespace

Status TurnFilter(void* stream, const FilterLayout& layout, DType dtype,
                  const void* ours, void* cudnns) {
  return Move<Turn>(stream, layout, dtype, ours, cudnns);
}
Status TurnFilterBack(void* stream, const FilterLayout& layout, DType dtype,
                      const void* cudnns, void* ours) {
  return Move<TurnBack>(stream, layout, dtype, cudnns, ours);
}
Status EnlargeImage(void* stream, const ImageLayout& layout, DType dtype,
                    const void* image, void* large) {
  return Move<Enlarge>(stream, layout, dtype, image, large);
}
Status CutImage(void* stream, const ImageLayout& layout, DType dtype,
                const void* large, void* image) {
  return Move<Cut>(stream, layout, dtype, large, image);
}

}  // namespace lockstep::gpu
