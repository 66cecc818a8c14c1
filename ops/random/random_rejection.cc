// SPDX-License-Identifier: Apache-2.0

// RandomGamma: of shape parameter alpha and scale 1.
//   shape: int32|int64 [rank]   alpha: T, any   output: T [shape, alpha's
//   shape]
// RandomGammaGrad: the derivative of samples by their alpha, broadcast.
// RandomPoissonV2, RandomPoisson: counts of events of rate `rate`, likewise.
// ParameterizedTruncatedNormal: of shape [batch, ...] or [...]; means, stdevs,
//   minvals, maxvals: T, [] or [batch].
// NaN (0 as an integer) for a parameter out of range.

#include "ops/array/array.h"
#include "ops/math/elementwise.h"
#include "ops/math/math.h"
#include "ops/random/random.h"
#include "ops/random/random_ops.h"
#include "ops/random/rejection.h"
#include "ops/reduce/reduce.h"
#include "runtime/graph/gradients.h"

namespace lockstep {
namespace {

// Output: the shape that input 0 says, then that of input 1.
Status SamplesShape(ShapeContext& c) {
  LS_ASSIGN_OR_RETURN(const Shape samples, c.InputAsShape(0));
  if (c.InputValue(0) != nullptr && !samples.IsFullyKnown()) {
    return InvalidArgument("shape must not be negative, is ", samples);
  }
  const Shape& each = c.Input(1);
  if (!samples.HasRank() || !each.HasRank()) {
    return c.SetOutput(0, Shape::Unknown());
  }
  std::vector<int64_t> dims(samples.dims().begin(), samples.dims().end());
  dims.insert(dims.end(), each.dims().begin(), each.dims().end());
  LS_ASSIGN_OR_RETURN(const Shape shape, Shape::Make(dims));
  return c.SetOutput(0, shape);
}

Status StreamPrepare(PrepareContext& c) {
  c.MakeState<RandomStream>(c);
  return Ok();
}

// output[i] = draw(source of i, parameter of i), for parameters of type P. As
// in TensorFlow, the samples of one parameter have numbers in a row.
template <class P, class T, double (*kDraw)(detail::SampleSource&, double)>
Status DrawSamples(KernelContext& k) {
  const RandomStream& stream = k.state<RandomStream>();
  const Philox rng = stream.At(k.run());
  const int64_t first = stream.FirstElement(k.run());
  const int64_t each = k.input(1).NumElements();
  const int64_t local = k.output(0).NumElements();
  if (local == 0) return Ok();
  const int64_t samples = stream.AllElements(k.run(), local) / each;
  const P* parameter = k.in<P>(1);
  T* y = k.out<T>(0);
  ParallelFor(local, 256, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t number = i % each * samples + (first + i) / each;
      detail::SampleSource source(rng, static_cast<uint64_t>(number));
      const double v = kDraw(source, static_cast<double>(parameter[i % each]));
      if constexpr (kIsFloat<T>) {
        y[i] = T(static_cast<ValueType<T>>(v));
      } else {
        y[i] = std::isnan(v) ? T(0) : static_cast<T>(v);
      }
    }
  });
  return Ok();
}

struct GammaGradFn {
  template <class T>
  static T Apply(T alpha, T sample) {
    return T(static_cast<ValueType<T>>(detail::GammaByAlpha(
        static_cast<double>(alpha), static_cast<double>(sample))));
  }
};

// Samples are the leading dimensions of the output, alpha's the last.
Status GammaGradient(GradContext& g) {
  const Scope& s = g.scope();
  const Output by_alpha = s.Op("RandomGammaGrad").In(g.x(1)).In(g.y(0)).Out();
  const Output axes = ops::Range(s, 0, ops::Size(s, g.x(0)), 1);
  return g.SetDx(1, ops::Sum(s, ops::Mul(s, g.dy(0), by_alpha), axes));
}

LOCKSTEP_OP("RandomGammaGrad")
    .Input("alpha: T")
    .Input("sample: T")
    .Output("output: T")
    .Attr("T: {float, double}")
    .Shape(BroadcastShape)
    .NoGradient()
    .Kernels<float, double>(kCpu, []<class T>() {
      return Binary<GammaGradFn, T, T, kCostlyGrain>();
    });

LOCKSTEP_OP("RandomGamma")
    .Input("shape: S")
    .Input("alpha: T")
    .Output("output: T")
    .Attr("seed: int = 0")
    .Attr("seed2: int = 0")
    .Attr("S: {int32, int64}")
    .Attr("T: {half, float, double}")
    .Shape(SamplesShape)
    .Gradient(GammaGradient)
    .Random()
    .NeedsValue({0})
    .Kernels<Half, float, double>(kCpu, []<class T>() {
      return KernelDef{
          DrawSamples<T, T, detail::Gamma>, StreamPrepare, {"shape"}};
    });

OpBuilder PoissonV2Op() {
  OpBuilder b("RandomPoissonV2");
  b.Input("shape: S")
      .Input("rate: R")
      .Output("output: dtype")
      .Attr("seed: int = 0")
      .Attr("seed2: int = 0")
      .Attr("S: {int32, int64}")
      .Attr("R: {half, float, double, int32, int64} = DT_DOUBLE")
      .Attr("dtype: {half, float, double, int32, int64} = DT_INT64")
      .Shape(SamplesShape)
      .NoGradient()
      .Random()
      .NeedsValue({0});
  const auto add = [&b]<class R, class T>() {
    b.Kernel(kCpu, {{"R", DTypeOf<R>::value}, {"dtype", DTypeOf<T>::value}},
             {DrawSamples<R, T, detail::Poisson>, StreamPrepare, {"shape"}});
  };
  const auto add_all = [&]<class... Ts>(std::type_identity<std::tuple<Ts...>>) {
    const auto of_rate = [&]<class R>() {
      (add.template operator()<R, Ts>(), ...);
    };
    (of_rate.template operator()<Ts>(), ...);
  };
  add_all(
      std::type_identity<std::tuple<Half, float, double, int32_t, int64_t>>());
  return b;
}
const OpRegistrar kRandomPoissonV2 = PoissonV2Op();

