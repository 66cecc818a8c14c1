// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "ops/nn/nn.h"
#include "tests/testing/graph_run.h"

namespace lockstep::testing {
namespace {

using ::testing::HasSubstr;

const BuildFn kSoftmax = [](const Scope& s, const std::vector<Output>& in) {
  return std::vector<Output>{ops::Softmax(s, in[0])};
};
const BuildFn kLogSoftmax = [](const Scope& s, const std::vector<Output>& in) {
  return std::vector<Output>{ops::LogSoftmax(s, in[0])};
};
const BuildFn kXent = [](const Scope& s, const std::vector<Output>& in) {
  Output backprop;
  const Output loss =
      ops::SoftmaxCrossEntropyWithLogits(s, in[0], in[1], &backprop);
  return std::vector<Output>{loss, backprop};
};
const BuildFn kSparseXent = [](const Scope& s, const std::vector<Output>& in) {
  Output backprop;
  const Output loss =
      ops::SparseSoftmaxCrossEntropyWithLogits(s, in[0], in[1], &backprop);
  return std::vector<Output>{loss, backprop};
};

TEST(SoftmaxTest, ValuesOfEveryType) {
  // exp(1) : exp(2) : exp(3) and the same shifted by 1000: no overflow.
  const Tensor x = Tensor::Of<double>({2, 3}, {1, 2, 3, 1001, 1002, 1003});
  const double p[] = {0.09003057317038046, 0.24472847105479767,
                      0.6652409557748219};
  std::vector<double> want, logs;
  for (int r = 0; r < 2; ++r) {
    for (const double v : p) {
      want.push_back(v);
      logs.push_back(std::log(v));
    }
  }
  for (const auto& [type, tolerance] :
       {std::pair<DType, double>{kDouble, 1e-12},
        {kFloat, 1e-6},
        {kHalf, 2e-3}}) {
    ExpectValues(Evaluate({ToDType(x, type)}, kSoftmax)[0], {2, 3}, want,
                 tolerance);
    ExpectValues(Evaluate({ToDType(x, type)}, kLogSoftmax)[0], {2, 3}, logs,
                 tolerance);
  }
}

TEST(SoftmaxTest, RowsOfManySizesSumToOne) {
  for (const int64_t classes : {1, 10, 17, 1025, 5000}) {
    const Tensor y =
        Evaluate({Numbers(kFloat, {3, classes}, -5, 5)}, kSoftmax)[0];
    const auto values = Values(y);
    const auto logs = Values(
        Evaluate({Numbers(kFloat, {3, classes}, -5, 5)}, kLogSoftmax)[0]);
    for (size_t r = 0; r < 3; ++r) {
      double sum = 0;
      for (size_t c = 0; c < static_cast<size_t>(classes); ++c) {
        const size_t i = r * static_cast<size_t>(classes) + c;
        sum += values[i];
        EXPECT_NEAR(std::exp(logs[i]), values[i], 1e-6);
      }
      EXPECT_NEAR(sum, 1, 1e-5);
    }
  }
}

TEST(SoftmaxTest, Gradients) {
  const Tensor x = Numbers(kDouble, {2, 2, 4}, -2, 2);
  ExpectGradients({x}, kSoftmax);
  ExpectGradients({x}, kLogSoftmax);
}

TEST(SoftmaxTest, EmptyBatch) {
  EXPECT_EQ(Evaluate({Tensor(kFloat, Shape{0, 5})}, kSoftmax)[0].shape(),
            (Shape{0, 5}));
  EXPECT_EQ(Evaluate({Tensor(kFloat, Shape{0, 5})}, kLogSoftmax)[0].shape(),
            (Shape{0, 5}));
}

TEST(XentTest, LossAndItsGradientInOne) {
  const Tensor logits = Tensor::Of<double>({2, 3}, {1, 2, 3, 0, 0, 0});
  const Tensor labels = Tensor::Of<double>({2, 3}, {0, 0, 1, 0.5, 0.5, 0});
  for (const auto& [type, tolerance] :
       {std::pair<DType, double>{kDouble, 1e-12}, {kFloat, 1e-6}}) {
    const auto out =
        Evaluate({ToDType(logits, type), ToDType(labels, type)}, kXent);
    ExpectValues(out[0], {2}, {0.40760596444438, 1.0986122886681098},
                 tolerance);
    ExpectValues(out[1], {2, 3},
                 {0.09003057317038046, 0.24472847105479767, -0.3347590442251781,
                  -1.0 / 6, -1.0 / 6, 1.0 / 3},
                 tolerance);
  }
}

// Rows that sum to one, which the gradient by the logits supposes.
const Tensor kProbabilities = Tensor::Of<double>(
    {3, 4}, {0.1, 0.2, 0.3, 0.4, 1, 0, 0, 0, 0.5, 0.25, 0, 0.25});

TEST(XentTest, GradientsByLogitsAndLabels) {
  ExpectGradients({Numbers(kDouble, {3, 4}, -2, 2, 1), kProbabilities},
                  [](const Scope& s, const std::vector<Output>& in) {
                    return std::vector<Output>{
                        ops::SoftmaxCrossEntropyWithLogits(s, in[0], in[1])};
                  });
}

TEST(XentTest, GradientThroughTheBackpropOutput) {
  ExpectGradients({Numbers(kDouble, {3, 4}, -2, 2, 1)},
                  [&](const Scope& s, const std::vector<Output>& in) {
                    const Output labels = Input(kProbabilities).Resolve(s);
                    return kXent(s, {in[0], labels});
                  });
}

TEST(XentTest, LabelsAreBroadcast) {
  const Tensor logits = Numbers(kDouble, {3, 4}, -2, 2, 1);
  const Tensor one = Tensor::Of<double>({1, 4}, {0.1, 0.2, 0.3, 0.4});
  Tensor all(kDouble, Shape{3, 4});
  for (size_t i = 0; i < 12; ++i) {
    all.flat<double>()[i] = one.flat<double>()[i % 4];
  }
  const auto got = Evaluate({logits, one}, kXent),
             want = Evaluate({logits, all}, kXent);
  ExpectClose(got[0], want[0], 1e-12);
  ExpectClose(got[1], want[1], 1e-12);
  ExpectGradients({logits, one},
                  [](const Scope& s, const std::vector<Output>& in) {
                    return std::vector<Output>{
                        ops::SoftmaxCrossEntropyWithLogits(s, in[0], in[1])};
                  });
}

TEST(XentTest, ManyRowsAgreeWithDouble) {
  for (const int64_t classes : {2, 10, 1000}) {
    const Tensor logits = Numbers(kFloat, {700, classes}, -4, 4, 1);
    const Tensor labels = Numbers(kFloat, {700, classes}, 0, 0.01, 2);
    const auto got = Evaluate({logits, labels}, kXent);
    const auto want =
        Evaluate({ToDType(logits, kDouble), ToDType(labels, kDouble)}, kXent);
    ExpectClose(got[0], want[0], 2e-6);
    ExpectClose(got[1], want[1], 2e-6);
  }
}

TEST(XentTest, EmptyBatch) {
  const auto out = Evaluate(
      {Tensor(kFloat, Shape{0, 10}), Tensor(kFloat, Shape{0, 10})}, kXent);
  EXPECT_EQ(out[0].shape(), (Shape{0}));
  EXPECT_EQ(out[1].shape(), (Shape{0, 10}));
}

TEST(XentTest, ShapesThatDisagreeAreTold) {
  auto r = RunGraph({Numbers(kFloat, {2, 3}), Numbers(kFloat, {2, 4})}, kXent);
  EXPECT_EQ(r.code(), Code::kInvalidArgument);
  EXPECT_THAT(r.status().message(),
              HasSubstr("logits_size=[2,3] labels_size=[2,4]"));
}

TEST(SparseXentTest, EqualsTheDenseLoss) {
  const Tensor logits = Numbers(kDouble, {4, 3}, -2, 2);
  const Tensor dense =
      Tensor::Of<double>({4, 3}, {0, 0, 1, 1, 0, 0, 0, 1, 0, 0, 0, 1});
  const Tensor classes = Tensor::Of<int64_t>({4}, {2, 0, 1, 2});
  const auto want = Evaluate({logits, dense}, kXent);
  for (const DType label_type : {kInt32, kInt64}) {
    const auto got =
        Evaluate({logits, ToDType(classes, label_type)}, kSparseXent);
    ExpectClose(got[0], want[0], 1e-12);
    ExpectClose(got[1], want[1], 1e-12);
  }
  ExpectGradients(
      {logits, classes}, [](const Scope& s, const std::vector<Output>& in) {
        return std::vector<Output>{
            ops::SparseSoftmaxCrossEntropyWithLogits(s, in[0], in[1])};
      });
}

TEST(SparseXentTest, ALabelOutsideTheClassesIsAnError) {
  for (const int32_t bad : {-1, 3}) {
    auto r =
        RunGraph({Numbers(kFloat, {2, 3}), Tensor::Of<int32_t>({2}, {0, bad})},
                 kSparseXent);
    EXPECT_EQ(r.code(), Code::kInvalidArgument);
    EXPECT_THAT(
        r.status().message(),
        HasSubstr(StrCat("label value of ", bad,
                         " which is outside the valid range of [0, 3)")));
  }
}

TEST(InTopKTest, CountsTiesInAndRefusesWhatIsNotFinite) {
  const float nan = std::nanf("");
  const Tensor predictions = Tensor::Of<float>(
      {5, 3}, {1, 2, 3, 1, 2, 3, 5, 5, 5, 1, nan, 0, 1, 2, 3});
  const Tensor targets = Tensor::Of<int32_t>({5}, {0, 1, 2, 0, 7});
  const Tensor out =
      Evaluate({predictions, targets},
               [](const Scope& s, const std::vector<Output>& in) {
                 return std::vector<Output>{ops::InTopK(s, in[0], in[1], 2)};
               })[0];
  ExpectValues(ToDType(out, kInt32), {5}, {0, 1, 1, 0, 0});
}

}  // namespace
}  // namespace lockstep::testing
