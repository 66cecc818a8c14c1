// SPDX-License-Identifier: Apache-2.0

// MaxPool, AvgPool, their gradients, and the pair that keeps the argmax.
//   image: [images, h, w, channels]   pooled: [images, h', w', channels]
// Kernels of our own: cuDNN's pad both sides of an image alike, and say nothing
// of which of equal values is the largest; here as on the CPU the first one is.
// Gradients are gathered: each input is one thread's, which looks through the
// windows that it is in, in order; no atomics.

#include "ops/conv/gpu.h"
#include "ops/conv/pool.h"
#include "ops/math/gpu_float16.h"

namespace lockstep::gpu {
namespace {

struct Side {
  int64_t in, out, size, stride, before;
  // The part of window `o` that is inside the image.
  LS_HOST_DEVICE int64_t Begin(int64_t o) const {
    const int64_t first = o * stride - before;
    return first > 0 ? first : 0;
  }
  LS_HOST_DEVICE int64_t End(int64_t o) const {
    const int64_t last = o * stride - before + size;
    return last < in ? last : in;
  }
  // The windows that input `i` is in: [First, Last).
  LS_HOST_DEVICE int64_t First(int64_t i) const {
    const int64_t past = i + before - size;  // windows up to here end before i
    return past < 0 ? 0 : past / stride + 1;
  }
  LS_HOST_DEVICE int64_t Last(int64_t i) const {
    const int64_t end = (i + before) / stride + 1;
    return end < out ? end : out;
  }
};

struct Pool {
  Side h, w;
  int64_t channels, inputs, outputs;  // elements in all

