// SPDX-License-Identifier: Apache-2.0

// Conv3D: cross-correlation of volumes with filters, by plain loops.
//   input: [N,D,H,W,C] or, NCDHW, [N,C,D,H,W]   filter: [d,h,w,C,K]
//   output: [N,D',H',W',K] or [N,K,D',H',W']
// Conv3DBackpropInputV2: input_sizes: int32|int64 [5], filter, out_backprop
// Conv3DBackpropFilterV2: input, filter_sizes: int32 [5], out_backprop
// All are linear in two tensors; the gradients of each are the other two.

#include "ops/array/array.h"
#include "ops/conv/conv.h"
#include "ops/conv/window.h"
#include "ops/math/elementwise.h"
#include "runtime/graph/gradients.h"

namespace lockstep {
namespace {

struct Conv3DDims {
  int64_t batch = 0, in_channels = 0, out_channels = 0;
  std::array<Window, 3> at;  // depth, height, width
  bool channels_first = false;

  static Result<Conv3DDims> From(const AttrMap& attrs, const Shape& image,
                                 const Shape& filter);
  Shape OutputShape() const {
    return channels_first
               ? Shape{batch, out_channels, at[0].out, at[1].out, at[2].out}
               : Shape{batch, at[0].out, at[1].out, at[2].out, out_channels};
  }
};

Result<Conv3DDims> Conv3DDims::From(const AttrMap& attrs, const Shape& image,
                                    const Shape& filter) {
  Conv3DDims d;
  d.channels_first = GetOr<std::string>(attrs, "data_format", "") == "NCDHW";
  const int spatial = d.channels_first ? 2 : 1;
  const int channel = d.channels_first ? 1 : 4;
  d.batch = image.dim(0);
  d.in_channels = filter.dim(3) < 0 ? image.dim(channel) : filter.dim(3);
  d.out_channels = filter.dim(4);
  if (image.dim(channel) >= 0 && image.dim(channel) != d.in_channels) {
    return InvalidArgument("filter has ", d.in_channels,
                           " input channels, input has ", image.dim(channel),
                           " (shape ", image, ")");
  }
  const auto numbers = [&](const char* name) {
    return GetOr<std::vector<int64_t>>(attrs, name, {1, 1, 1, 1, 1});
  };
  LS_ASSIGN_OR_RETURN(
      const auto strides,
      SpatialOfVolume("strides", numbers("strides"), d.channels_first));
  LS_ASSIGN_OR_RETURN(
      const auto dilations,
      SpatialOfVolume("dilations", numbers("dilations"), d.channels_first));
  WindowAttrs window;
  window.padding = GetOr<std::string>(attrs, "padding", "VALID") == "SAME"
                       ? Padding::kSame
                       : Padding::kValid;
  for (int i = 0; i < 3; ++i) {
    const auto at = static_cast<size_t>(i);
    window.strides[0] = strides[at];
    window.dilations[0] = dilations[at];
    LS_ASSIGN_OR_RETURN(d.at[at],
                        window.Along(0, image.dim(spatial + i), filter.dim(i)));
  }
  return d;
}

// Elements from one volume, position and channel to the next.
struct VolumeStrides {
  int64_t n, d, h, w, c;
  VolumeStrides(int64_t depth, int64_t height, int64_t width, int64_t channels,
                bool channels_first) {
    const int64_t step = channels_first ? 1 : channels;
    w = step;
    h = width * step;
    d = height * width * step;
    c = channels_first ? depth * height * width : 1;
    n = depth * height * width * channels;
  }
};

// f(offset in the image, offset in the output) for the positions of volume n
// that tap (kd, kh, kw) joins.
template <class F>
void ForJoined(const Conv3DDims& d, const VolumeStrides& xs,
               const VolumeStrides& ys, int64_t n,
               const std::array<int64_t, 3>& tap, const F& f) {
  const auto inside = [&](size_t i, int64_t out) {
    const Window& w = d.at[i];
    const int64_t at = out * w.stride - w.pad_before + tap[i] * w.dilation;
    return at < 0 || at >= w.in ? int64_t{-1} : at;
  };
  for (int64_t od = 0; od < d.at[0].out; ++od) {
    const int64_t id = inside(0, od);
    if (id < 0) continue;
    for (int64_t oh = 0; oh < d.at[1].out; ++oh) {
      const int64_t ih = inside(1, oh);
      if (ih < 0) continue;
      for (int64_t ow = 0; ow < d.at[2].out; ++ow) {
        const int64_t iw = inside(2, ow);
        if (iw < 0) continue;
        f(n * xs.n + id * xs.d + ih * xs.h + iw * xs.w,
          n * ys.n + od * ys.d + oh * ys.h + ow * ys.w);
      }
    }
  }
}

enum class Kind { kForward, kInput, kFilter };

// One volume and one tap: adds what they give into `out`.
template <Kind kKind, class T>
void AddTap(const Conv3DDims& d, int64_t n, int64_t number, const T* a,
            const T* b, T* out) {
  using A = ArithmeticType<T>;
  const VolumeStrides xs(d.at[0].in, d.at[1].in, d.at[2].in, d.in_channels,
                         d.channels_first);
  const VolumeStrides ys(d.at[0].out, d.at[1].out, d.at[2].out, d.out_channels,
                         d.channels_first);
  const int64_t plane = d.at[1].size * d.at[2].size;
  const std::array<int64_t, 3> tap = {
      number / plane, number % plane / d.at[2].size, number % d.at[2].size};
  const int64_t matrix = number * d.in_channels * d.out_channels;
  ForJoined(d, xs, ys, n, tap, [&](int64_t xo, int64_t yo) {
    for (int64_t i = 0; i < d.in_channels; ++i) {
      const int64_t row = matrix + i * d.out_channels;
      if constexpr (kKind == Kind::kForward) {
        const A v = A(a[xo + i * xs.c]);
        for (int64_t o = 0; o < d.out_channels; ++o) {
          T& to = out[yo + o * ys.c];
          to = T(A(to) + v * A(b[row + o]));
        }
      } else if constexpr (kKind == Kind::kInput) {
        A sum(0);
        for (int64_t o = 0; o < d.out_channels; ++o) {
          sum += A(a[row + o]) * A(b[yo + o * ys.c]);
        }
        out[xo + i * xs.c] = T(A(out[xo + i * xs.c]) + sum);
      } else {
        const A v = A(a[xo + i * xs.c]);
        for (int64_t o = 0; o < d.out_channels; ++o) {
          out[row + o] = T(A(out[row + o]) + v * A(b[yo + o * ys.c]));
        }
      }
    }
  });
}

// Which inputs are image, filter and output gradient; -1: what is computed.
struct Roles {
  Kind kind;
  int image, filter, dy, sizes;
};
constexpr Roles kForward{Kind::kForward, 0, 1, -1, -1};
constexpr Roles kInputGradient{Kind::kInput, -1, 1, 2, 0};
constexpr Roles kFilterGradient{Kind::kFilter, 0, -1, 2, 1};

template <const Roles& kRoles>
Status Conv3DShape(ShapeContext& c) {
  Shape sizes = Shape::UnknownOfRank(5);
  if (kRoles.sizes >= 0) {
    LS_ASSIGN_OR_RETURN(const Shape given, c.InputAsShape(kRoles.sizes));
    auto merged = Shape::Merge(given, sizes);
    if (!merged.ok()) {
      return InvalidArgument("sizes must have 5 numbers, are ", given);
    }
    sizes = *merged;
  }
  Shape image = sizes, filter = sizes;
  if (kRoles.image >= 0) {
    LS_ASSIGN_OR_RETURN(image, c.WithRank(kRoles.image, 5));
  }
  if (kRoles.filter >= 0) {
    LS_ASSIGN_OR_RETURN(filter, c.WithRank(kRoles.filter, 5));
  }
  LS_ASSIGN_OR_RETURN(const auto d, Conv3DDims::From(c.attrs(), image, filter));
  if (kRoles.dy >= 0 && !d.OutputShape().IsCompatibleWith(c.Input(kRoles.dy))) {
    return InvalidArgument("out_backprop has shape ", c.Input(kRoles.dy),
                           ", the convolution of ", image, " with filter ",
                           filter, " gives ", d.OutputShape());
  }
  return c.SetOutput(0, kRoles.sizes >= 0 ? sizes : d.OutputShape());
}

template <const Roles& kRoles>
Status Conv3DPrepare(PrepareContext& p) {
  const Shape& made = p.output_shape(0);
  LS_ASSIGN_OR_RETURN(
      p.MakeState<Conv3DDims>(),
      Conv3DDims::From(
          p.attrs(), kRoles.image < 0 ? made : p.input_shape(kRoles.image),
          kRoles.filter < 0 ? made : p.input_shape(kRoles.filter)));
  return Ok();
}

// Threads have volumes, or taps, of their own; sums are in one order.
template <class T, const Roles& kRoles>
Status Conv3DRun(KernelContext& k) {
  const Conv3DDims& d = k.state<Conv3DDims>();
  constexpr Kind kKind = kRoles.kind;
  const int first = std::max(kRoles.image, 0);
  const T* a = k.in<T>(kRoles.image >= 0 ? first : kRoles.filter);
  const T* b = k.in<T>(kRoles.dy >= 0 ? kRoles.dy : kRoles.filter);
  T* out = k.out<T>(0);
  std::fill_n(out, k.output(0).NumElements(), T(0));
  if (k.output(0).NumElements() == 0) return Ok();
  const int64_t taps = d.at[0].size * d.at[1].size * d.at[2].size;
  const bool by_tap = kKind == Kind::kFilter;
  ParallelFor(by_tap ? taps : d.batch, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      for (int64_t j = 0; j < (by_tap ? d.batch : taps); ++j) {
        AddTap<kKind, T>(d, by_tap ? j : i, by_tap ? i : j, a, b, out);
      }
    }
  });
  return Ok();
}

