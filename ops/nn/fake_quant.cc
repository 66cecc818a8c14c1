// SPDX-License-Identifier: Apache-2.0

// FakeQuantWithMinMaxArgs, ...Vars, ...VarsPerChannel: inputs: float [..., d]
// rounded to 2^num_bits steps between min and max, which are moved until 0 is
// one of them. min, max: attributes; float []; float [d].
// ...Gradient: gradients, inputs, min, max -> those of inputs, and but for Args
// of min and max: what lay outside of the range
// Where min = max = 0 the outputs are 0, as TensorFlow's.

#include <cmath>

#include "ops/nn/nn.h"
#include "runtime/graph/gradients.h"
#include "runtime/op/kernel.h"
#include "runtime/op/shape_context.h"

namespace lockstep {
namespace {

struct Range {
  float low = 0, high = 0, scale = 0;  // scale 0: min = max = 0

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
  float Apply(float x) const {
    if (scale == 0) return 0;
    const float inverse = 1 / scale;
    const float zero = std::floor(-low * inverse + 0.5f);
    const float inside = std::fmax(std::fmin(x, high), low);
    return std::floor((inside - low) * inverse - zero + 0.5f) * scale;
  }
  bool Below(float x) const { return scale != 0 && x < low; }
  bool Above(float x) const { return scale != 0 && x > high; }
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

// f(range, channel, channels) of each range.
template <bool kArgs, class F>
void ForRanges(const KernelContext& k, int first, const F& f) {
  const int64_t n = kArgs ? 1 : k.input(first + 1).NumElements();
  for (int64_t c = 0; c < n; ++c) f(RangeAt<kArgs>(k, first, c), c, n);
}

template <bool kArgs>
Status QuantCpu(KernelContext& k) {
  const int64_t size = k.input(0).NumElements();
  ForRanges<kArgs>(k, 0, [&](const Range& range, int64_t c, int64_t n) {
    for (int64_t i = c; i < size; i += n) {
      k.out<float>(0)[i] = range.Apply(k.in<float>(0)[i]);
    }
  });
  return Ok();
}

template <bool kArgs>
Status QuantGradCpu(KernelContext& k) {
  const int64_t size = k.input(0).NumElements();
  ForRanges<kArgs>(k, 1, [&](const Range& range, int64_t c, int64_t n) {
    double below = 0, above = 0;
    for (int64_t i = c; i < size; i += n) {
      const float dy = k.in<float>(0)[i], x = k.in<float>(1)[i];
      const bool low = range.Below(x), high = range.Above(x);
      k.out<float>(0)[i] = low || high ? 0 : dy;
      below += low ? static_cast<double>(dy) : 0;
      above += high ? static_cast<double>(dy) : 0;
    }
    if constexpr (!kArgs) {
      k.out<float>(1)[c] = static_cast<float>(below);
      k.out<float>(2)[c] = static_cast<float>(above);
    }
  });
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
        .Kernel(kCpu, {QuantCpu<kArgs>});
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
        .Kernel(kCpu, {QuantGradCpu<kArgs>});
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