  struct At {
    int64_t image, y, x, c;
  };
  LS_HOST_DEVICE At AtInput(int64_t i) const {
    return {i / channels / w.in / h.in, i / channels / w.in % h.in,
            i / channels % w.in, i % channels};
  }
  LS_HOST_DEVICE At AtOutput(int64_t i) const {
    return {i / channels / w.out / h.out, i / channels / w.out % h.out,
            i / channels % w.out, i % channels};
  }
  LS_HOST_DEVICE int64_t Input(int64_t image, int64_t y, int64_t x,
                               int64_t c) const {
    return ((image * h.in + y) * w.in + x) * channels + c;
  }
  LS_HOST_DEVICE int64_t Output(int64_t image, int64_t y, int64_t x,
                                int64_t c) const {
    return ((image * h.out + y) * w.out + x) * channels + c;
  }
  // The first largest input of a window; -1 when it has none. Sets its number
  // in the window.
  template <class T>
  LS_HOST_DEVICE int64_t ArgMax(const T* image, const At& o,
                                int64_t* number) const {
    using V = ValueType<T>;
    int64_t best = -1;
    V largest = 0;
    for (int64_t y = h.Begin(o.y); y < h.End(o.y); ++y) {
      for (int64_t x = w.Begin(o.x); x < w.End(o.x); ++x) {
        const int64_t at = Input(o.image, y, x, o.c);
        const V v = image[at];
        if (best >= 0 && !(v > largest)) continue;
        best = at;
        largest = v;
        *number = (y - (o.y * h.stride - h.before)) * w.size + x -
                  (o.x * w.stride - w.before);
      }
    }
    return best;
  }
};

struct MaxOf {
  template <class T>
  static Status Run(KernelContext& k) {
    const Pool p = k.state<Pool>();
    const T* x = k.in<T>(0);
    T* y = k.out<T>(0);
    const ValueType<T> none = std::numeric_limits<ValueType<T>>::lowest();
    return Each(k, p.outputs, [=] LS_DEVICE(int64_t i) {
      int64_t number = 0;
      const int64_t at = p.ArgMax(x, p.AtOutput(i), &number);
      y[i] = at < 0 ? T(none) : x[at];
    });
  }
};

struct MaxGradientOf {
  template <class T>
  static Status Run(KernelContext& k) {
    using A = ArithmeticType<T>;
    const Pool p = k.state<Pool>();
    const T* x = k.in<T>(0);
    const T* dy = k.in<T>(2);
    T* dx = k.out<T>(0);
    return Each(k, p.inputs, [=] LS_DEVICE(int64_t i) {
      const Pool::At at = p.AtInput(i);
      A sum = 0;
      for (int64_t oy = p.h.First(at.y); oy < p.h.Last(at.y); ++oy) {
        for (int64_t ox = p.w.First(at.x); ox < p.w.Last(at.x); ++ox) {
          int64_t number = 0;
          if (p.ArgMax(x, {at.image, oy, ox, at.c}, &number) == i) {
            sum += static_cast<A>(dy[p.Output(at.image, oy, ox, at.c)]);
          }
        }
      }
      dx[i] = T(sum);
    });
  }
};

struct MeanOf {
  template <class T>
  static Status Run(KernelContext& k) {
    using A = ArithmeticType<T>;
    const Pool p = k.state<Pool>();
    const T* x = k.in<T>(0);
    T* y = k.out<T>(0);
    return Each(k, p.outputs, [=] LS_DEVICE(int64_t i) {
      const Pool::At o = p.AtOutput(i);
      A sum = 0;
      int64_t count = 0;
      for (int64_t iy = p.h.Begin(o.y); iy < p.h.End(o.y); ++iy) {
        for (int64_t ix = p.w.Begin(o.x); ix < p.w.End(o.x); ++ix, ++count) {
          sum += static_cast<A>(x[p.Input(o.image, iy, ix, o.c)]);
        }
      }
      y[i] = T(sum / static_cast<A>(count > 0 ? count : 1));
    });
  }
};

struct MeanGradientOf {
  template <class T>
  static Status Run(KernelContext& k) {
    using A = ArithmeticType<T>;
    const Pool p = k.state<Pool>();
    const T* dy = k.in<T>(1);
    T* dx = k.out<T>(0);
    return Each(k, p.inputs, [=] LS_DEVICE(int64_t i) {
      const Pool::At at = p.AtInput(i);
      A sum = 0;
      for (int64_t oy = p.h.First(at.y); oy < p.h.Last(at.y); ++oy) {
        for (int64_t ox = p.w.First(at.x); ox < p.w.Last(at.x); ++ox) {
          const int64_t count =
              (p.h.End(oy) - p.h.Begin(oy)) * (p.w.End(ox) - p.w.Begin(ox));
          sum += static_cast<A>(dy[p.Output(at.image, oy, ox, at.c)]) *
                 (A(1) / static_cast<A>(count));
        }
      }
      dx[i] = T(sum);
    });
  }
};

DType TypeOf(KernelContext& k) { return k.output(0).dtype(); }

}  // namespace

Status PreparePool(PrepareContext& p) {
  const std::string& op = p.def().name;
  // Gradients make the image.
  const bool makes_image = op.ends_with("Grad");
  LS_ASSIGN_OR_RETURN(
      const PoolDims d,
      PoolDims::From(p.attrs(),
                     makes_image ? p.output_shape(0) : p.input_shape(0)));
  const auto side = [](const Window& w) {
    return Side{w.in, w.out, w.size, w.stride, w.pad_before};
  };
  p.MakeState<Pool>(Pool{side(d.h), side(d.w), d.channels,
                         d.images * d.image_size(),
                         d.images * d.pooled_size()});
  return Ok();
}

Status MaxPool(KernelContext& k) { return ForFloat<MaxOf>(TypeOf(k), k); }
Status MaxPoolGrad(KernelContext& k) {
  return ForFloat<MaxGradientOf>(TypeOf(k), k);
}
Status AvgPool(KernelContext& k) { return ForFloat<MeanOf>(TypeOf(k), k); }
Status AvgPoolGrad(KernelContext& k) {
  return ForFloat<MeanGradientOf>(TypeOf(k), k);
}

Status MaxPoolIndex(KernelContext& k) {
  const Pool p = k.state<Pool>();
  const float* x = k.in<float>(0);
  float* y = k.out<float>(0);
  uint8_t* index = k.out<uint8_t>(1);
  const float none = std::numeric_limits<float>::lowest();
  return Each(k, p.outputs, [=] LS_DEVICE(int64_t i) {
    int64_t number = 255;  // of no input
    const int64_t at = p.ArgMax(x, p.AtOutput(i), &number);
    y[i] = at < 0 ? none : x[at];
    index[i] = static_cast<uint8_t>(number);
  });
}

Status MaxPoolIndexGrad(KernelContext& k) {
  const Pool p = k.state<Pool>();
  const uint8_t* index = k.in<uint8_t>(0);
  const float* dy = k.in<float>(1);
  float* dx = k.out<float>(0);
  return Each(k, p.inputs, [=] LS_DEVICE(int64_t i) {
    const Pool::At at = p.AtInput(i);
    float sum = 0;
    for (int64_t oy = p.h.First(at.y); oy < p.h.Last(at.y); ++oy) {
      for (int64_t ox = p.w.First(at.x); ox < p.w.Last(at.x); ++ox) {
        const int64_t o = p.Output(at.image, oy, ox, at.c);
        const int64_t number =
            (at.y - (oy * p.h.stride - p.h.before)) * p.w.size + at.x -
            (ox * p.w.stride - p.w.before);
        if (index[o] == number) sum += dy[o];
      }
    }
    dx[i] = sum;
  });
}

}  // namespace lockstep::gpu
