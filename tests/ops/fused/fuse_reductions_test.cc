// SPDX-License-Identifier: Apache-2.0
// Chains of element-wise ops that a reduction ends, as one step and as several:
// equal to the bit.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ops/ops.h"
#include "runtime/exec/session.h"
#include "runtime/graph/passes/fuse_elements.h"
#include "tests/testing/graph_run.h"

namespace lockstep {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

class FuseReductionsTest : public ::testing::Test {
 protected:
  Output Feed(const char* name, const Shape& shape, DType dtype = kFloat) {
    feeds_.emplace_back(StrCat(name, ":0"),
                        testing::Numbers(dtype, shape, -2, 2, ++seed_));
    return ops::Placeholder(s_.WithName(name), dtype, shape);
  }
  void Fetch(Output o) { fetches_.push_back(o.name()); }

  std::unique_ptr<Session> Make(bool fuse, int threads) {
    SessionOptions options;
    options.services.push_back([fuse](SessionResources& resources) {
      resources.SetService(std::make_shared<Fusion>(Fusion{.on = fuse}));
    });
    options.intra_op_threads = threads;
    auto session = Session::Create(graph_, options);
    EXPECT_TRUE(session.ok()) << session.status().ToString();
    return session.ok() ? *std::move(session) : nullptr;
  }

  std::vector<std::string> Steps() {
    EXPECT_TRUE(s_.ok()) << s_.status().ToString();
    auto plan = Make(true, 2)->Explain(feeds_, fetches_);
    EXPECT_TRUE(plan.ok()) << plan.status().ToString();
    return plan.ok() ? plan->steps : std::vector<std::string>();
  }

  void ExpectEqualBits() {
    const auto want = Make(false, 2)->Run(feeds_, fetches_);
    ASSERT_TRUE(want.ok()) << want.status().ToString();
    for (const int threads : {1, 2, 3}) {
      const auto got = Make(true, threads)->Run(feeds_, fetches_);
      ASSERT_TRUE(got.ok()) << got.status().ToString();
      for (size_t i = 0; i < want->size(); ++i) {
        EXPECT_EQ((*got)[i].shape(), (*want)[i].shape());
        EXPECT_TRUE(BitwiseEqual((*got)[i], (*want)[i]))
            << fetches_[i] << " with " << threads << " threads";
      }
    }
  }

  uint64_t seed_ = 0;
  Graph graph_;
  const Scope s_ = Scope(&graph_).WithDevice("/cpu:0");
  std::vector<Session::Feed> feeds_;
  std::vector<std::string> fetches_;
};

struct Case {
  const char* op;
  Shape shape;
  std::vector<int32_t> axes;
  DType dtype = kFloat;
  bool fuses = true;

