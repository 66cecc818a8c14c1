// SPDX-License-Identifier: Apache-2.0

// Compositions against what TensorFlow 2.21 computes.

#include <cmath>

#include "ops/nn/nn.h"
#include "tests/testing/graph_run.h"

namespace lockstep::testing {
namespace {

using Outputs = std::vector<Output>;

const Tensor kX = Tensor::Of<double>({5}, {-2, -0.5, 0, 0.25, 3});
const Tensor kZ = Tensor::Of<double>({5}, {0, 1, 0.5, 0.25, 1});
const Tensor kM = Tensor::Of<double>({2, 3}, {1, 2, 4, -1, 0, 0.5});

void ExpectAll(const std::vector<Tensor>& in, const BuildFn& build,
               const std::vector<double>& want, double tolerance = 1e-8) {
  const Tensor y = EvaluateOne(in, build);
  ExpectValues(y, y.shape(), want, tolerance);
}

TEST(ComposedTest, Gelu) {
  for (const bool approximate : {false, true}) {
    const BuildFn gelu = [=](const Scope& s, const Outputs& in) {
      return Outputs{ops::Gelu(s, in[0], approximate)};
    };
    ExpectAll({kX}, gelu,
              approximate ? std::vector<double>{-0.0454023068, -0.15428599, 0,
                                                0.149675351, 2.99636261}
                          : std::vector<double>{-0.0455002676, -0.154268771, 0,
                                                0.149676581, 2.99595031},
              1e-7);
    ExpectGradients({kX}, gelu);
  }
}

TEST(ComposedTest, LossesOfLogits) {
  const BuildFn sigmoid = [](const Scope& s, const Outputs& in) {
    return Outputs{ops::SigmoidCrossEntropyWithLogits(s, in[1], in[0])};
  };
  ExpectAll({kX, kZ}, sigmoid,
            {0.126928011, 0.974076984, 0.693147181, 0.76343942, 0.0485873516});
  const BuildFn weighted = [](const Scope& s, const Outputs& in) {
    return Outputs{ops::WeightedCrossEntropyWithLogits(s, in[1], in[0], 3.0)};
  };
  ExpectAll({kX, kZ}, weighted,
            {0.126928011, 2.92223095, 1.38629436, 1.05140913, 0.145762055});
  const Tensor smooth = Tensor::Of<double>({5}, {-2, -0.5, 0.1, 0.25, 3});
  ExpectGradients({smooth, kZ}, sigmoid);
  ExpectGradients({smooth, kZ}, weighted);
  // At zero the gradient is that of the formula: sigmoid(0) - z.
  ExpectGradients(
      {Tensor::Of<double>({1}, {0}), Tensor::Of<double>({1}, {0.25})}, sigmoid,
      1e-5);
}

TEST(ComposedTest, LogLoss) {
  Tensor p(kDouble, Shape{5});
  for (size_t i = 0; i < 5; ++i) {
    p.flat<double>()[i] = 1 / (1 + std::exp(-kX.flat<double>()[i]));
  }
  ExpectAll(
      {p, kZ},
      [](const Scope& s, const Outputs& in) {
        return Outputs{ops::LogLoss(s, in[1], in[0])};
      },
      {0.126927868, 0.974076748, 0.693146944, 0.763439298, 0.0485872179}, 1e-7);
}

TEST(ComposedTest, L2NormalizeHasUnitRows) {
  const BuildFn rows = [](const Scope& s, const Outputs& in) {
    return Outputs{ops::L2Normalize(s, in[0], {1})};
  };
  ExpectAll(
      {kM}, rows,
      {0.21821789, 0.43643578, 0.872871561, -0.894427191, 0, 0.447213595});
  ExpectGradients({kM}, rows);
  ExpectAll({Tensor::Of<double>({1, 2}, {0, 0})}, rows, {0, 0});
}

TEST(ComposedTest, MomentsAndWhatTheyNormalise) {
  const auto moments = Evaluate({kM}, [](const Scope& s, const Outputs& in) {
    const auto m = ops::Moments(s, in[0], {0});
    return Outputs{m.mean, m.variance};
  });
  ExpectValues(moments[0], {3}, {0, 1, 2.25});
  ExpectValues(moments[1], {3}, {1, 1, 3.0625});
  const BuildFn batch = [](const Scope& s, const Outputs& in) {
    const auto m = ops::Moments(s, in[0], {0}, true);
    return Outputs{ops::BatchNormalization(s, in[0], m.mean, m.variance, in[1],
                                           in[2], 0.01f)};
  };
  const Tensor offset = Tensor::Of<double>({3}, {1, 2, 3});
  const Tensor scale = Tensor::Of<double>({3}, {0.5, 1, 2});
  ExpectAll(
      {kM, offset, scale}, batch,
      {1.4975186, 2.99503719, 4.99674267, 0.502481405, 1.00496281, 1.00325733});
  ExpectGradients({kM, offset, scale}, batch);
}

TEST(ComposedTest, LayerNormByRows) {
  const BuildFn norm = [](const Scope& s, const Outputs& in) {
    return Outputs{ops::LayerNorm(s, in[0], {}, {})};
  };
  ExpectAll({kM}, norm,
            {-1.06870151, -0.267175378, 1.33587689, -1.33459141, 0.266918282,
             1.06767313});
  ExpectGradients({kM}, norm);
}

TEST(ComposedTest, MomentsOf16BitsAreSummedInFloat) {
  Tensor x(kHalf, Shape{5000});
  std::ranges::fill(x.flat<Half>(), Half(3.0f));
  const auto m = Evaluate({x}, [](const Scope& s, const Outputs& in) {
    const auto moments = ops::Moments(s, in[0], {0});
    return Outputs{moments.mean, moments.variance};
  });
  EXPECT_EQ(m[0].dtype(), kHalf);
  ExpectValues(m[0], {}, {3});
  ExpectValues(m[1], {}, {0});
}

TEST(CrossEntropyTest, SixteenBits) {
  const Tensor logits = Tensor::Of<float>({2, 3}, {1, 2, 4, -1, 0, 0.5});
  const Tensor labels = Tensor::Of<float>({2, 3}, {0, 1, 0, 0.5, 0.25, 0.25});
  for (const auto& [t, tolerance] :
       {std::pair<DType, double>{kHalf, 1e-3}, {kBfloat16, 1e-2}}) {
    const std::vector<Tensor> in = {ToDType(logits, t), ToDType(labels, t)};
    const auto y = Evaluate(in, [](const Scope& s, const Outputs& x) {
      Output dense, sparse;
      return Outputs{
          ops::SoftmaxCrossEntropyWithLogits(s, x[0], x[1], &dense), dense,
          ops::SparseSoftmaxCrossEntropyWithLogits(s, x[0], {2, 0}, &sparse),
          sparse};
    });
    EXPECT_EQ(y[1].dtype(), t);
    ExpectValues(y[0], {2}, {2.16984, 1.47878}, tolerance);
    ExpectValues(y[2], {2}, {0.169846, 2.10378}, tolerance);
    // softmax - labels
    EXPECT_NEAR(Values(y[1])[1], 0.114195 - 1, tolerance);
    EXPECT_NEAR(Values(y[3])[2], 0.843795 - 1, tolerance);
  }
}

TEST(InTopKTest, OfAnAttribute) {
  const Tensor y = EvaluateOne(
      {Tensor::Of<float>({2, 3}, {0.1f, 0.3f, 0.2f, 0.5f, 0.5f, 0.1f})},
      [](const Scope& s, const Outputs& in) {
        return Outputs{
            s.Op("InTopK").In(in[0]).In(Input({2, 1})).Attr("k", 1).Out()};
      });
  EXPECT_FALSE(y.flat<bool>()[0]);
  EXPECT_TRUE(y.flat<bool>()[1]);
}

TEST(BiasAddV1Test, AddsToTheLastDimension) {
  const BuildFn add = [](const Scope& s, const Outputs& in) {
    return Outputs{s.Op("BiasAddV1").In(in[0]).In(in[1]).Out()};
  };
  const Tensor bias = Tensor::Of<double>({3}, {10, 20, 30});
  ExpectAll({kM, bias}, add, {11, 22, 34, 9, 20, 30.5});
  ExpectGradients({kM, bias}, add);
}

}  // namespace
}  // namespace lockstep::testing
