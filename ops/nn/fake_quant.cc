// SPDX-License-Identifier: Apache-2.0

// FakeQuantWithMinMaxArgs, ...Vars, ...VarsPerChannel: inputs: float [..., d]
// rounded to 2^num_bits steps between min and max, which are moved until 0 is
// one of them. min, max: attributes; float []; float [d].
// ...Gradient: gradients, inputs, min, max -> those of inputs, and but for Args
// of min and max: what lay outside of the range
// Where min = max = 0 the outputs are 0, as TensorFlow's.

#include <algorithm>
#include <cmath>

#include "ops/math/elementwise.h"
#include "ops/nn/nn.h"
#include "runtime/core/simd.h"
#include "runtime/graph/gradients.h"
#include "runtime/op/kernel.h"
#include "runtime/op/shape_context.h"

namespace lockstep {
namespace {

struct Range {
  float low = 0, high = 0, scale = 0;  // all 0: min = max = 0

  Range(float min, float max, int bits, bool narrow) {
    if (min == 0 && max == 0) return;
    const float first = narrow ? 1 : 0;
    const auto last = static_cast<float>((1 << bits) - 1);
    scale = (max - min) / (last - first);
    const float zero = first - min / scale;
    const float nudged = zero < first  ? first
                         : zero > last ? last
                                       : std::round(zero);
    low = (first - nudged) * scale;
    high = (last - nudged) * scale;
  }
};

Status CheckBits(const AttrMap& attrs) {
  const auto bits = *GetIf<int64_t>(attrs, "num_bits");
  if (bits >= 2 && bits <= 16) return Ok();
  return InvalidArgument("num_bits must be between 2 and 16, inclusive, is ",
                         bits);
}

Range RangeOf(const AttrMap& attrs, float min, float max) {
  return {min, max, static_cast<int>(*GetIf<int64_t>(attrs, "num_bits")),
          *GetIf<bool>(attrs, "narrow_range")};
}

// Input `first` is the inputs; min and max follow it.
template <bool kArgs>
Range RangeAt(const KernelContext& k, int first, int64_t channel) {
  if constexpr (kArgs) {
    return RangeOf(k.attrs(), *GetIf<float>(k.attrs(), "min"),
                   *GetIf<float>(k.attrs(), "max"));
  } else {
    return RangeOf(k.attrs(), k.in<float>(first + 1)[channel],
                   k.in<float>(first + 2)[channel]);
  }
}

// The ranges of `width` neighbouring elements, in the kernel's scratch memory:
// those of the channels, or one range many times.
class Ranges {
 public:
  static size_t Bytes(int64_t width) {
    return static_cast<size_t>(width) *
           (5 * sizeof(float) + 2 * sizeof(double));
  }
  static int64_t Width(int64_t ranges) { return ranges == 1 ? kLanes : ranges; }

  // Input `first` is the inputs.
  template <bool kArgs>
  Ranges(KernelContext& k, int first, std::bool_constant<kArgs>)
      : count_(kArgs ? 1 : k.input(first + 1).NumElements()),
        width_(Width(count_)),
        below_(static_cast<double*>(k.scratch())),
        low_(reinterpret_cast<float*>(below_ + 2 * width_)) {
    std::fill_n(below_, 2 * width_, 0.0);
    for (int64_t i = 0; i < width_; ++i) {
      const Range r = RangeAt<kArgs>(k, first, count_ == 1 ? 0 : i);
      low_[i] = r.low;
      high()[i] = r.high;
      scale()[i] = r.scale;
      inverse()[i] = r.scale == 0 ? 0 : 1 / r.scale;
      zero()[i] = std::floor(-r.low * inverse()[i] + 0.5f);
    }
  }

