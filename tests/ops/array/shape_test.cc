// SPDX-License-Identifier: Apache-2.0
#include "ops/ops.h"
#include "tests/testing/op_test.h"

namespace lockstep {
namespace {

TEST(ShapeOpsTest, TellShapeSizeAndRank) {
  const Tensor x = F({2, 3}, {1, 2, 3, 4, 5, 6});
  OpCase([](const Scope& s, const Outputs& in) { return ops::Shape(s, in[0]); })
      .In(x)
      .Want(I({2}, {2, 3}));
  OpCase([](const Scope& s, const Outputs& in) {
    return ops::Shape(s, in[0], kInt64);
  })
      .In(F({}, {1}))
      .Want(L({0}, {}));
  OpCase([](const Scope& s, const Outputs& in) { return ops::Size(s, in[0]); })
      .In(x)
      .Want(I({}, {6}));
  OpCase([](const Scope& s, const Outputs& in) { return ops::Rank(s, in[0]); })
      .In(x)
      .Want(I({}, {2}));
  OpCase([](const Scope& s, const Outputs& in) {
    return ops::Concat(s, ops::ShapeN(s, in), 0);
  })
      .In(x)
      .In(F({4}, {1, 2, 3, 4}))
      .Want(I({3}, {2, 3, 4}));
}

TEST(ShapeOpsTest, AreKnownWhileTheGraphIsBuilt) {
  Graph graph;
  const Scope s(&graph);
  const Output x = ops::Placeholder(s, kFloat, {4, 5});
  const Output shape = ops::Shape(s, x);
  EXPECT_TRUE(SameTensor(shape.node->output_value(0), I({2}, {4, 5})));
  const Output part = ops::Placeholder(s, kFloat, {-1, 5});
  EXPECT_FALSE(ops::Shape(s, part).node->output_value(0).defined());
  EXPECT_EQ(ops::Shape(s, part).shape().ToString(), "[2]");
  EXPECT_TRUE(SameTensor(ops::Rank(s, part).node->output_value(0), I({}, {2})));
}

std::vector<int32_t> Axes(const Shape& a, const Shape& b, int which) {
  Graph graph;
  const Scope s(&graph);
  const auto vector = [&](const Shape& shape) {
    std::vector<int32_t> dims;
    for (int64_t d : shape.dims()) dims.push_back(static_cast<int32_t>(d));
    return ops::Placeholder(s, kInt32, {shape.rank()});
  };
  const Output pa = vector(a), pb = vector(b);
  const auto args = ops::BroadcastGradientArgs(s, pa, pb);
  auto session = Session::Create(graph);
  const auto value = [](const Shape& shape) {
    Tensor t(kInt32, Shape{shape.rank()});
    for (int d = 0; d < shape.rank(); ++d) {
      t.flat<int32_t>()[static_cast<size_t>(d)] =
          static_cast<int32_t>(shape.dim(d));
    }
    return t;
  };
  auto out = (*session)->Run({{pa, value(a)}, {pb, value(b)}},
                             args[static_cast<size_t>(which)]);
  if (!out.ok()) {
    ADD_FAILURE() << out.status().ToString();
    return {};
  }
  const auto flat = out->flat<int32_t>();
  return {flat.begin(), flat.end()};
}

TEST(BroadcastGradientArgsTest, ListsTheAxesOfEachOperand) {
  using testing::ElementsAre;
  EXPECT_THAT(Axes({2, 3}, {3}, 0), ElementsAre());
  EXPECT_THAT(Axes({2, 3}, {3}, 1), ElementsAre(0));
  EXPECT_THAT(Axes({2, 1}, {2, 3}, 0), ElementsAre(1));
  EXPECT_THAT(Axes({}, {2, 3}, 0), ElementsAre(0, 1));
  EXPECT_THAT(Axes({}, {2, 3}, 1), ElementsAre());
  EXPECT_THAT(Axes({1, 1}, {1}, 0), ElementsAre(0, 1));
  EXPECT_THAT(Axes({1, 1}, {1, 1}, 0), ElementsAre());
}

OpCase Reshape() {
  return OpCase([](const Scope& s, const Outputs& in) {
    return ops::Reshape(s, in[0], in[1]);
  });
}

TEST(ReshapeTest, KeepsTheElementsAndFillsInOneDimension) {
  const Tensor x = F({2, 3}, {1, 2, 3, 4, 5, 6});
  Reshape().In(x).In(I({2}, {3, -1})).Want(F({3, 2}, {1, 2, 3, 4, 5, 6}));
  Reshape().In(x).In(L({1}, {6})).Want(F({6}, {1, 2, 3, 4, 5, 6}));
  Reshape().In(F({1}, {7})).In(I({0}, {})).Want(F({}, {7}));
  Reshape().In(F({0, 3}, {})).In(I({2}, {3, 0})).Want(F({3, 0}, {}));
  Reshape().In(F({0, 3}, {})).In(I({2}, {0, -1})).Want(F({0, 3}, {}));
  Reshape().In(F({2, 0, 3}, {})).In(I({3}, {0, -1, 2})).Want(F({0, 3, 2}, {}));
  Reshape()
      .In(S({2}, {"a", "b"}))
      .In(I({2}, {1, 2}))
      .Want(S({1, 2}, {"a", "b"}));
}

TEST(ReshapeTest, RefusesShapesThatDoNotFit) {
  Reshape()
      .In(F({0, 3}, {}))
      .In(I({3}, {0, 2, -1}))
      .WantError(Code::kInvalidArgument, "cannot infer the missing input size");
  Reshape()
      .In(F({2}, {1, 2}))
      .In(I({2}, {0, -1}))
      .WantError(Code::kInvalidArgument, "cannot infer the missing input size");
  const Tensor x = F({2, 3}, {1, 2, 3, 4, 5, 6});
  Reshape()
      .In(x)
      .In(I({1}, {5}))
      .WantError(Code::kInvalidArgument, "tensor with 6 values");
  Reshape()
      .In(x)
      .In(I({2}, {4, -1}))
      .WantError(Code::kInvalidArgument, "multiple of 4");
  Reshape()
      .In(x)
      .In(I({2}, {-1, -1}))
      .WantError(Code::kInvalidArgument, "Only one input size may be -1");
  Reshape().In(x).In(I({1}, {-2})).WantError(Code::kInvalidArgument, "-2");
  Reshape()
      .In(x)
      .In(I({1, 1}, {6}))
      .WantError(Code::kInvalidArgument, "vector");
}

TEST(ReshapeTest, GradientHasTheInputsShape) {
  Reshape().In(Doubles({2, 3})).In(I({1}, {-1})).Gradient();
}

TEST(ExpandDimsTest, PutsInAnAxis) {
  OpCase expand([](const Scope& s, const Outputs& in) {
    return ops::ExpandDims(s, in[0], in[1]);
  });
  OpCase(expand).In(F({2}, {1, 2})).In(I({}, {0})).Want(F({1, 2}, {1, 2}));
  OpCase(expand).In(F({2}, {1, 2})).In(I({}, {-1})).Want(F({2, 1}, {1, 2}));
  OpCase(expand)
      .In(F({2}, {1, 2}))
      .In(I({}, {2}))
      .WantError(Code::kInvalidArgument, "dim index 2 for tensor with 1");
  OpCase(expand).In(Doubles({2, 2})).In(I({}, {1})).Gradient();
}

OpCase Squeeze(std::vector<int64_t> axes) {
  return OpCase([axes](const Scope& s, const Outputs& in) {
    return ops::Squeeze(s, in[0], axes);
  });
}

TEST(SqueezeTest, DropsAxesOfSizeOne) {
  const Tensor x = F({1, 2, 1}, {1, 2});
  Squeeze({}).In(x).Want(F({2}, {1, 2}));
  Squeeze({0}).In(x).Want(F({2, 1}, {1, 2}));
  Squeeze({-1}).In(x).Want(F({1, 2}, {1, 2}));
  Squeeze({1}).In(x).WantError(Code::kInvalidArgument, "dim[1]");
  Squeeze({3}).In(x).WantError(Code::kInvalidArgument, "dim index 3");
  Squeeze({0}).In(Doubles({1, 3})).Gradient();
}

TEST(IdentityTest, PassesValuesAndGradients) {
  OpCase(
      [](const Scope& s, const Outputs& in) { return ops::Identity(s, in[0]); })
      .In(F({2}, {1, 2}))
      .Want(F({2}, {1, 2}))
      .Gradient(1e-3);
  OpCase([](const Scope& s, const Outputs& in) {
    return ops::IdentityN(s, in)[1];
  })
      .In(F({2}, {1, 2}))
      .In(I({1}, {3}))
      .Want(I({1}, {3}));
  OpCase([](const Scope& s, const Outputs& in) {
    return ops::IdentityN(s, in)[0];
  })
      .In(S({2}, {"a", "b"}))
      .In(I({1}, {3}))
      .Want(S({2}, {"a", "b"}));
}

TEST(StopGradientTest, EndsTheGradient) {
  OpCase([](const Scope& s, const Outputs& in) {
    std::vector<Output> dx;
    const Output y = ops::Mul(s, in[0], ops::StopGradient(s, in[0]));
    EXPECT_TRUE(AddGradients(s, {y}, {in[0]}, &dx).ok());
    return dx[0];
  })
      .In(F({2}, {3, 4}))
      .Want(F({2}, {3, 4}));
}

TEST(PlaceholderTest, HasToBeFed) {
  Graph graph;
  const Scope s(&graph);
  ops::Placeholder(s.WithName("x"), kFloat, {2});
  auto session = Session::Create(graph);
  ASSERT_TRUE(session.ok());
  auto out = (*session)->RunOne({}, "x:0");
  ASSERT_FALSE(out.ok());
  EXPECT_EQ(out.code(), Code::kInvalidArgument);
  EXPECT_THAT(out.status().message(), testing::HasSubstr("x"));
}

TEST(PlaceholderTest, ADefaultIsUsedUntilItIsFed) {
  Graph graph;
  const Scope s(&graph);
  const Output x = ops::PlaceholderWithDefault(s, F({2}, {1, 2}), Shape{-1});
  const Output y = ops::Mul(s, x, 10.0f);
  auto session = Session::Create(graph);
  ASSERT_TRUE(session.ok());
  auto unfed = (*session)->Run({}, y);
  ASSERT_TRUE(unfed.ok()) << unfed.status().ToString();
  EXPECT_TRUE(SameTensor(*unfed, F({2}, {10, 20})));
  auto fed = (*session)->Run({{x, F({3}, {1, 2, 3})}}, y);
  ASSERT_TRUE(fed.ok()) << fed.status().ToString();
  EXPECT_TRUE(SameTensor(*fed, F({3}, {10, 20, 30})));
}

TEST(NoOpTest, RunsWhatItWaitsFor) {
  Graph graph;
  const Scope s(&graph);
  const Output v = ops::InitializedVariable(s.WithName("v"), 1.0f);
  Node* init = ops::VariablesInitializer(s.WithName("init"));
  Node* both = ops::NoOp(s.WithName("both"), {ops::AssignAdd(s, v, 2.0f).node});
  ASSERT_TRUE(s.ok()) << s.status().ToString();
  ASSERT_NE(both, nullptr);
  auto session = Session::Create(graph);
  ASSERT_TRUE(session.ok());
  ASSERT_TRUE((*session)->RunTargets({init->name()}).ok());
  ASSERT_TRUE((*session)->RunTargets({"both"}).ok());
  EXPECT_TRUE(SameTensor(*(*session)->Run({}, v), F({}, {3})));
}

}  // namespace
}  // namespace lockstep
