// SPDX-License-Identifier: Apache-2.0
#include "ops/conv/conv_kernel.h"

#include "ops/conv/direct_conv.h"
#include "runtime/core/allocator.h"

namespace lockstep::detail {
namespace {

using dnnl::memory;

// Along depth, where there is one, height and width.
memory::dims Along(const ConvDims& d, int64_t Window::*number) {
  memory::dims all{d.h.*number, d.w.*number};
  if (d.volume) all.insert(all.begin(), d.depth.*number);
  return all;
}

// oneDNN's view of an image: dimensions n, c, (d,) h, w, laid out as
// TensorFlow's.
memory::dims ImageDims(const ConvDims& d, bool output) {
  memory::dims dims = Along(d, output ? &Window::out : &Window::in);
  dims.insert(dims.begin(), {d.batch, output ? d.out_channels : d.in_channels});
  return dims;
}
memory::dims ImageStridesOf(const ConvDims& d, bool output, bool nchw) {
  const ImageStrides s =
      output ? ImageStrides::OfOutput(d, nchw) : ImageStrides::OfInput(d, nchw);
  if (d.volume) return {s.n, s.c, s.d, s.h, s.w};
  return {s.n, s.c, s.h, s.w};
}
DnnlType ImageType(const ConvState& s, bool output) {
  return output && s.epilogue.wide ? DnnlType::f32 : s.type;
}
memory::desc ImageDesc(const ConvState& s, bool output) {
  const ConvDims& d = s.dims;
  const memory::dims dims = ImageDims(d, output);
  const DnnlType type = ImageType(s, output);
  if (output ? s.layout.output_blocked : s.layout.image_blocked) {
    return {dims, type, memory::format_tag::nChw16c};
  }
  // One channel is the same either way; oneDNN's name for it is nchw.
  const bool nchw = d.nchw || (s.layout.output_blocked && dims[1] == 1);
  return DnnlStrided(dims, ImageStridesOf(d, output, nchw), type);
}

// Dimensions (group,) out, in, (d,) h, w over TensorFlow's [(d,) h, w, in,
// out].
memory::dims FilterDims(const ConvDims& d) {
  memory::dims dims = Along(d, &Window::size);
  dims.insert(dims.begin(),
              {d.out_channels / d.groups, d.in_channels / d.groups});
  if (d.groups > 1) dims.insert(dims.begin(), d.groups);
  return dims;
}
memory::desc FilterDesc(const ConvState& s) {
  const ConvDims& d = s.dims;
  const int64_t matrix = d.in_channels / d.groups * d.out_channels;
  memory::dims strides{1, d.out_channels, d.w.size * matrix, matrix};
  if (d.volume) {
    strides.insert(strides.begin() + 2, d.h.size * d.w.size * matrix);
  }
  if (d.groups > 1) strides.insert(strides.begin(), d.out_channels / d.groups);
  return DnnlStrided(FilterDims(d), strides, s.type);
}

DnnlConvGeometry GeometryOf(const ConvDims& d, bool winograd) {
  return {.strides = Along(d, &Window::stride),
          .dilations = Along(d, &Window::dilation),
          .pad_before = Along(d, &Window::pad_before),
          .pad_after = Along(d, &Window::pad_after),
          .winograd = winograd};
}

// Layouts offered to oneDNN. Channels-last activations as they are save two
// reorders and run as fast when oneDNN has a kernel of its own for them; else
// it picks (a fixed layout may mean its reference code).
struct Layouts {
  memory::desc x, f, y;
};
Layouts AsIs(const ConvState& s) {
  return {ImageDesc(s, false), DnnlAny(FilterDims(s.dims), s.type),
          ImageDesc(s, true)};
}
Layouts Any(const ConvState& s) {
  const ConvDims& d = s.dims;
  return {DnnlAny(ImageDims(d, false), s.type), DnnlAny(FilterDims(d), s.type),
          DnnlAny(ImageDims(d, true), ImageType(s, true))};
}
// Blocked as they are; an image that is not is what oneDNN likes beside that.
Layouts Blocked(const ConvState& s) {
  Layouts l = AsIs(s);
  if (!s.layout.image_blocked) {
    l.x = DnnlAny(ImageDims(s.dims, false), s.type);
  }
  return l;
}

// make(layouts, geometry) for the first that give a fast implementation.
template <class Make>
auto BestOf(const ConvState& s, const Make& make)
    -> decltype(make(AsIs(s), DnnlConvGeometry())) {
  const ConvDims& d = s.dims;
  if (s.layout.winograd) {
    auto winograd = make(Blocked(s), GeometryOf(d, true));
    if (winograd.ok() && !IsSlowImplementation(*winograd)) return winograd;
  }
  const DnnlConvGeometry direct = GeometryOf(d, false);
  if (s.layout.image_blocked || s.layout.output_blocked) {
    auto blocked = make(Blocked(s), direct);
    if (blocked.ok() && !IsSlowImplementation(*blocked)) return blocked;
  } else if (!d.nchw) {
    auto as_is = make(AsIs(s), direct);
    if (as_is.ok() && !IsSlowImplementation(*as_is)) return as_is;
  }
  auto any = make(Any(s), direct);
  if (s.type != DnnlType::f32 && any.ok() && IsSlowImplementation(*any)) {
    return Unimplemented("oneDNN has no fast convolution of this type");
  }
  return any;
}

Status BuildForward(ConvState& s) {
  const ConvDims& d = s.dims;
  const auto bias = DnnlStrided({d.out_channels}, {1}, ImageType(s, true));
  LS_ASSIGN_OR_RETURN(
      const auto pd,
      BestOf(s, [&](const Layouts& l, const DnnlConvGeometry& g) {
        return MakeConvForward(
            l.x, l.f, s.epilogue.bias ? &bias : nullptr, l.y, g,
            {.sum = s.epilogue.residual, .activation = s.epilogue.activation});
      }));
  DnnlProgram& p = s.program;
  const auto x = p.Operand(ImageDesc(s, false)), f = p.Operand(FilterDesc(s));
  const auto y = p.Operand(ImageDesc(s, true));
  LS_ASSIGN_OR_RETURN(const auto src, p.Reordered(x, pd.src_desc()));
  LS_ASSIGN_OR_RETURN(const auto weights, p.Reordered(f, pd.weights_desc()));
  const auto dst = p.OutputFor(y, pd.dst_desc());
  const auto b = s.epilogue.bias ? p.Operand(bias) : 0;
  if (s.epilogue.residual) {
    const auto residual = p.Operand(ImageDesc(s, true));
    s.adds_to_output = dst == y;
    if (dst != y) LS_RETURN_IF_ERROR(p.Reorder(residual, dst));
  }
  if (s.epilogue.bias) {
    LS_RETURN_IF_ERROR(p.Add(pd, {{DNNL_ARG_SRC, src},
                                  {DNNL_ARG_WEIGHTS, weights},
                                  {DNNL_ARG_BIAS, b},
                                  {DNNL_ARG_DST, dst}}));
  } else {
    LS_RETURN_IF_ERROR(p.Add(pd, {{DNNL_ARG_SRC, src},
                                  {DNNL_ARG_WEIGHTS, weights},
                                  {DNNL_ARG_DST, dst}}));
  }
  return p.FinishOutputs();
}

Status BuildBackwardInput(ConvState& s) {
  LS_ASSIGN_OR_RETURN(const auto pd, BestOf(s, [&](const Layouts& l,
                                                   const DnnlConvGeometry& g) {
                        return MakeConvBackwardData(l.x, l.f, l.y, g);
                      }));
  DnnlProgram& p = s.program;
  const auto f = p.Operand(FilterDesc(s)), dy = p.Operand(ImageDesc(s, true));
  const auto dx = p.Operand(ImageDesc(s, false));
  LS_ASSIGN_OR_RETURN(const auto weights, p.Reordered(f, pd.weights_desc()));
  LS_ASSIGN_OR_RETURN(const auto diff, p.Reordered(dy, pd.diff_dst_desc()));
  const auto out = p.OutputFor(dx, pd.diff_src_desc());
  LS_RETURN_IF_ERROR(p.Add(pd, {{DNNL_ARG_DIFF_DST, diff},
                                {DNNL_ARG_WEIGHTS, weights},
                                {DNNL_ARG_DIFF_SRC, out}}));
  return p.FinishOutputs();
}

Status BuildBackwardFilter(ConvState& s) {
  const auto bias = DnnlStrided({s.dims.out_channels}, {1});
  LS_ASSIGN_OR_RETURN(
      const auto pd,
      BestOf(s, [&](const Layouts& l, const DnnlConvGeometry& g) {
        return MakeConvBackwardWeights(
            l.x, l.f, s.epilogue.bias ? &bias : nullptr, l.y, g);
      }));
  DnnlProgram& p = s.program;
  const auto x = p.Operand(ImageDesc(s, false));
  const auto dy = p.Operand(ImageDesc(s, true)), df = p.Operand(FilterDesc(s));
  LS_ASSIGN_OR_RETURN(const auto src, p.Reordered(x, pd.src_desc()));
  LS_ASSIGN_OR_RETURN(const auto diff, p.Reordered(dy, pd.diff_dst_desc()));
  const auto out = p.OutputFor(df, pd.diff_weights_desc());
  if (s.epilogue.bias) {
    LS_RETURN_IF_ERROR(p.Add(pd, {{DNNL_ARG_SRC, src},
                                  {DNNL_ARG_DIFF_DST, diff},
                                  {DNNL_ARG_DIFF_WEIGHTS, out},
                                  {DNNL_ARG_DIFF_BIAS, p.Operand(bias)}}));
  } else {
    LS_RETURN_IF_ERROR(p.Add(pd, {{DNNL_ARG_SRC, src},
                                  {DNNL_ARG_DIFF_DST, diff},
                                  {DNNL_ARG_DIFF_WEIGHTS, out}}));
  }
  return p.FinishOutputs();
}

}  // namespace

Status BuildConv(ConvState* s) {
  return DnnlGuard("convolution's operands", [&] {
    switch (s->kind) {
      case ConvKind::kForward: return BuildForward(*s);
      case ConvKind::kBackwardInput: return BuildBackwardInput(*s);
      case ConvKind::kBackwardFilter: return BuildBackwardFilter(*s);
    }
    return Ok();
  });
}

namespace {

// Elements of the two operands, the result and the bias, in the program's
// order.
std::array<int64_t, 4> Counts(const ConvState& s) {
  const ConvDims& d = s.dims;
  const int64_t bias = s.epilogue.bias ? d.out_channels : 0;
  const int64_t x = d.batch * d.in_positions() * d.in_channels;
  const int64_t f = d.taps() * (d.in_channels / d.groups) * d.out_channels;
  const int64_t y = d.batch * d.out_positions() * d.out_channels;
  switch (s.kind) {
    case ConvKind::kForward: return {x, f, y, bias};
    case ConvKind::kBackwardInput: return {f, y, x, bias};
    case ConvKind::kBackwardFilter: return {x, y, f, bias};
  }
  return {};
}

template <class T>
void RunDirect(const ConvState& s, const T* a, const T* b, T* out) {
  switch (s.kind) {
    case ConvKind::kForward: return DirectForward(s.dims, a, b, out);
    case ConvKind::kBackwardInput:
      return DirectBackwardInput(s.dims, a, b, out);
    case ConvKind::kBackwardFilter:
      return DirectBackwardFilter(s.dims, a, b, out);
  }
}

template <class From, class To>
void ConvertAll(const From* from, To* to, int64_t n) {
  ParallelFor(n, kCheapGrain, [&](int64_t begin, int64_t end) {
    Convert(from + begin, to + begin, end - begin);
  });
}

// Of a forward convolution; null when it has none.
const float* ResidualOf(const ConvState& s, KernelContext& k) {
  return s.epilogue.residual ? k.in<float>(s.epilogue.bias ? 3 : 2) : nullptr;
}

// Puts it where the result is added to it, if it is not there already.
void PlaceResidual(const float* residual, KernelContext& k) {
  float* y = k.out<float>(0);
  if (residual == y) return;
  ParallelFor(k.output(0).NumElements(), kCheapGrain,
              [&](int64_t begin, int64_t end) {
                std::copy(residual + begin, residual + end, y + begin);
              });
}

// A sum over nothing is zero; what follows a forward one still applies.
template <class T>
void FillWithoutProduct(const ConvState& s, KernelContext& k) {
  if (s.epilogue.wide && !std::is_same_v<T, float>) {
    return FillWithoutProduct<float>(s, k);
  }
  if (s.kind != ConvKind::kForward) {
    for (int i = 0; i < k.num_outputs(); ++i) {
      std::fill_n(k.out<T>(i), k.output(i).NumElements(), T(0));
    }
    return;
  }
  T* y = k.out<T>(0);
  const int64_t n = k.output(0).NumElements();
  const float* residual = ResidualOf(s, k);
  const int64_t plane = s.dims.nchw ? s.dims.out_positions() : 1;
  for (int64_t i = 0; i < n; ++i) {
    const int64_t c = i / plane % s.dims.out_channels;
    float v = s.epilogue.bias ? static_cast<float>(k.in<T>(2)[c]) : 0.0f;
    if (residual != nullptr) v += residual[i];
    y[i] = T(s.epilogue.activation.Apply(v));
  }
}

// Behind the program's own scratch memory; returns the bytes of both.
size_t PlaceWidened(ConvState& s) {
  size_t bytes = s.program.scratch_bytes();
  s.wide_count = Counts(s);
  for (size_t i = 0; i < s.wide_count.size(); ++i) {
    s.wide_offset[i] = bytes;
    bytes += AlignedSize(static_cast<size_t>(s.wide_count[i]) * sizeof(float));
  }
  return bytes;
}

template <class T>
Status RunWidened(ConvState& s, KernelContext& k, int a, int b) {
  float* wide[4];
  for (size_t i = 0; i < s.wide_count.size(); ++i) {
    wide[i] = reinterpret_cast<float*>(static_cast<char*>(k.scratch()) +
                                       s.wide_offset[i]);
  }
  ConvertAll(k.in<T>(a), wide[0], s.wide_count[0]);
  ConvertAll(k.in<T>(b), wide[1], s.wide_count[1]);
  if (s.epilogue.wide) {
    return s.program.Run(k.scratch(),
                         {wide[0], wide[1], k.out<float>(0),
                          s.epilogue.bias ? k.in<float>(2) : nullptr});
  }
  if (s.epilogue.bias) ConvertAll(k.in<T>(2), wide[3], s.wide_count[3]);
  LS_RETURN_IF_ERROR(
      s.program.Run(k.scratch(), {wide[0], wide[1], wide[2], wide[3]}));
  ConvertAll(wide[2], k.out<T>(0), s.wide_count[2]);
  return Ok();
}

}  // namespace

template <class T>
Status PrepareConv(PrepareContext& p, ConvKind kind, const ConvDims& dims,
                   const ConvEpilogue& epilogue, const ConvLayout& layout) {
  // TensorFlow computes images of other types that have no channels.
  const bool needs_filter = std::is_same_v<T, float> || dims.volume;
  if (kind == ConvKind::kForward && needs_filter &&
      dims.in_channels * dims.out_channels == 0) {
    return NoFilterElements();
  }
  auto& s = p.MakeState<ConvState>();
  s.kind = kind;
  s.dims = dims;
  s.epilogue = epilogue;
  s.layout = layout;
  if constexpr (std::is_same_v<T, float> || kIsFloat16<T>) {
    if (dims.IsEmpty()) return Ok();
    if (std::is_same_v<T, BFloat16> && DnnlHasBfloat16()) {
      s.type = DnnlType::bf16;
      if (const Status made = BuildConv(&s); made.ok()) {
        p.RequestScratch(s.program.scratch_bytes());
        return Ok();
      }
      s.type = DnnlType::f32;
      s.program = DnnlProgram();
    }
    LS_RETURN_IF_ERROR(BuildConv(&s));
    p.RequestScratch(kIsFloat16<T> ? PlaceWidened(s)
                                   : s.program.scratch_bytes());
  }
  return Ok();
}

namespace {

const void* BiasOf(const ConvState& s, KernelContext& k) {
  if (!s.epilogue.bias) return nullptr;
  return s.kind == ConvKind::kForward ? k.input(2).data() : k.output(1).data();
}

}  // namespace

template <class T>
Status RunConv(KernelContext& k, int a, int b) {
  auto& s = k.state<ConvState>();
  if (s.dims.IsEmpty()) {
    FillWithoutProduct<T>(s, k);
    return Ok();
  }
  if constexpr (std::is_same_v<T, float> || kIsFloat16<T>) {
    if constexpr (kIsFloat16<T>) {
      if (s.type == DnnlType::f32) return RunWidened<T>(s, k, a, b);
    }
    const void* bias = BiasOf(s, k);
    const float* residual = ResidualOf(s, k);
    if (s.adds_to_output) PlaceResidual(residual, k);
    return s.program.Run(k.scratch(),
                         {k.in<T>(a), k.in<T>(b), k.out<void>(0),
                          bias != nullptr ? bias : residual, residual});
  } else {
    RunDirect(s, k.in<T>(a), k.in<T>(b), k.out<T>(0));
    return Ok();
  }
}

#define LS_INSTANTIATE(T)                                                    \
  template Status PrepareConv<T>(PrepareContext&, ConvKind, const ConvDims&, \
                                 const ConvEpilogue&, const ConvLayout&);    \
  template Status RunConv<T>(KernelContext&, int, int);
LS_INSTANTIATE(float)
LS_INSTANTIATE(double)
LS_INSTANTIATE(int32_t)
LS_INSTANTIATE(Half)
LS_INSTANTIATE(BFloat16)
#undef LS_INSTANTIATE

}  // namespace lockstep::detail