LOCKSTEP_OP("RandomPoisson")
    .Input("shape: S")
    .Input("rate: dtype")
    .Output("output: dtype")
    .Attr("seed: int = 0")
    .Attr("seed2: int = 0")
    .Attr("S: {int32, int64}")
    .Attr("dtype: {half, float, double}")
    .Shape(SamplesShape)
    .NoGradient()
    .Random()
    .NeedsValue({0})
    .Kernels<Half, float, double>(
        kCpu,
        []<class T>() {
          return KernelDef{
              DrawSamples<T, T, detail::Poisson>, StreamPrepare, {"shape"}};
        },
        "dtype");

Status TruncatedShape(ShapeContext& c) {
  LS_RETURN_IF_ERROR(RandomShape(c));
  const Shape& shape = c.outputs()[0];
  for (int i = 1; i < 5; ++i) {
    const Shape& parameter = c.Input(i);
    if (!parameter.HasRank() || parameter.rank() == 0) continue;
    const int64_t n = parameter.rank() == 1 ? parameter.dim(0) : -2;
    const int64_t batch = !shape.HasRank()   ? kUnknownDim
                          : shape.rank() > 0 ? shape.dim(0)
                                             : 1;
    if (n == kUnknownDim || n == 1 || batch == kUnknownDim || n == batch) {
      continue;
    }
    return InvalidArgument(
        "Input ", c.def().inputs[static_cast<size_t>(i)].name,
        " must be a scalar or have length ", batch, ", has shape ", parameter);
  }
  return Ok();
}

// One value for all of a batch, or one for each.
template <class T>
double ParameterAt(const KernelContext& k, int input, int64_t batch) {
  const Tensor& t = k.input(input);
  return static_cast<double>(
      static_cast<const T*>(t.data())[t.NumElements() == 1 ? 0 : batch]);
}

template <class T>
Status TruncatedCpu(KernelContext& k) {
  const RandomStream& stream = k.state<RandomStream>();
  const Philox rng = stream.At(k.run());
  const int64_t first = stream.FirstElement(k.run());
  Tensor& out = k.output(0);
  if (out.NumElements() == 0) return Ok();
  const int64_t batches = out.shape().rank() > 0 ? out.shape().dim(0) : 1;
  const int64_t each = out.NumElements() / batches;
  T* y = k.out<T>(0);
  for (int64_t b = 0; b < batches; ++b) {
    const double mean = ParameterAt<T>(k, 1, b), sd = ParameterAt<T>(k, 2, b);
    const double low = ParameterAt<T>(k, 3, b), high = ParameterAt<T>(k, 4, b);
    if (!(sd > 0) || !(low < high) ||
        !(std::isfinite(low) || std::isfinite(high))) {
      return InvalidArgument("Invalid parameters: stdev ", sd, ", minval ", low,
                             ", maxval ", high);
    }
    ParallelFor(each, 256, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        detail::SampleSource source(
            rng, static_cast<uint64_t>(first + b * each + i));
        const double z =
            detail::NormalWithin(source, (low - mean) / sd, (high - mean) / sd);
        y[b * each + i] = T(static_cast<ValueType<T>>(mean + sd * z));
      }
    });
  }
  return Ok();
}

LOCKSTEP_OP("ParameterizedTruncatedNormal")
    .Input("shape: T")
    .Input("means: dtype")
    .Input("stdevs: dtype")
    .Input("minvals: dtype")
    .Input("maxvals: dtype")
    .Output("output: dtype")
    .Attr("seed: int = 0")
    .Attr("seed2: int = 0")
    .Attr("dtype: floattype")
    .Attr("T: {int32, int64}")
    .Shape(TruncatedShape)
    .NoGradient()
    .Random()
    .NeedsValue({0})
    .Kernels<LS_FLOAT_TYPES>(
        kCpu,
        []<class T>() {
          return KernelDef{TruncatedCpu<T>, StreamPrepare, {"shape"}};
        },
        "dtype");

}  // namespace

namespace ops {

Output RandomGamma(const Scope& scope, const Input& shape, const Input& alpha,
                   int64_t seed) {
  NodeBuilder node = scope.Op("RandomGamma");
  node.In(shape).In(alpha);
  return SeededNode(scope, node, seed);
}
Output RandomPoisson(const Scope& scope, const Input& shape, const Input& rate,
                     DType dtype, int64_t seed) {
  NodeBuilder node = scope.Op("RandomPoissonV2");
  node.In(shape).In(rate).Attr("dtype", dtype);
  return SeededNode(scope, node, seed);
}
Output ParameterizedTruncatedNormal(const Scope& scope, const Input& shape,
                                    const Input& means, const Input& stdevs,
                                    const Input& minvals, const Input& maxvals,
                                    int64_t seed) {
  NodeBuilder node = scope.Op("ParameterizedTruncatedNormal");
  node.In(shape).In(means).In(stdevs).In(minvals).In(maxvals);
  return SeededNode(scope, node, seed);
}

}  // namespace ops
}  // namespace lockstep