  // n <= width() elements at a time, the first of them in the first range.
  int64_t width() const { return width_; }
  void Quantize(const float* x, float* y, int64_t n) const {
    Shift(x, low_, high(), inverse(), y, n);
    Round(zero(), scale(), y, n);
  }
  void Gradient(const float* dy, const float* x, float* dx, int64_t n) {
    Pass(dy, x, low_, high(), scale(), dx, below_, below_ + width_, n);
  }
  // What Gradient met below and above the ranges.
  void PutSums(float* below, float* above) const {
    for (int64_t i = 0; i < count_; ++i) {
      double sums[2] = {};
      for (int64_t j = i; j < width_; j += count_) {
        sums[0] += below_[j];
        sums[1] += below_[width_ + j];
      }
      below[i] = static_cast<float>(sums[0]);
      above[i] = static_cast<float>(sums[1]);
    }
  }

 private:
  static constexpr int64_t kLanes = 64;

  float* high() const { return low_ + width_; }
  float* scale() const { return low_ + 2 * width_; }
  float* inverse() const { return low_ + 3 * width_; }
  float* zero() const { return low_ + 4 * width_; }

  // In two loops: a product and a difference in one would be rounded once
  // where the processor can, and ties would fall elsewhere.
  LS_SIMD_CLONES static void Shift(const float* x, const float* low,
                                   const float* high, const float* inverse,
                                   float* y, int64_t n) {
    for (int64_t i = 0; i < n; ++i) {
      const float least = x[i] < high[i] ? x[i] : high[i];  // NaN: high
      y[i] = ((least > low[i] ? least : low[i]) - low[i]) * inverse[i];
    }
  }
  LS_SIMD_CLONES static void Round(const float* zero, const float* scale,
                                   float* y, int64_t n) {
    for (int64_t i = 0; i < n; ++i) {
      y[i] = std::floor(y[i] - zero[i] + 0.5f) * scale[i];
    }
  }
  LS_SIMD_CLONES static void Pass(const float* dy, const float* x,
                                  const float* low, const float* high,
                                  const float* scale, float* dx, double* below,
                                  double* above, int64_t n) {
    for (int64_t i = 0; i < n; ++i) {
      const bool some = scale[i] != 0;
      const bool under = some & (x[i] < low[i]), over = some & (x[i] > high[i]);
      dx[i] = under | over ? 0.0f : dy[i];
      below[i] += under ? static_cast<double>(dy[i]) : 0.0;
      above[i] += over ? static_cast<double>(dy[i]) : 0.0;
    }
  }

