// SPDX-License-Identifier: Apache-2.0

// MaxPool3D, AvgPool3D: the largest value, or the mean over the inputs inside
// the volume, of each window and channel, by plain loops.
//   input: [N,D,H,W,C] or, NCDHW, [N,C,D,H,W]   output: [N,D',H',W',C] likewise
// MaxPool3DGrad: each window's gradient goes to its first largest input.
//   orig_input, orig_output, grad -> as orig_input
// MaxPool3DGradGrad: its transpose.   orig_input, orig_output, grad (as
// orig_input) -> as orig_output
// AvgPool3DGrad: spreads each window's gradient evenly.
//   orig_input_shape: [5] int32, grad -> that shape

#include <algorithm>
#include <array>

#include "ops/array/array.h"
#include "ops/conv/window.h"
#include "ops/math/elementwise.h"
#include "runtime/graph/gradients.h"
#include "runtime/op/shape_context.h"

namespace lockstep {
namespace {

// Kernels see volumes as [volumes, depth, height, width, channels]; those of
// NCDHW are N * C volumes of one channel.
struct VolumePool {
  int64_t volumes = 0, channels = 0;
  std::array<Window, 3> at;  // depth, height, width
  Shape output;

  static Result<VolumePool> From(const AttrMap& attrs, const Shape& image);
  int64_t in_size() const { return at[0].in * at[1].in * at[2].in * channels; }
  int64_t out_size() const {
    return at[0].out * at[1].out * at[2].out * channels;
  }
};

Result<VolumePool> VolumePool::From(const AttrMap& attrs, const Shape& image) {
  const bool first = VolumeChannelsFirst(attrs);
  LS_ASSIGN_OR_RETURN(const auto ksize, SpatialOfVolume(attrs, "ksize"));
  VolumePool d;
  LS_ASSIGN_OR_RETURN(d.at, WindowsOfVolume(attrs, image, ksize));
  const int64_t n = image.dim(0), c = image.dim(first ? 1 : 4);
  d.output = first ? Shape{n, c, d.at[0].out, d.at[1].out, d.at[2].out}
                   : Shape{n, d.at[0].out, d.at[1].out, d.at[2].out, c};
  d.volumes = first ? n * c : n;
  d.channels = first ? 1 : c;
  return d;
}

// The positions of a window inside the volume along one dimension.
struct Reach {
  int64_t begin, end;
  Reach(const Window& w, int64_t out)
      : begin(std::max<int64_t>(out * w.stride - w.pad_before, 0)),
        end(std::min(out * w.stride - w.pad_before + w.size, w.in)) {}
  int64_t count() const { return std::max<int64_t>(0, end - begin); }
};

// f(output offset, window) for each window of a volume, where `window(g)` calls
// g(input offset) for each of its positions inside, in order.
template <class F>
void ForWindows(const VolumePool& d, const F& f) {
  int64_t to = 0;
  for (int64_t od = 0; od < d.at[0].out; ++od) {
    const Reach depth(d.at[0], od);
    for (int64_t oh = 0; oh < d.at[1].out; ++oh) {
      const Reach height(d.at[1], oh);
      for (int64_t ow = 0; ow < d.at[2].out; ++ow, to += d.channels) {
        const Reach width(d.at[2], ow);
        const auto window = [&](const auto& g) {
          for (int64_t i = depth.begin; i < depth.end; ++i) {
            for (int64_t j = height.begin; j < height.end; ++j) {
              for (int64_t k = width.begin; k < width.end; ++k) {
                g(((i * d.at[1].in + j) * d.at[2].in + k) * d.channels);
              }
            }
          }
        };
        f(to, depth.count() * height.count() * width.count(), window);
      }
    }
  }
}

// Volumes on several threads; those of one volume stay on one, in order.
template <class F>
void ForVolumes(const VolumePool& d, const F& f) {
  const int64_t work = std::max<int64_t>(1, d.in_size());
  ParallelFor(d.volumes, std::max<int64_t>(1, kCheapGrain / work),
              [&](int64_t begin, int64_t end) {
                for (int64_t n = begin; n < end; ++n) {
                  f(n * d.in_size(), n * d.out_size());
                }
              });
}

// Where the first largest of channel c is. No window is of padding only.
template <class T, class Windows>
int64_t FirstLargest(const T* x, int64_t c, const Windows& window) {
  int64_t best = -1;
  window([&](int64_t at) {
    if (best < 0 || x[at + c] > x[best]) best = at + c;
  });
  return best;
}

template <class T>
Status MaxRun(KernelContext& k) {
  const VolumePool& d = k.state<VolumePool>();
  ForVolumes(d, [&](int64_t from, int64_t to) {
    const T* x = k.in<T>(0) + from;
    T* y = k.out<T>(0) + to;
    ForWindows(d, [&](int64_t o, int64_t, const auto& window) {
      for (int64_t c = 0; c < d.channels; ++c) {
        y[o + c] = x[FirstLargest(x, c, window)];
      }
    });
  });
  return Ok();
}

template <class T>
Status MaxGradRun(KernelContext& k) {
  using A = ArithmeticType<T>;
  const VolumePool& d = k.state<VolumePool>();
  ForVolumes(d, [&](int64_t from, int64_t to) {
    const T* x = k.in<T>(0) + from;
    const T* dy = k.in<T>(2) + to;
    T* dx = k.out<T>(0) + from;
    std::fill_n(dx, d.in_size(), T(0));
    ForWindows(d, [&](int64_t o, int64_t, const auto& window) {
      for (int64_t c = 0; c < d.channels; ++c) {
        const int64_t at = FirstLargest(x, c, window);
        dx[at] = T(A(dx[at]) + A(dy[o + c]));
      }
    });
  });
  return Ok();
}

template <class T>
Status MaxGradGradRun(KernelContext& k) {
  const VolumePool& d = k.state<VolumePool>();
  ForVolumes(d, [&](int64_t from, int64_t to) {
    const T* x = k.in<T>(0) + from;
    const T* taken = k.in<T>(2) + from;
    T* y = k.out<T>(0) + to;
    ForWindows(d, [&](int64_t o, int64_t, const auto& window) {
      for (int64_t c = 0; c < d.channels; ++c) {
        y[o + c] = taken[FirstLargest(x, c, window)];
      }
    });
  });
  return Ok();
}

template <class T>
Status AvgRun(KernelContext& k) {
  using A = ArithmeticType<T>;
  const VolumePool& d = k.state<VolumePool>();
  ForVolumes(d, [&](int64_t from, int64_t to) {
    const T* x = k.in<T>(0) + from;
    T* y = k.out<T>(0) + to;
    ForWindows(d, [&](int64_t o, int64_t count, const auto& window) {
      const A n = static_cast<A>(std::max<int64_t>(1, count));
      for (int64_t c = 0; c < d.channels; ++c) {
        A sum(0);
        window([&](int64_t at) { sum += A(x[at + c]); });
        y[o + c] = T(sum / n);
      }
    });
  });
  return Ok();
}

template <class T>
Status AvgGradRun(KernelContext& k) {
  using A = ArithmeticType<T>;
  const VolumePool& d = k.state<VolumePool>();
  ForVolumes(d, [&](int64_t from, int64_t to) {
    const T* dy = k.in<T>(1) + to;
    T* dx = k.out<T>(0) + from;
    std::fill_n(dx, d.in_size(), T(0));
    ForWindows(d, [&](int64_t o, int64_t count, const auto& window) {
      const A share = A(1) / static_cast<A>(std::max<int64_t>(1, count));
      window([&](int64_t at) {
        for (int64_t c = 0; c < d.channels; ++c) {
          dx[at + c] = T(A(dx[at + c]) + A(dy[o + c]) * share);
        }
      });
    });
  });
  return Ok();
}

Status CheckPooled(const ShapeContext& c, const Shape& image, int pooled) {
  LS_ASSIGN_OR_RETURN(const auto d, VolumePool::From(c.attrs(), image));
  if (d.output.IsCompatibleWith(c.Input(pooled))) return Ok();
  return InvalidArgument(c.InputText(pooled), " has shape ", c.Input(pooled),
                         ", pooling ", image, " gives ", d.output);
}

Status PoolShape3D(ShapeContext& c) {
  LS_ASSIGN_OR_RETURN(const Shape image, c.WithRank(0, 5));
  LS_ASSIGN_OR_RETURN(const auto d, VolumePool::From(c.attrs(), image));
  return c.SetOutput(0, d.output);
}

Status MaxGradShape(ShapeContext& c) {
  LS_ASSIGN_OR_RETURN(const Shape image, c.WithRank(0, 5));
  for (int i : {1, 2}) LS_RETURN_IF_ERROR(CheckPooled(c, image, i));
  return c.SetOutput(0, image);
}

Status MaxGradGradShape(ShapeContext& c) {
  LS_ASSIGN_OR_RETURN(const Shape image, c.WithRank(0, 5));
  LS_RETURN_IF_ERROR(CheckPooled(c, image, 1));
  if (!image.IsCompatibleWith(c.Input(2))) {
    return InvalidArgument("grad has shape ", c.Input(2), ", the input ",
                           image);
  }
  LS_ASSIGN_OR_RETURN(const auto d, VolumePool::From(c.attrs(), image));
  return c.SetOutput(0, d.output);
}

Status AvgGradShape(ShapeContext& c) {
  LS_ASSIGN_OR_RETURN(const Shape given, c.InputAsShape(0));
  auto image = Shape::Merge(given, Shape::UnknownOfRank(5));
  if (!image.ok()) {
    return InvalidArgument("orig_input_shape must have 5 numbers, is ", given);
  }
  LS_RETURN_IF_ERROR(CheckPooled(c, *image, 1));
  return c.SetOutput(0, *image);
}

// The image is the first input, or what is made.
Status PrepareFromInput(PrepareContext& p) {
  LS_ASSIGN_OR_RETURN(p.MakeState<VolumePool>(),
                      VolumePool::From(p.attrs(), p.input_shape(0)));
  return Ok();
}
Status PrepareFromOutput(PrepareContext& p) {
  LS_ASSIGN_OR_RETURN(p.MakeState<VolumePool>(),
                      VolumePool::From(p.attrs(), p.output_shape(0)));
  return Ok();
}

Output PoolNode(GradContext& g, const char* op,
                std::initializer_list<Output> inputs) {
  NodeBuilder node = g.scope().Op(op);
  for (const Output& in : inputs) node.In(in);
  for (const char* name : {"ksize", "strides", "padding", "data_format"}) {
    node.Attr(name, g.node()->attrs().find(name)->second);
  }
  return node.Out();
}

Status MaxGradient(GradContext& g) {
  return g.SetDx(0, PoolNode(g, "MaxPool3DGrad", {g.x(0), g.y(0), g.dy(0)}));
}
Status MaxGradGradient(GradContext& g) {
  return g.SetDx(2,
                 PoolNode(g, "MaxPool3DGradGrad", {g.x(0), g.x(1), g.dy(0)}));
}
Status MaxGradGradGradient(GradContext& g) {
  return g.SetDx(2, PoolNode(g, "MaxPool3DGrad", {g.x(0), g.x(1), g.dy(0)}));
}
Status AvgGradient(GradContext& g) {
  return g.SetDx(0, PoolNode(g, "AvgPool3DGrad",
                             {ops::Shape(g.scope(), g.x(0)), g.dy(0)}));
}
Status AvgGradGradient(GradContext& g) {
  return g.SetDx(1, PoolNode(g, "AvgPool3D", {g.dy(0)}));
}

#define LS_POOL3D_ATTRS                   \
  .Attr("ksize: list(int) >= 5")          \
      .Attr("strides: list(int) >= 5")    \
      .Attr("padding: {'SAME', 'VALID'}") \
      .Attr("data_format: {'NDHWC', 'NCDHW'} = 'NDHWC'")

LOCKSTEP_OP("MaxPool3D")
    .Input("input: T")
    .Output("output: T") LS_POOL3D_ATTRS.Attr("T: {half, bfloat16, float}")
    .Shape(PoolShape3D)
    .Gradient(MaxGradient)
    .Kernels<float, Half, BFloat16>(kCpu, []<class T>() {
      return KernelDef{MaxRun<T>, PrepareFromInput};
    });

OpBuilder MaxGradOp() {
  OpBuilder b("MaxPool3DGrad");
  b.Input("orig_input: TInput")
      .Input("orig_output: TInput")
      .Input("grad: T")
      .Output("output: T")
          LS_POOL3D_ATTRS.Attr("T: {half, bfloat16, float} = DT_FLOAT")
      .Attr("TInput: {half, bfloat16, float} = DT_FLOAT")
      .Shape(MaxGradShape)
      .Gradient(MaxGradGradient);
  const auto add = [&]<class T>(std::type_identity<T>) {
    const DType type = DTypeOf<T>::value;
    b.Kernel(kCpu, {{"T", type}, {"TInput", type}},
             {MaxGradRun<T>, PrepareFromInput});
  };
  add(std::type_identity<float>());
  add(std::type_identity<Half>());
  add(std::type_identity<BFloat16>());
  return b;
}
const OpRegistrar kMaxPool3DGrad = MaxGradOp();

LOCKSTEP_OP("MaxPool3DGradGrad")
    .Input("orig_input: T")
    .Input("orig_output: T")
    .Input("grad: T")
    .Output("output: T") LS_POOL3D_ATTRS.Attr("T: realnumbertype")
    .Shape(MaxGradGradShape)
    .Gradient(MaxGradGradGradient)
    .Kernels<float, Half, BFloat16>(kCpu, []<class T>() {
      return KernelDef{MaxGradGradRun<T>, PrepareFromInput};
    });

LOCKSTEP_OP("AvgPool3D")
    .Input("input: T")
    .Output("output: T") LS_POOL3D_ATTRS.Attr("T: floattype")
    .Shape(PoolShape3D)
    .Gradient(AvgGradient)
    .Kernels<LS_FLOAT_TYPES>(kCpu, []<class T>() {
      return KernelDef{AvgRun<T>, PrepareFromInput};
    });

LOCKSTEP_OP("AvgPool3DGrad")
    .Input("orig_input_shape: int32")
    .Input("grad: T")
    .Output("output: T") LS_POOL3D_ATTRS.Attr("T: floattype")
    .Shape(AvgGradShape)
    .Gradient(AvgGradGradient)
    .NeedsValue({0})
    .Kernels<LS_FLOAT_TYPES>(kCpu, []<class T>() {
      return KernelDef{AvgGradRun<T>, PrepareFromOutput};
    });

}  // namespace
}  // namespace lockstep