Output Node3D(GradContext& g, const char* op,
              std::initializer_list<Output> inputs) {
  NodeBuilder node = g.scope().Op(op);
  for (const Output& in : inputs) node.In(in);
  for (const char* name : {"strides", "padding", "data_format", "dilations"}) {
    node.Attr(name, g.node()->attrs().find(name)->second);
  }
  return node.Out();
}
Output ByInput(GradContext& g, Output image, Output filter, Output dy) {
  return Node3D(g, "Conv3DBackpropInputV2",
                {ops::Shape(g.scope(), image), filter, dy});
}
Output ByFilter(GradContext& g, Output image, Output filter, Output dy) {
  return Node3D(g, "Conv3DBackpropFilterV2",
                {image, ops::Shape(g.scope(), filter), dy});
}

Status ForwardGradient(GradContext& g) {
  LS_RETURN_IF_ERROR(g.SetDx(0, ByInput(g, g.x(0), g.x(1), g.dy(0))));
  return g.SetDx(1, ByFilter(g, g.x(0), g.x(1), g.dy(0)));
}
Status InputGradientGradient(GradContext& g) {
  LS_RETURN_IF_ERROR(g.SetDx(1, ByFilter(g, g.dy(0), g.x(1), g.x(2))));
  return g.SetDx(2, Node3D(g, "Conv3D", {g.dy(0), g.x(1)}));
}
Status FilterGradientGradient(GradContext& g) {
  LS_RETURN_IF_ERROR(g.SetDx(0, ByInput(g, g.x(0), g.dy(0), g.x(2))));
  return g.SetDx(2, Node3D(g, "Conv3D", {g.x(0), g.dy(0)}));
}

