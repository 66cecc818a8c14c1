// SPDX-License-Identifier: Apache-2.0
#include "ops/array/array.h"
#include "ops/linalg/linalg.h"
#include "ops/math/math.h"
#include "ops/nn/nn.h"
#include "tests/testing/graph_run.h"

namespace lockstep::testing {
namespace {

using ::testing::HasSubstr;

BuildFn Product(bool ta = false, bool tb = false) {
  return [=](const Scope& s, const std::vector<Output>& in) {
    return std::vector<Output>{ops::MatMul(s, in[0], in[1], ta, tb)};
  };
}

TEST(MatMulTest, MultipliesEveryDtype) {
  const Tensor a = Tensor::Of<double>({2, 3}, {1, 2, 3, 4, 5, 6});
  const Tensor b = Tensor::Of<double>({3, 2}, {7, 8, 9, 10, 11, 12});
  for (const DType t : {kFloat, kDouble, kInt32, kInt64, kHalf, kBfloat16}) {
    const Tensor c = EvaluateOne({ToDType(a, t), ToDType(b, t)}, Product());
    EXPECT_EQ(c.dtype(), t);
    // 139 and 154 are exact in bfloat16 too.
    ExpectValues(c, {2, 2}, {58, 64, 139, 154});
  }
}

TEST(MatMulTest, IntegersWrapAround) {
  const Tensor a = Tensor::Of<int32_t>({1, 2}, {1 << 30, 1 << 30});
  const Tensor b = Tensor::Of<int32_t>({2, 1}, {2, 2});
  ExpectValues(EvaluateOne({a, b}, Product()), {1, 1}, {0});
}

TEST(MatMulTest, TransposesEitherOperand) {
  const Tensor a = Numbers(kDouble, {5, 3}, -1, 1, 3);
  const Tensor b = Numbers(kDouble, {3, 4}, -1, 1, 4);
  const Tensor want = EvaluateOne({a, b}, Product());
  const auto transposed = [](const Tensor& t) {
    Tensor out(kDouble, Shape{t.shape().dim(1), t.shape().dim(0)});
    const auto rows = static_cast<size_t>(t.shape().dim(0));
    const auto columns = static_cast<size_t>(t.shape().dim(1));
    for (size_t i = 0; i < rows; ++i) {
      for (size_t j = 0; j < columns; ++j) {
        out.flat<double>()[j * rows + i] = t.flat<double>()[i * columns + j];
      }
    }
    return out;
  };
  for (const bool ta : {false, true}) {
    for (const bool tb : {false, true}) {
      const Tensor x = ta ? transposed(a) : a, y = tb ? transposed(b) : b;
      for (const DType t : {kFloat, kDouble}) {
        ExpectClose(
            EvaluateOne({ToDType(x, t), ToDType(y, t)}, Product(ta, tb)), want,
            1e-5);
      }
      ExpectGradients({x, y}, Product(ta, tb));
    }
  }
}

// oneDNN's float product against the plain double one.
TEST(MatMulTest, FloatAgreesWithDoubleForManySizes) {
  uint64_t seed = 10;
  for (const int64_t m : {1, 7, 100}) {
    for (const int64_t k : {1, 5, 130}) {
      for (const int64_t n : {1, 10, 33, 300}) {
        const Tensor a = Numbers(kFloat, {m, k}, -1, 1, ++seed);
        const Tensor b = Numbers(kFloat, {n, k}, -1, 1, ++seed);
        ExpectClose(EvaluateOne({a, b}, Product(false, true)),
                    EvaluateOne({ToDType(a, kDouble), ToDType(b, kDouble)},
                                Product(false, true)),
                    1e-5);
      }
    }
  }
}

TEST(MatMulTest, EmptyOperands) {
  for (const DType t : {kFloat, kDouble}) {
    const Tensor none = EvaluateOne(
        {Tensor(t, Shape{0, 3}), Tensor(t, Shape{3, 2})}, Product());
    EXPECT_EQ(none.shape(), (Shape{0, 2}));
    // A sum over nothing is zero.
    ExpectValues(EvaluateOne({Tensor(t, Shape{2, 0}), Tensor(t, Shape{0, 3})},
                             Product()),
                 {2, 3}, {0, 0, 0, 0, 0, 0});
  }
}

TEST(MatMulTest, SizesThatDisagreeAreTold) {
  const auto build = Product();
  const Tensor a = Numbers(kFloat, {2, 3}), b = Numbers(kFloat, {4, 5});
  for (const bool unknown : {false, true}) {
    auto r = RunGraph({a, b}, build, {.unknown_shapes = unknown});
    ASSERT_FALSE(r.ok());
    EXPECT_EQ(r.code(), Code::kInvalidArgument);
    EXPECT_THAT(r.status().message(),
                HasSubstr("size-incompatible: In[0]: [2,3], In[1]: [4,5]"));
  }
  auto vector = RunGraph({Numbers(kFloat, {3}), b}, build);
  EXPECT_THAT(vector.status().ToString(), HasSubstr("rank 2"));
}

TEST(BatchMatMulTest, BroadcastsBatches) {
  const auto build = [](const Scope& s, const std::vector<Output>& in) {
    return std::vector<Output>{ops::BatchMatMul(s, in[0], in[1], false, true)};
  };
  // x: two matrices of one row; y: three matrices each of [2,2], shared.
  const Tensor x = Tensor::Of<double>({2, 1, 1, 2}, {1, 2, 3, 4});
  const Tensor y =
      Tensor::Of<double>({3, 2, 2}, {1, 0, 0, 1, 2, 0, 0, 2, 1, 1, 1, -1});
  const std::vector<double> want = {1, 2, 2, 4, 3, -1, 3, 4, 6, 8, 7, -1};
  for (const DType t : {kFloat, kDouble, kInt32}) {
    ExpectValues(EvaluateOne({ToDType(x, t), ToDType(y, t)}, build),
                 {2, 3, 1, 2}, want);
  }
  ExpectGradients({x, y}, build);
  EXPECT_EQ(EvaluateOne({Tensor(kFloat, Shape{0, 2, 3}),
                         Tensor(kFloat, Shape{0, 4, 3})},
                        build)
                .shape(),
            (Shape{0, 2, 4}));
}

TEST(FusedMatMulTest, BiasAndReluJoinTheProduct) {
  const auto build = [](const Scope& s, const std::vector<Output>& in) {
    const Output h = ops::BiasAdd(s, ops::MatMul(s, in[0], in[1]), in[2]);
    return std::vector<Output>{ops::Relu(s, h)};
  };
  const std::vector<Tensor> in = {Numbers(kFloat, {6, 5}, -1, 1, 1),
                                  Numbers(kFloat, {5, 4}, -1, 1, 2),
                                  Numbers(kFloat, {4}, -1, 1, 3)};
  const auto plan = PlanOf(in, build);
  ASSERT_EQ(plan.size(), 1u) << Join(plan, "\n");
  EXPECT_THAT(plan[0], HasSubstr("_FusedMatMul"));
  ExpectClose(EvaluateOne(in, build),
              RunGraph(in, build, {.optimize = false}).value()[0], 1e-6);
}

TEST(FusedMatMulTest, AddOfAVectorIsABias) {
  const auto build = [](const Scope& s, const std::vector<Output>& in) {
    return std::vector<Output>{
        ops::Add(s, in[2], ops::MatMul(s, in[0], in[1]))};
  };
  const std::vector<Tensor> in = {Numbers(kFloat, {6, 5}, -1, 1, 1),
                                  Numbers(kFloat, {5, 4}, -1, 1, 2),
                                  Numbers(kFloat, {4}, -1, 1, 3)};
  EXPECT_EQ(PlanOf(in, build).size(), 1u);
  ExpectClose(EvaluateOne(in, build),
              RunGraph(in, build, {.optimize = false}).value()[0], 1e-6);
}

TEST(FusedMatMulTest, WhatIsFetchedOrReadTwiceStays) {
  const auto fetched = [](const Scope& s, const std::vector<Output>& in) {
    const Output product = ops::MatMul(s, in[0], in[1]);
    return std::vector<Output>{product, ops::BiasAdd(s, product, in[2])};
  };
  const auto column = [](const Scope& s, const std::vector<Output>& in) {
    return std::vector<Output>{
        ops::Add(s, ops::MatMul(s, in[0], in[1]), in[3])};
  };
  const std::vector<Tensor> in = {
      Numbers(kFloat, {4, 5}, -1, 1, 1), Numbers(kFloat, {5, 4}, -1, 1, 2),
      Numbers(kFloat, {4}, -1, 1, 3), Numbers(kFloat, {4, 1}, -1, 1, 4)};
  EXPECT_EQ(PlanOf(in, fetched).size(), 2u);
  EXPECT_EQ(PlanOf(in, column).size(), 2u);
}

}  // namespace
}  // namespace lockstep::testing
