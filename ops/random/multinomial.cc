// SPDX-License-Identifier: Apache-2.0

// Multinomial, StatelessMultinomial: class numbers drawn by their logits.
//   logits: [batch, classes], unnormalised log-probabilities; those that are
//   not finite are never drawn   num_samples: int32 []
//   output: int32|int64 [batch, num_samples]
// StatelessMultinomial has seed: int32|int64 [2] too.

#include <algorithm>
#include <cmath>

#include "ops/random/random.h"
#include "ops/random/random_ops.h"
#include "ops/random/stateless_seed.h"
#include "runtime/op/rank_words.h"

namespace lockstep {
namespace {

Status MultinomialShape(ShapeContext& c) {
  LS_ASSIGN_OR_RETURN(
      const Shape logits,
      WithRank(c, 0, 2, "logits should be a matrix, got shape "));
  LS_RETURN_IF_ERROR(c.WithRank(1, 0).status());
  if (c.num_inputs() > 2) {
    LS_RETURN_IF_ERROR(
        detail::CheckStatelessSeed(c, detail::SeedKind::kSeed, 2));
  }
  const Tensor* given = c.InputValue(1);
  const int64_t samples = given ? IntAt(*given, 0) : kUnknownDim;
  if (given && samples < 0) {
    return InvalidArgument("num_samples should be non-negative, got ", samples);
  }
  if (logits.dim(1) == 0 && samples != 0) {
    return InvalidArgument("num_classes should be positive, got 0");
  }
  return c.SetOutput(0, Shape{logits.dim(0), samples});
}

struct MultinomialState {
  RandomStream stream;  // the stateful op's
  explicit MultinomialState(const PrepareContext& p) : stream(p) {}
};

Status MultinomialPrepare(PrepareContext& p) {
  p.MakeState<MultinomialState>(p);
  const int64_t classes = p.input_shape(0).dim(1);
  const int64_t samples = p.output_shape(0).dim(1);
  p.RequestScratch(static_cast<size_t>(classes + samples) * sizeof(double));
  return Ok();
}

// Sums of the classes' probabilities up to each, not normalised.
template <class T>
void Accumulate(const T* logits, int64_t classes, double* sums) {
  double largest = -std::numeric_limits<double>::max();
  for (int64_t c = 0; c < classes; ++c) {
    const double v = static_cast<double>(logits[c]);
    if (std::isfinite(v)) largest = std::max(largest, v);
  }
  double sum = 0;
  for (int64_t c = 0; c < classes; ++c) {
    const double v = static_cast<double>(logits[c]);
    if (std::isfinite(v)) sum += std::exp(v - largest);
    sums[c] = sum;
  }
}

template <class T, class O, bool kStateless>
Status MultinomialCpu(KernelContext& k) {
  const int64_t classes = k.input(0).shape().dim(1);
  const Shape& out = k.output(0).shape();
  const int64_t samples = out.dim(1);
  double* sums = static_cast<double*>(k.scratch());
  double* uniform = sums + classes;
  const RandomStream& stream = k.state<MultinomialState>().stream;
  Result<Philox> rng = stream.At(k.run());
  int64_t first = stream.FirstElement(k.run());
  if constexpr (kStateless) {
    rng = detail::StatelessRng(k, detail::SeedKind::kSeed, 2);
    first = 0;
  }
  LS_RETURN_IF_ERROR(rng.status());
  O* y = k.out<O>(0);
  for (int64_t row = 0; row < out.dim(0); ++row, y += samples) {
    Accumulate(k.in<T>(0) + row * classes, classes, sums);
    FillRandom(*rng, first + row * samples, samples, Uniform(), uniform);
    for (int64_t i = 0; i < samples; ++i) {
      const double at = uniform[i] * sums[classes - 1];
      y[i] = static_cast<O>(std::upper_bound(sums, sums + classes, at) - sums);
    }
  }
  return Ok();
}

template <bool kStateless>
OpBuilder MultinomialOp(const char* name) {
  OpBuilder b(name);
  b.Input("logits: T").Input("num_samples: int32");
  if (kStateless) b.Input("seed: Tseed");
  b.Output("output: output_dtype").Attr("T: realnumbertype");
  if (kStateless) {
    b.Attr("Tseed: {int32, int64} = DT_INT64");
  } else {
    b.Attr("seed: int = 0").Attr("seed2: int = 0").Random();
  }
  b.Attr("output_dtype: {int32, int64} = DT_INT64")
      .Shape(MultinomialShape)
      .NoGradient()
      .NeedsValue({1});
  const auto add = [&b]<class T>() {
    b.Kernel(kCpu, {{"T", DTypeOf<T>::value}, {"output_dtype", kInt32}},
             {MultinomialCpu<T, int32_t, kStateless>,
              MultinomialPrepare,
              {"num_samples"}});
    b.Kernel(kCpu, {{"T", DTypeOf<T>::value}, {"output_dtype", kInt64}},
             {MultinomialCpu<T, int64_t, kStateless>,
              MultinomialPrepare,
              {"num_samples"}});
  };
  [&]<class... Ts>(std::type_identity<std::tuple<Ts...>>) {
    (add.template operator()<Ts>(), ...);
  }(std::type_identity<std::tuple<LS_REAL_TYPES>>());
  return b;
}

const OpRegistrar kMultinomial = MultinomialOp<false>("Multinomial");
const OpRegistrar kStatelessMultinomial =
    MultinomialOp<true>("StatelessMultinomial");

}  // namespace

namespace ops {

Output Multinomial(const Scope& scope, const Input& logits,
                   const Input& num_samples, int64_t seed, DType output_dtype) {
  NodeBuilder node = scope.Op("Multinomial");
  node.In(logits).In(num_samples).Attr("output_dtype", output_dtype);
  return SeededNode(scope, node, seed);
}

Output StatelessMultinomial(const Scope& scope, const Input& logits,
                            const Input& num_samples, const Input& seed,
                            DType output_dtype) {
  return scope.Op("StatelessMultinomial")
      .In(logits)
      .In(num_samples)
      .In(seed)
      .Attr("output_dtype", output_dtype)
      .Out();
}

}  // namespace ops
}  // namespace lockstep