  friend void PrintTo(const Case& c, std::ostream* out) {
    *out << c.op << " of " << DTypeName(c.dtype) << " " << c.shape.ToString();
  }
};

class Reductions
    : public FuseReductionsTest,
      public ::testing::WithParamInterface<std::tuple<Case, bool>> {};

TEST_P(Reductions, HaveTheBitsOfTheirOwnStep) {
  const Case& c = std::get<0>(GetParam());
  const Output x = Feed("x", c.shape, c.dtype);
  const Output y = Feed("y", Shape{c.shape.dim(c.shape.rank() - 1)}, c.dtype);
  const Output error = ops::Mul(s_, ops::Sub(s_, x, y), ops::Sub(s_, x, y));
  Fetch(s_.Op(c.op)
            .In(ops::Add(s_, error, x))
            .In(ops::Const(s_, Tensor::Vector(c.axes)))
            .Attr("keep_dims", std::get<1>(GetParam()))
            .Out());
  const std::vector<std::string> steps = Steps();
  EXPECT_EQ(std::ranges::any_of(steps,
                                [](const std::string& s) {
                                  return s.find("_FusedReduce(") != s.npos;
                                }),
            c.fuses);
  ExpectEqualBits();
}

INSTANTIATE_TEST_SUITE_P(
    Cases, Reductions,
    ::testing::Combine(
        ::testing::Values(
            // One chunk, its last block not whole; several chunks; many rows.
            Case{"Sum", {5003}, {0}}, Case{"Mean", {300, 1001}, {0, 1}},
            Case{"Mean", {300, 1001}, {-1}}, Case{"Max", {7, 3, 400}, {2, 1}},
            Case{"Min", {64, 1, 256}, {2}}, Case{"Prod", {40, 333}, {1}},
            Case{"EuclideanNorm", {200, 777}, {0, 1}},
            Case{"Sum", {2, 70000}, {1}, kDouble},
            Case{"Mean", {100, 300}, {1}, kHalf},
            Case{"Sum", {20, 517}, {1, 0}, kBfloat16},
            Case{"Mean", {9, 2000}, {1}, kInt32},
            Case{"Sum", {20, 517}, {1}, kInt64},
            // Not side by side; too short; none at all.
            Case{"Sum", {300, 40}, {0}, kFloat, false},
            Case{"Sum", {30, 40, 300}, {0, 2}, kFloat, false},
            Case{"Sum", {3000, 40}, {1}, kFloat, false},
            Case{"Sum", {10, 300}, {1}, kFloat, false}),
        ::testing::Bool()),
    [](const auto& info) {
      return StrCat(std::get<0>(info.param).op, info.index);
    });

TEST_F(FuseReductionsTest, AMeanSquaredErrorIsOneStep) {
  const Output x = Feed("x", {200, 100}), y = Feed("y", {200, 100});
  const Output error = ops::Square(s_, ops::Sub(s_, x, y));
  Fetch(ops::Mean(s_.WithName("loss"), error, {0, 1}));
  EXPECT_THAT(Steps(), ElementsAre(HasSubstr("loss/fused = _FusedReduce(")));
  ExpectEqualBits();
}

// A product alone is worth it: what it makes is never in memory.
TEST_F(FuseReductionsTest, OneOpAndItsSumAreOneStep) {
  const Output x = Feed("x", {5000}), y = Feed("y", {5000});
  Fetch(ops::Sum(s_, ops::Mul(s_, x, y), {0}));
  Fetch(ops::L2Loss(s_, ops::Tanh(s_, x)));
  EXPECT_THAT(Steps(), ElementsAre(HasSubstr("_FusedReduce("),
                                   HasSubstr("_FusedReduce(")));
  ExpectEqualBits();
}

TEST_F(FuseReductionsTest, WhatOthersReadIsReducedOutOfMemory) {
  const Output x = Feed("x", {5000});
  const Output square = ops::Square(s_, ops::Neg(s_, x));
  Fetch(ops::Sum(s_, square, {0}));
  Fetch(square);
  EXPECT_THAT(Steps(), Not(Contains(HasSubstr("_FusedReduce("))));
  ExpectEqualBits();
}

TEST_F(FuseReductionsTest, ComparisonsEndInAnyAndAll) {
  const Output x = Feed("x", {6000});
  const Output large = ops::Greater(s_, ops::Abs(s_, x), 1.999f);
  Fetch(s_.Op("Any")
            .In(large)
            .In(ops::Const(s_, Tensor::Vector<int32_t>({0})))
            .Out());
  EXPECT_THAT(Steps(), ElementsAre(HasSubstr("_FusedReduce(")));
  ExpectEqualBits();
}

// Gradients of a loss that is a fused reduction.
TEST_F(FuseReductionsTest, TrainsAsBefore) {
  const Output x = Feed("x", {64, 100});
  const Output w = ops::InitializedVariable(
      s_.WithName("w"), testing::Numbers(kFloat, Shape{100}, 0, 1, 7));
  const Output error = ops::Square(s_, ops::Sub(s_, ops::Mul(s_, x, w), 1.0f));
  const Output loss = ops::Mean(s_, error, {0, 1});
  Node* train = ops::GradientDescentOptimizer(5.0f).Minimize(s_, loss, {w});
  ASSERT_TRUE(s_.ok()) << s_.status().ToString();
  const Node* init = ops::VariablesInitializer(s_);
  const auto losses = [&](bool fuse) {
    auto session = Make(fuse, 2);
    EXPECT_TRUE(session->Run({}, {}, {init->name()}).ok());
    std::vector<float> all;
    for (int i = 0; i < 5; ++i) {
      auto r = session->Run(feeds_, {loss.name()}, {train->name()});
      EXPECT_TRUE(r.ok()) << r.status().ToString();
      if (r.ok()) all.push_back((*r)[0].scalar<float>());
    }
    return all;
  };
  const auto fused = losses(true);
  EXPECT_EQ(fused, losses(false));
  EXPECT_LT(fused.back(), fused.front());
}

}  // namespace
}  // namespace lockstep
