// SPDX-License-Identifier: Apache-2.0
#include "ops/array/array.h"
#include "ops/linalg/linalg.h"
#include "ops/math/math.h"
#include "ops/nn/nn.h"
#include "runtime/graph/gradients.h"
#include "tests/testing/graph_run.h"

namespace lockstep::testing {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

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

// [6,5] by loops of our own, the others by oneDNN and in halves.
TEST(FusedMatMulTest, ReluJoinsWithoutABias) {
  const auto build = [](const Scope& s, const std::vector<Output>& in) {
    const Output y = ops::Relu(s, ops::MatMul(s, in[0], in[1]));
    std::vector<Output> all = {y};
    std::vector<Output> grads;
    s.graph()->UpdateStatus(
        AddGradients(s, {ops::Square(s, y)}, {in[0], in[1]}, &grads));
    all.insert(all.end(), grads.begin(), grads.end());
    return all;
  };
  for (const auto& [m, k, n] : std::vector<std::array<int64_t, 3>>{
           {6, 5, 4}, {64, 128, 160}, {16, 1024, 128}}) {
    SCOPED_TRACE(StrCat(m, " ", k, " ", n));
    const std::vector<Tensor> in = {Numbers(kFloat, {m, k}, -1, 1, 1),
                                    Numbers(kFloat, {k, n}, -1, 1, 2)};
    const auto got = RunGraph(in, build);
    const auto want = RunGraph(in, build, {.optimize = false});
    ASSERT_TRUE(got.ok() && want.ok()) << got.status().ToString();
    for (size_t i = 0; i < got->size(); ++i) {
      ExpectClose((*got)[i], (*want)[i], 1e-4);
    }
    const auto steps = PlanOf(in, build);
    EXPECT_THAT(steps, Contains(HasSubstr("_FusedMatMul")))
        << Join(steps, "\n");
    EXPECT_THAT(steps, Not(Contains(HasSubstr("Relu("))));
  }
}

// a b, perhaps a bias, plus a residual, perhaps Relu; and the gradients of
// their squares' sum.
struct WithResidual {
  int64_t m, k, n;
  bool biased = true, relu = true, transposed = false;
  double zeros = -1;  // of a: what is below
};

BuildFn Build(const WithResidual& t) {
  return [t](const Scope& s, const std::vector<Output>& in) {
    Output y = ops::MatMul(s, in[0], in[1], false, t.transposed);
    if (t.biased) y = ops::BiasAdd(s, y, in[2]);
    y = ops::Add(s, in[3], y);
    if (t.relu) y = ops::Relu(s, y);
    std::vector<Output> all;
    s.graph()->UpdateStatus(
        AddGradients(s, {ops::Square(s, y)}, {in[0], in[1], in[3]}, &all));
    all.push_back(y);
    return all;
  };
}

std::vector<Tensor> Inputs(const WithResidual& t) {
  Tensor a = Numbers(kFloat, {t.m, t.k}, -1, 1, 1);
  for (float& x : a.flat<float>()) x = x < t.zeros ? 0.0f : x;
  return {a,
          Numbers(kFloat, t.transposed ? Shape{t.n, t.k} : Shape{t.k, t.n}, -1,
                  1, 2),
          Numbers(kFloat, {t.n}, -1, 1, 3),
          Numbers(kFloat, {t.m, t.n}, -9, 9, 4)};
}

// By oneDNN, in halves of a long inner dimension, and leaving out zeros.
TEST(FusedMatMulTest, AResidualJoinsTheProduct) {
  for (const WithResidual& t :
       {WithResidual{64, 128, 160}, WithResidual{64, 128, 160, false},
        WithResidual{64, 128, 160, true, false},
        WithResidual{64, 128, 160, false, false, true},
        WithResidual{16, 1024, 128}, WithResidual{16, 1024, 128, false, true},
        WithResidual{.m = 128, .k = 128, .n = 160, .zeros = 0.8},
        WithResidual{.m = 128,
        .k = 128,
        .n = 160,
        .biased = false,
        .relu = false,
        .zeros = 0.8}}) {
    SCOPED_TRACE(StrCat(t.m, " ", t.k, " ", t.n, t.biased, t.relu));
    const auto in = Inputs(t);
    const auto got = RunGraph(in, Build(t));
    const auto want = RunGraph(in, Build(t), {.optimize = false});
    ASSERT_TRUE(got.ok() && want.ok()) << got.status().ToString();
    for (size_t i = 0; i < got->size(); ++i) {
      ExpectClose((*got)[i], (*want)[i], 1e-4);
    }
    const auto steps = PlanOf(in, Build(t));
    EXPECT_THAT(steps[0], HasSubstr("_FusedMatMul")) << Join(steps, "\n");
    EXPECT_THAT(steps, Not(Contains(HasSubstr("Relu("))));
  }
}

// 128 products of 1 are 128; with the bias 1 they are 129.
TEST(FusedMatMulTest, AResidualIsAddedBeforeRelu) {
  const auto build = [](const Scope& s, const std::vector<Output>& in) {
    const Output y = ops::BiasAdd(s, ops::MatMul(s, in[0], in[1]), in[2]);
    return std::vector<Output>{ops::Relu(s, ops::Add(s, y, in[3]))};
  };
  const auto ones = [](const Shape& shape) {
    Tensor t(kFloat, shape);
    std::ranges::fill(t.flat<float>(), 1.0f);
    return t;
  };
  Tensor residual(kFloat, {64, 160});
  std::ranges::fill(residual.flat<float>(), -129.5f);
  residual.flat<float>()[161] = -100;
  std::vector<double> want(64 * 160, 0);
  want[161] = 29;
  ExpectValues(
      EvaluateOne({ones({64, 128}), ones({128, 160}), ones({160}), residual},
                  build),
      {64, 160}, want);
}

// What is fetched, what broadcasts, and small products, which should not wait
// for what may run beside them.
TEST(FusedMatMulTest, ResidualsThatAreAddedByThemselves) {
  const auto steps = [](const std::vector<Tensor>& in, bool fetched) {
    return PlanOf(in, [&](const Scope& s, const std::vector<Output>& x) {
      const Output product = ops::MatMul(s, x[0], x[1]);
      const Output sum = ops::Add(s, product, x[2]);
      return fetched ? std::vector<Output>{sum, product}
                     : std::vector<Output>{sum};
    });
  };
  const Tensor a = Numbers(kFloat, {64, 128}), b = Numbers(kFloat, {128, 160});
  const Tensor residual = Numbers(kFloat, {64, 160});
  EXPECT_EQ(steps({a, b, residual}, false).size(), 1u);
  EXPECT_EQ(steps({a, b, residual}, true).size(), 2u);
  EXPECT_EQ(steps({a, b, Numbers(kFloat, {64, 1})}, false).size(), 2u);
  EXPECT_EQ(steps({Numbers(kFloat, {8, 16}), Numbers(kFloat, {16, 8}),
                   Numbers(kFloat, {8, 8})},
                  false)
                .size(),
            2u);
}

}  // namespace
}  // namespace lockstep::testing
