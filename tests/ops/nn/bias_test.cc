// SPDX-License-Identifier: Apache-2.0
#include "ops/nn/nn.h"
#include "runtime/core/threads.h"
#include "tests/testing/graph_run.h"

namespace lockstep::testing {
namespace {

using ::testing::HasSubstr;

BuildFn Add(const char* format = "NHWC") {
  return [format](const Scope& s, const std::vector<Output>& in) {
    return std::vector<Output>{ops::BiasAdd(s, in[0], in[1], format)};
  };
}
BuildFn Sum(const char* format = "NHWC") {
  return [format](const Scope& s, const std::vector<Output>& in) {
    return std::vector<Output>{
        s.Op("BiasAddGrad").In(in[0]).Attr("data_format", format).Out()};
  };
}

TEST(BiasAddTest, AddsToTheChannelsOfEitherFormat) {
  const Tensor x = Tensor::Of<double>({1, 2, 2, 1}, {1, 2, 3, 4});
  for (const DType t : {kFloat, kDouble, kInt32, kHalf}) {
    ExpectValues(
        EvaluateOne({ToDType(x, t), ToDType(Tensor::Of<double>({1}, {10}), t)},
                    Add()),
        {1, 2, 2, 1}, {11, 12, 13, 14});
    ExpectValues(EvaluateOne({ToDType(x, t),
                              ToDType(Tensor::Of<double>({2}, {10, 20}), t)},
                             Add("NCHW")),
                 {1, 2, 2, 1}, {11, 12, 23, 24});
  }
}

TEST(BiasAddTest, Gradients) {
  for (const char* format : {"NHWC", "NCHW"}) {
    ExpectGradients({Numbers(kDouble, {2, 3, 3}), Numbers(kDouble, {3})},
                    Add(format));
    ExpectGradients({Numbers(kDouble, {2, 3, 3})}, Sum(format));
  }
}

TEST(BiasAddTest, SizesThatDisagreeAreTold) {
  auto r = RunGraph({Numbers(kFloat, {2, 3}), Numbers(kFloat, {4})}, Add());
  EXPECT_EQ(r.code(), Code::kInvalidArgument);
  EXPECT_THAT(r.status().message(),
              HasSubstr("last dimension of the input tensor: [4] vs. [2,3]"));
}

TEST(BiasAddTest, EmptyBatch) {
  for (const DType t : {kFloat, kDouble}) {
    EXPECT_EQ(
        EvaluateOne({Tensor(t, Shape{0, 3}), Numbers(t, {3})}, Add()).shape(),
        (Shape{0, 3}));
    ExpectValues(EvaluateOne({Tensor(t, Shape{0, 3})}, Sum()), {3}, {0, 0, 0});
  }
}

// Shapes around the block and lane sizes of the column sums, against sums in
// double; the same bits on one thread and on two.
TEST(BiasAddGradTest, SumsManyRowsTheSameOnAnyNumberOfThreads) {
  uint64_t seed = 5;
  for (const auto& [rows, channels] : {std::pair<int64_t, int64_t>{1, 1},
                                       {100, 10},
                                       {5000, 7},
                                       {70000, 1},
                                       {3001, 65},
                                       {9, 4000},
                                       {1025, 32}}) {
    const Tensor x = Numbers(kFloat, {rows, channels}, 0, 1, ++seed);
    const auto flat = x.flat<float>();
    std::vector<double> want(static_cast<size_t>(channels), 0);
    for (size_t i = 0; i < flat.size(); ++i) {
      want[i % want.size()] += flat[i];
    }
    const Tensor got = EvaluateOne({x}, Sum());
    ExpectValues(got, {channels}, want, 1e-6);
    Graph graph;
    const Scope s(&graph);
    SessionOptions one;
    one.intra_op_threads = 1;
    const Output in = s.WithName("x")
                          .Op("Placeholder")
                          .Attr("dtype", kFloat)
                          .Attr("shape", x.shape())
                          .Out();
    const Output sum = Sum()(s, {in})[0];
    auto session = Session::Create(graph, one).value();
    EXPECT_TRUE(
        BitwiseEqual(session->RunOne({{"x:0", x}}, sum.name()).value(), got));
  }
}

TEST(DropoutTest, KeepsOrDropsEachElementAndScales) {
  const auto build = [](const Scope& s, const std::vector<Output>& in) {
    return std::vector<Output>{ops::Dropout(s, in[0], in[1])};
  };
  const Tensor x = Numbers(kFloat, {100, 100}, 1, 2);
  const Tensor y = EvaluateOne({x, Tensor(0.25f)}, build);
  int64_t dropped = 0;
  for (size_t i = 0; i < 10000; ++i) {
    const float v = y.flat<float>()[i];
    if (v == 0) {
      ++dropped;
    } else {
      EXPECT_NEAR(v, x.flat<float>()[i] / 0.75f, 1e-5);
    }
  }
  // Four standard deviations around a quarter.
  EXPECT_NEAR(static_cast<double>(dropped), 2500, 175);
  ExpectClose(EvaluateOne({x, Tensor(0.0f)}, build), x, 1e-6);
}

}  // namespace
}  // namespace lockstep::testing