template <const Roles& kRoles>
OpBuilder Conv3DOp(const char* name, std::initializer_list<const char*> inputs,
                   GradientFn gradient) {
  OpBuilder b(name);
  for (const char* input : inputs) b.Input(input);
  b.Output("output: T")
      .Attr("T: floattype")
      .Attr("strides: list(int) >= 5")
      .Attr("padding: {'SAME', 'VALID'}")
      .Attr("data_format: {'NDHWC', 'NCDHW'} = 'NDHWC'")
      .Attr("dilations: list(int) = [1, 1, 1, 1, 1]")
      .Shape(Conv3DShape<kRoles>)
      .Gradient(gradient)
      .template Kernels<LS_FLOAT_TYPES>(kCpu, []<class T>() {
        return KernelDef{Conv3DRun<T, kRoles>, Conv3DPrepare<kRoles>};
      });
  if (kRoles.sizes >= 0) b.NeedsValue({kRoles.sizes});
  return b;
}
OpBuilder InputGradientOp() {
  return Conv3DOp<kInputGradient>(
             "Conv3DBackpropInputV2",
             {"input_sizes: Tshape", "filter: T", "out_backprop: T"},
             InputGradientGradient)
      .Attr("Tshape: {int32, int64} = DT_INT32");
}

const OpRegistrar kConv3D =
    Conv3DOp<kForward>("Conv3D", {"input: T", "filter: T"}, ForwardGradient);
const OpRegistrar kConv3DBackpropInputV2 = InputGradientOp();
const OpRegistrar kConv3DBackpropFilterV2 = Conv3DOp<kFilterGradient>(
    "Conv3DBackpropFilterV2",
    {"input: T", "filter_sizes: int32", "out_backprop: T"},
    FilterGradientGradient);

}  // namespace

Output ops::Conv3D(const Scope& scope, const Input& input, const Input& filter,
                   const std::vector<int64_t>& strides,
                   const std::string& padding, const std::string& data_format,
                   const std::vector<int64_t>& dilations) {
  return scope.Op("Conv3D")
      .InPair(input, filter)
      .Attr("strides", strides)
      .Attr("padding", padding)
      .Attr("data_format", data_format)
      .Attr("dilations", dilations)
      .Out();
}

}  // namespace lockstep
