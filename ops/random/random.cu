// SPDX-License-Identifier: Apache-2.0

// RandomUniform, RandomStandardNormal, TruncatedNormal, RandomUniformInt: a
// thread for each group of elements that come from words of their own (see
// distributions.h): the words and the formulas are the CPU's.

#include <array>

#include "ops/math/gpu_float16.h"
#include "ops/math/scalar_math.h"
#include "ops/random/gpu.h"
#include "ops/random/random_stream.h"

namespace lockstep::gpu {
namespace {

// The type that is drawn: 16-bit floats are rounded from it.
template <class T>
using Drawn = std::conditional_t<std::is_same_v<T, double>, double, float>;
template <class T>
inline constexpr int kPerBlock = sizeof(T) == 8 ? 2 : 4;

using Words = std::array<uint32_t, 4>;

template <class T>
LS_HOST_DEVICE T UniformOf(const Words& w, int i) {
  if constexpr (std::is_same_v<T, double>) {
    return UniformDouble(w[2 * i], w[2 * i + 1]);
  } else if constexpr (std::is_same_v<T, Half>) {
    return T(static_cast<float>(w[i] & 0x3ff) * 0x1p-10f);
  } else if constexpr (std::is_same_v<T, BFloat16>) {
    return T(static_cast<float>(w[i] & 0x7f) * 0x1p-7f);
  } else {
    return UniformFloat(w[i]);
  }
}

// Box-Muller: two uniforms, the first kept from 0, make two normals.
template <class D>
LS_HOST_DEVICE void NormalsOf(const Words& w, D* z) {
  for (int i = 0; i < kPerBlock<D>; i += 2) {
    const D u = UniformOf<D>(w, i);
    const D r = ::sqrt(D(-2) * vm::Log(u < D(1e-7) ? D(1e-7) : u));
    const D angle = static_cast<D>(6.283185307179586 *
                                   static_cast<double>(UniformOf<D>(w, i + 1)));
    z[i] = r * vm::Sin(angle);
    z[i + 1] = r * vm::Cos(angle);
  }
}

// Fill(rng, group, out): the Group<T>() elements of a group.

struct UniformFill {
  template <class T>
  LS_HOST_DEVICE static constexpr int Group() {
    return kPerBlock<T>;
  }
  template <class T>
  LS_HOST_DEVICE void Fill(const Philox& rng, uint64_t group, T* out) const {
    const Words w = rng.Block(group);
    for (int i = 0; i < Group<T>(); ++i) out[i] = UniformOf<T>(w, i);
  }
};

struct NormalFill {
  template <class T>
  LS_HOST_DEVICE static constexpr int Group() {
    return kPerBlock<Drawn<T>>;
  }
  template <class T>
  LS_HOST_DEVICE void Fill(const Philox& rng, uint64_t group, T* out) const {
    Drawn<T> z[Group<T>()];
    NormalsOf(rng.Block(group), z);
    for (int i = 0; i < Group<T>(); ++i) out[i] = T(z[i]);
  }
};

// A group has so many blocks of its own that it never runs out.
struct TruncatedFill {
  template <class T>
  LS_HOST_DEVICE static constexpr int Group() {
    return kPerBlock<Drawn<T>>;
  }
  template <class T>
  LS_HOST_DEVICE void Fill(const Philox& rng, uint64_t group, T* out) const {
    constexpr int kEach = Group<T>();
    constexpr uint64_t kBlocks = 64 * static_cast<uint64_t>(kEach);
    int found = 0;
    for (uint64_t j = 0; found < kEach && j < kBlocks; ++j) {
      Drawn<T> z[kEach];
      NormalsOf(rng.Block(group * kBlocks + j), z);
      for (int i = 0; i < kEach && found < kEach; ++i) {
        if (z[i] < 2 && z[i] > -2) out[found++] = T(z[i]);
      }
    }
    while (found < kEach) out[found++] = T(0);
  }
};

template <class I>
struct IntFill {
  template <class T>
  LS_HOST_DEVICE static constexpr int Group() {
    return kPerBlock<T>;
  }
  using Bits = std::make_unsigned_t<I>;
  Bits low, range;
  template <class T>
  LS_HOST_DEVICE void Fill(const Philox& rng, uint64_t group, T* out) const {
    const Words w = rng.Block(group);
    for (int i = 0; i < Group<T>(); ++i) {
      Bits bits = w[i];
      if constexpr (sizeof(I) == 8) {
        bits = w[2 * i] | static_cast<Bits>(w[2 * i + 1]) << 32;
      }
      out[i] = static_cast<I>(static_cast<Bits>(low + bits % range));
    }
  }
};

// Elements [first, first + n) of the stream.
template <class T, class F>
Status FillRandom(KernelContext& k, const F& fill) {
  constexpr int kEach = F::template Group<T>();
  const RandomStream& stream = k.state<RandomStream>();
  const Philox rng = stream.At(k.run());
  const int64_t first = stream.FirstElement(k.run());
  const int64_t n = k.output(0).NumElements();
  const int64_t first_group = first / kEach;
  const int64_t groups = (first + n + kEach - 1) / kEach - first_group;
  T* y = k.out<T>(0);
  return Each(k, n > 0 ? groups : 0, [=] LS_DEVICE(int64_t g) {
    T made[kEach];
    fill.Fill(rng, static_cast<uint64_t>(first_group + g), made);
    const int64_t at = (first_group + g) * kEach - first;
    for (int i = 0; i < kEach; ++i) {
      if (at + i >= 0 && at + i < n) y[at + i] = made[i];
    }
  });
}

template <class F>
struct RandomOf {
  template <class T>
  static Status Run(KernelContext& k) {
    return FillRandom<T>(k, F());
  }
};

struct IntOf {
  template <class I>
  static Status Run(KernelContext& k) {
    // Both are in host memory.
    const I low = *k.in<I>(1), high = *k.in<I>(2);
    if (low >= high) {
      return InvalidArgument("Need minval < maxval, got ", low, " >= ", high);
    }
    using Bits = std::make_unsigned_t<I>;
    const Bits first = static_cast<Bits>(low);
    return FillRandom<I>(
        k,
        IntFill<I>{first, static_cast<Bits>(static_cast<Bits>(high) - first)});
  }
};

DType TypeOf(KernelContext& k) { return k.output(0).dtype(); }

}  // namespace

Status PrepareRandom(PrepareContext& p) {
  p.MakeState<RandomStream>(p);
  return Ok();
}
Status RandomUniform(KernelContext& k) {
  return ForFloat<RandomOf<UniformFill>>(TypeOf(k), k);
}
Status RandomStandardNormal(KernelContext& k) {
  return ForFloat<RandomOf<NormalFill>>(TypeOf(k), k);
}
Status TruncatedNormal(KernelContext& k) {
  return ForFloat<RandomOf<TruncatedFill>>(TypeOf(k), k);
}
Status RandomUniformInt(KernelContext& k) {
  return ForType<IntOf, int32_t, int64_t>(TypeOf(k), k);
}

}  // namespace lockstep::gpu