  const int64_t count_, width_;
  double* const below_;  // and above, of each
  float* const low_;     // and high, scale, its inverse and zero, of each
};

template <bool kArgs, bool kGradient>
Status PrepareQuant(PrepareContext& p) {
  const int of = kGradient ? 2 : 1;
  p.RequestScratch(Ranges::Bytes(
      Ranges::Width(kArgs ? 1 : p.input_shape(of).NumElements())));
  return Ok();
}

template <bool kArgs>
Status QuantCpu(KernelContext& k) {
  const Ranges ranges(k, 0, std::bool_constant<kArgs>());
  const int64_t size = k.input(0).NumElements(), width = ranges.width();
  if (size == 0) return Ok();
  ParallelFor((size + width - 1) / width,
              std::max<int64_t>(1, kCheapGrain / width),
              [&](int64_t begin, int64_t end) {
                for (int64_t i = begin * width; i < end * width; i += width) {
                  ranges.Quantize(k.in<float>(0) + i, k.out<float>(0) + i,
                                  std::min(width, size - i));
                }
              });
  return Ok();
}

template <bool kArgs>
Status QuantGradCpu(KernelContext& k) {
  Ranges ranges(k, 1, std::bool_constant<kArgs>());
  const int64_t size = k.input(0).NumElements(), width = ranges.width();
  for (int64_t i = 0; i < size; i += width) {
    ranges.Gradient(k.in<float>(0) + i, k.in<float>(1) + i, k.out<float>(0) + i,
                    std::min(width, size - i));
  }
  if constexpr (!kArgs) ranges.PutSums(k.out<float>(1), k.out<float>(2));
  return Ok();
}

enum class Kind { kArgs, kVars, kChannels };

template <Kind kKind, bool kGradient>
Status QuantShape(ShapeContext& c) {
  constexpr int kInputs = kGradient ? 1 : 0;
  LS_RETURN_IF_ERROR(CheckBits(c.attrs()));
  if constexpr (kKind == Kind::kArgs) {
    const auto min = c.Attr<float>("min"), max = c.Attr<float>("max");
    if (!(min < max)) {
      return InvalidArgument("min has to be smaller than max, was: ", min,
                             " >= ", max);
    }
  }
  Shape x = c.Input(kInputs);
  if (kGradient) {
    LS_ASSIGN_OR_RETURN(x, Shape::Merge(x, c.Input(0)));
  }
  LS_RETURN_IF_ERROR(c.SetOutput(0, x));
  if (kKind == Kind::kArgs) return Ok();
  Shape range;
  if constexpr (kKind == Kind::kChannels) {
    LS_RETURN_IF_ERROR(c.WithRankAtLeast(kInputs, 1).status());
    range = Shape{x.HasRank() ? x.dim(x.rank() - 1) : kUnknownDim};
  }
  for (int i : {kInputs + 1, kInputs + 2}) {
    LS_RETURN_IF_ERROR(c.WithRank(i, range.rank()).status());
    const Result<Shape> both = Shape::Merge(range, c.Input(i));
    if (!both.ok()) {
      return InvalidArgument("min and max have to have one number for each of ",
                             "the channels of ", x, ", one has shape ",
                             c.Input(i));
    }
    range = *both;
  }
  for (int i = 1; i < c.num_outputs(); ++i) {
    LS_RETURN_IF_ERROR(c.SetOutput(i, range));
  }
  return Ok();
}

Status QuantGradient(GradContext& g) {
  NodeBuilder node = g.scope().Op(g.node()->op() + "Gradient");
  node.In(g.dy(0)).In(g.node()->inputs());
  for (const char* name : {"min", "max", "num_bits", "narrow_range"}) {
    const auto it = g.node()->attrs().find(name);
    if (it != g.node()->attrs().end()) node.Attr(name, it->second);
  }
  const std::vector<Output> dx = node.Outs();
  LS_RETURN_IF_ERROR(g.scope().status());
  for (int i = 0; i < g.num_inputs(); ++i) {
    LS_RETURN_IF_ERROR(g.SetDx(i, dx[static_cast<size_t>(i)]));
  }
  return Ok();
}

template <Kind kKind>
struct FakeQuant {
  static constexpr bool kArgs = kKind == Kind::kArgs;
  explicit FakeQuant(const std::string& name) {
    OpBuilder forward(name);
    forward.Input("inputs: float");
    Range(forward).Output("outputs: float");
    Attrs(forward)
        .Shape(QuantShape<kKind, false>)
        .Gradient(QuantGradient)
        .Kernel(kCpu, {QuantCpu<kArgs>, PrepareQuant<kArgs, false>});
    OpRegistrar registered(forward);
    OpBuilder back(name + "Gradient");
    back.Input("gradients: float").Input("inputs: float");
    Range(back);
    if (kArgs) {
      back.Output("backprops: float");
    } else {
      back.Output("backprops_wrt_input: float")
          .Output("backprop_wrt_min: float")
          .Output("backprop_wrt_max: float");
    }
    Attrs(back)
        .Shape(QuantShape<kKind, true>)
        .NoGradient()
        .Kernel(kCpu, {QuantGradCpu<kArgs>, PrepareQuant<kArgs, true>});
    OpRegistrar registered_back(back);
  }
  static OpBuilder& Range(OpBuilder& b) {
    return kArgs ? b : b.Input("min: float").Input("max: float");
  }
  static OpBuilder& Attrs(OpBuilder& b) {
    if (kArgs) b.Attr("min: float = -6.0").Attr("max: float = 6.0");
    return b.Attr("num_bits: int = 8").Attr("narrow_range: bool = false");
  }
};
const FakeQuant<Kind::kArgs> kOfArgs("FakeQuantWithMinMaxArgs");
const FakeQuant<Kind::kVars> kOfVars("FakeQuantWithMinMaxVars");
const FakeQuant<Kind::kChannels> kOfChannels(
    "FakeQuantWithMinMaxVarsPerChannel");

}  // namespace
}  // namespace lockstep
