// SPDX-License-Identifier: Apache-2.0

// Convolutions beside a pool of 2 by 2, a few images at a time: what lies
// between the two stays in the second-level cache and is never whole.
//
// _BlockedConvMaxPool: image [N,H,W,C], filter and perhaps bias -> the output
//   of _MaxPoolIndex behind _BlockedConv2D of kind FORWARD, and its index.
// _BlockedMaxPoolFilterGrad: image, index, the pooled output's gradient -> the
//   filter's gradient, as of kind FILTER behind _MaxPoolIndexGrad.
//
// The rules bring them in where the convolution is bound by memory: of images
// of few channels, as the first of a network.

#include <algorithm>
#include <atomic>

#include "ops/conv/blocked_layout.h"
#include "ops/conv/conv_attrs.h"
#include "ops/conv/conv_flops.h"
#include "ops/conv/conv_kernel.h"
#include "ops/conv/max_pool_index.h"
#include "runtime/core/allocator.h"
#include "runtime/core/threads.h"
#include "runtime/op/shape_context.h"

namespace lockstep {
namespace {

using detail::ConvDims, detail::ConvKind, detail::ConvState,
    detail::kChannelBlock;

// Products for each number of the output beyond which it is not memory that
// a convolution waits for.
constexpr int64_t kMostProducts = 64;

// Of a convolution's output, what a thread has of it at a time: half of the
// cache of usual processors. Not asked of the machine, as sums depend on it.
constexpr int64_t kTileBytes = 512 << 10;

Window Half(int64_t in) {
  return {.in = in, .out = in / 2, .size = 2, .stride = 2};
}
// Of `images` outputs of the convolution, in blocks.
PoolDims PoolOf(const ConvDims& conv, int64_t images) {
  return {.images = images * (conv.out_channels / kChannelBlock),
          .channels = kChannelBlock,
          .h = Half(conv.h.out),
          .w = Half(conv.w.out),
          .output = {}};
}
Shape PooledShape(const ConvDims& conv) {
  return detail::BlockedShape(
      {conv.batch, conv.h.out / 2, conv.w.out / 2, conv.out_channels});
}

Result<ConvDims> DimsOf(const AttrMap& attrs) {
  LS_ASSIGN_OR_RETURN(const ConvDims d,
                      ConvDims::From(attrs, *GetIf<Shape>(attrs, "image"),
                                     *GetIf<Shape>(attrs, "filter")));
  if (!detail::CanBeBlocked(d.OutputShape()) || d.IsEmpty() ||
      d.h.out % 2 != 0 || d.w.out % 2 != 0) {
    return InvalidArgument("an output ", d.OutputShape(),
                           " has no halves in blocks of channels");
  }
  return d;
}

// --- Kernels ----------------------------------------------------------------

// Each thread takes its share of the tiles, with a program and scratch memory
// of its own: nobody waits but at the end.
struct Tiles {
  int64_t batch = 0, images = 0;  // of a tile, but for the last one
  int64_t tiles = 0;
  int64_t in_size = 0, out_size = 0, filter_size = 0;  // of one image
  std::vector<ConvState> programs;                     // of the threads
  ConvState last;
  PoolDims pool, last_pool;
  // Of a thread's scratch memory: of what, where the convolution's output or
  // its gradient is, and where the filter's gradient by a tile, then by all.
  size_t scratch = 0, between = 0, part = 0, sum = 0;
};

Status PrepareTiles(PrepareContext& p, ConvKind kind,
                    const detail::ConvEpilogue& epilogue) {
  LS_ASSIGN_OR_RETURN(const ConvDims d, DimsOf(p.attrs()));
  auto& t = p.MakeState<Tiles>();
  t.batch = d.batch;
  t.in_size = d.in_positions() * d.in_channels;
  t.out_size = d.out_positions() * d.out_channels;
  t.filter_size = d.taps() * d.in_channels * d.out_channels;
  const int64_t bytes = t.out_size * static_cast<int64_t>(sizeof(float));
  const int64_t threads = std::min<int64_t>(Threads(), d.batch);
  t.images = std::clamp<int64_t>(kTileBytes / bytes, 1,
                                 (d.batch + threads - 1) / threads);
  t.tiles = (t.batch + t.images - 1) / t.images;
  t.pool = PoolOf(d, t.images);
  t.last_pool = PoolOf(d, t.batch - (t.tiles - 1) * t.images);

  const ThreadsScope alone(1);
  const auto make = [&](int64_t images, ConvState* s) {
    s->kind = kind;
    s->dims = d;
    s->dims.batch = images;
    s->epilogue = epilogue;
    s->layout.output_blocked = true;
    return detail::BuildConv(s);
  };
  t.programs.resize(static_cast<size_t>(threads));
  for (ConvState& s : t.programs) LS_RETURN_IF_ERROR(make(t.images, &s));
  LS_RETURN_IF_ERROR(make(t.batch - (t.tiles - 1) * t.images, &t.last));

  const size_t filter =
      kind == ConvKind::kBackwardFilter
          ? AlignedSize(static_cast<size_t>(t.filter_size) * sizeof(float))
          : 0;
  t.between = AlignedSize(std::max(t.programs[0].program.scratch_bytes(),
                                   t.last.program.scratch_bytes()));
  t.part = t.between + AlignedSize(static_cast<size_t>(t.images * bytes));
  t.sum = t.part + filter;
  t.scratch = t.sum + filter;
  p.RequestScratch(t.scratch * t.programs.size());
  return Ok();
}

// f(program, pool, first image) for each tile of a thread.
template <class F>
Status ForTiles(Tiles& t, int64_t thread, const F& f) {
  const auto threads = static_cast<int64_t>(t.programs.size());
  const int64_t end = (thread + 1) * t.tiles / threads;
  for (int64_t i = thread * t.tiles / threads; i < end; ++i) {
    const bool last = i + 1 == t.tiles;
    ConvState& s = last ? t.last : t.programs[static_cast<size_t>(thread)];
    LS_RETURN_IF_ERROR(f(s.program, last ? t.last_pool : t.pool, i * t.images));
  }
  return Ok();
}

// f(thread, its scratch memory) on all of them; the first error.
template <class F>
Status OnThreads(KernelContext& k, const Tiles& t, const F& f) {
  std::atomic<bool> failed = false;
  Status first;
  ParallelFor(static_cast<int64_t>(t.programs.size()), 1,
              [&](int64_t begin, int64_t end) {
                for (int64_t i = begin; i < end; ++i) {
                  Status s = f(i, static_cast<char*>(k.scratch()) +
                                      static_cast<size_t>(i) * t.scratch);
                  if (!s.ok() && !failed.exchange(true)) first = std::move(s);
                }
              });
  return first;
}

float* Floats(char* scratch, size_t offset) {
  return reinterpret_cast<float*>(scratch + offset);
}

Status ForwardPrepare(PrepareContext& p) {
  return PrepareTiles(p, ConvKind::kForward,
                      {.bias = p.num_inputs() > 2,
                       .activation = detail::Activation::Of(p.attrs())});
}

Status ForwardRun(KernelContext& k) {
  Tiles& t = k.state<Tiles>();
  const float* image = k.in<float>(0);
  const float* filter = k.in<float>(1);
  const float* bias = t.last.epilogue.bias ? k.in<float>(2) : nullptr;
  float* y = k.out<float>(0);
  uint8_t* index = k.out<uint8_t>(1);
  return OnThreads(k, t, [&](int64_t thread, char* scratch) {
    float* const between = Floats(scratch, t.between);
    return ForTiles(
        t, thread,
        [&](detail::DnnlProgram& program, const PoolDims& pool,
            int64_t n) -> Status {
          LS_RETURN_IF_ERROR(program.Run(
              scratch, {image + n * t.in_size, filter, between, bias}));
          const int64_t at = n * t.out_size / 4;
          detail::PoolIndex(pool, between, y + at, index + at);
          return Ok();
        });
  });
}

Status FilterGradPrepare(PrepareContext& p) {
  return PrepareTiles(p, ConvKind::kBackwardFilter, {});
}

Status FilterGradRun(KernelContext& k) {
  Tiles& t = k.state<Tiles>();
  const float* image = k.in<float>(0);
  const uint8_t* index = k.in<uint8_t>(1);
  const float* dy = k.in<float>(2);
  const auto add = [&](const float* from, float* to) {
    for (int64_t i = 0; i < t.filter_size; ++i) to[i] += from[i];
  };
  LS_RETURN_IF_ERROR(OnThreads(k, t, [&](int64_t thread, char* scratch) {
    float* const between = Floats(scratch, t.between);
    float* const part = Floats(scratch, t.part);
    float* const sum = Floats(scratch, t.sum);
    std::fill_n(sum, t.filter_size, 0.0f);
    return ForTiles(t, thread,
                    [&](detail::DnnlProgram& program, const PoolDims& pool,
                        int64_t n) -> Status {
                      const int64_t at = n * t.out_size / 4;
                      detail::SpreadPooled(pool, index + at, dy + at, between);
                      LS_RETURN_IF_ERROR(program.Run(
                          scratch, {image + n * t.in_size, between, part}));
                      add(part, sum);
                      return Ok();
                    });
  }));
  float* const filter = k.out<float>(0);
  std::fill_n(filter, t.filter_size, 0.0f);
  for (size_t i = 0; i < t.programs.size(); ++i) {
    add(Floats(static_cast<char*>(k.scratch()) + i * t.scratch, t.sum), filter);
  }
  return Ok();
}

// --- Ops --------------------------------------------------------------------

Status ExpectShape(const ShapeContext& c, int input, const Shape& wanted) {
  if (c.Input(input).IsCompatibleWith(wanted)) return Ok();
  return InvalidArgument(c.InputText(input), " has shape ", c.Input(input),
                         ", not ", wanted);
}

Status ForwardShape(ShapeContext& c) {
  LS_ASSIGN_OR_RETURN(const ConvDims d, DimsOf(c.attrs()));
  if (c.num_inputs() > 3) {
    return InvalidArgument("a convolution does not take ", c.num_inputs(),
                           " operands");
  }
  LS_RETURN_IF_ERROR(ExpectShape(c, 0, c.Attr<Shape>("image")));
  LS_RETURN_IF_ERROR(ExpectShape(c, 1, c.Attr<Shape>("filter")));
  if (c.num_inputs() > 2) {
    LS_RETURN_IF_ERROR(ExpectShape(c, 2, Shape{d.out_channels}));
  }
  LS_RETURN_IF_ERROR(c.SetOutput(0, PooledShape(d)));
  return c.SetOutput(1, PooledShape(d));
}

Status FilterGradShape(ShapeContext& c) {
  LS_ASSIGN_OR_RETURN(const ConvDims d, DimsOf(c.attrs()));
  LS_RETURN_IF_ERROR(ExpectShape(c, 0, c.Attr<Shape>("image")));
  LS_RETURN_IF_ERROR(ExpectShape(c, 1, PooledShape(d)));
  LS_RETURN_IF_ERROR(ExpectShape(c, 2, PooledShape(d)));
  return c.SetOutput(0, c.Attr<Shape>("filter"));
}

LOCKSTEP_OP("_BlockedConvMaxPool")
    .Input("operands: N * float")
    .Output("output: float")
    .Output("index: uint8")
    .Attr("N: int >= 2")
    .Attr("image: shape")
    .Attr("filter: shape")
    .Attr(LS_CONV_ACTIVATION)
    .Attr("alpha: float = 0.2") LS_CONV_WINDOW_ATTRS.Shape(ForwardShape)
    .Kernel(kCpu, {ForwardRun, ForwardPrepare});

LOCKSTEP_OP("_BlockedMaxPoolFilterGrad")
    .Input("image: float")
    .Input("index: uint8")
    .Input("grad: float")
    .Output("output: float")
    .Attr("image: shape")
    .Attr("filter: shape") LS_CONV_WINDOW_ATTRS.Shape(FilterGradShape)
    .Kernel(kCpu, {FilterGradRun, FilterGradPrepare});

double Flops(const Node& n, const Shape& pooled, double unknown) {
  return 4 * detail::ConvFlops<false>(pooled, n.Attr<Shape>("filter"), unknown);
}
double ForwardFlops(const Node& n, double unknown) {
  return Flops(n, n.output_shape(0), unknown);
}
double FilterGradFlops(const Node& n, double unknown) {
  return Flops(n, n.input(2).shape(), unknown);
}
LOCKSTEP_FLOPS("_BlockedConvMaxPool", ForwardFlops);
LOCKSTEP_FLOPS("_BlockedMaxPoolFilterGrad", FilterGradFlops);

// --- Rules ------------------------------------------------------------------

bool IsHalved(const Node& pool, const Shape& image) {
  if (!image.IsFullyKnown() || !detail::ChannelsLast(pool)) return false;
  const auto dims = PoolDims::From(pool.attrs(), image);
  return dims.ok() && detail::HalvesBlocks(*dims);
}

bool IsBoundByMemory(const Node& conv, std::string_view kind) {
  const Shape& filter = conv.Attr<Shape>("filter");
  return conv.Attr<std::string>("kind") == kind &&
         !conv.Attr<bool>("image_blocked") && !conv.Attr<bool>("winograd") &&
         !conv.Attr<bool>("residual") && conv.num_outputs() == 1 &&
         conv.Attr<Shape>("image").dim(0) > 0 &&
         filter.dim(0) * filter.dim(1) * filter.dim(2) <= kMostProducts;
}

// Nothing but its one reader knows of it.
bool MayVanish(RewriteContext& c, Output value) {
  return c.OnlyUse(value) && !c.IsFed(value.node) &&
         value.node->control_inputs().empty() &&
         c.consumers().ControlledBy(value.node).empty();
}

AttrMap AttrsOf(const Node& conv) {
  AttrMap attrs = {{"image", conv.Attr<Shape>("image")},
                   {"filter", conv.Attr<Shape>("filter")}};
  CopyAttrs(conv, kConvWindowAttrs, &attrs);
  return attrs;
}

Result<bool> PoolTiles(RewriteContext& c) {
  Node* pool = c.node();
  Node* conv = c.Producer(pool->input(0), "_BlockedConv2D");
  if (!conv || !MayVanish(c, pool->input(0)) || c.IsFed(pool) ||
      !IsHalved(*pool, pool->input(0).shape()) ||
      !IsBoundByMemory(*conv, "FORWARD")) {
    return false;
  }
  AttrMap attrs = AttrsOf(*conv);
  CopyAttrs(*conv, kActivationAttrs, &attrs);
  attrs["N"] = static_cast<int64_t>(conv->num_inputs());
  LS_ASSIGN_OR_RETURN(Node * both,
                      c.Add(pool->name() + "/conv", "_BlockedConvMaxPool",
                            conv->inputs(), std::move(attrs)));
  c.Replace(pool->output(0), both->output(0));
  c.Replace(pool->output(1), both->output(1));
  return true;
}
LOCKSTEP_LATE_REWRITE("_MaxPoolIndex", PoolTiles);

Result<bool> FilterGradTiles(RewriteContext& c) {
  Node* conv = c.node();
  if (!IsBoundByMemory(*conv, "FILTER") || c.IsFed(conv)) return false;
  Node* spread = c.Producer(conv->input(1), "_MaxPoolIndexGrad");
  if (!spread || !MayVanish(c, conv->input(1)) ||
      !IsHalved(*spread, spread->output_shape(0))) {
    return false;
  }
  LS_ASSIGN_OR_RETURN(
      Node * both, c.Add(conv->name() + "/pooled", "_BlockedMaxPoolFilterGrad",
                         {conv->input(0), spread->input(0), spread->input(1)},
                         AttrsOf(*conv)));
  c.Replace(conv->output(0), both->output(0));
  return true;
}
LOCKSTEP_LATE_REWRITE("_BlockedConv2D", FilterGradTiles);

}  // namespace
}  // namespace lockstep
