// SPDX-License-Identifier: Apache-2.0
#include "ops/ops.h"
#include "tests/testing/op_test.h"
#include "tests/testing/program.h"

namespace lockstep {
namespace {

TEST(VariableTest, KeepsItsValueFromRunToRun) {
  Program p;
  const Output v = ops::InitializedVariable(p.s.WithName("v"), F({2}, {1, 2}));
  const Output next = ops::AssignAdd(p.s, v, F({2}, {10, 10}));
  Node* init = ops::VariablesInitializer(p.s);
  ASSERT_TRUE(p.s.ok()) << p.s.status().ToString();
  EXPECT_EQ(v.dtype(), RefOf(kFloat));
  ASSERT_TRUE(p.Target(init).ok());
  EXPECT_TRUE(SameTensor(p.Get(v), F({2}, {1, 2})));
  EXPECT_TRUE(SameTensor(p.Get(next), F({2}, {11, 12})));
  EXPECT_TRUE(SameTensor(p.Get(next), F({2}, {21, 22})));
  ASSERT_TRUE(p.Target(init).ok());
  EXPECT_TRUE(SameTensor(p.Get(v), F({2}, {1, 2})));
}

TEST(VariableTest, ReadBeforeItsInitializerNamesIt) {
  Program p;
  const Output v = ops::InitializedVariable(p.s.WithName("weights"), 1.0f);
  const Output y = ops::Mul(p.s, v, 2.0f);
  for (Output o : {v, y, ops::AssignAdd(p.s, v, 1.0f)}) {
    Result<Tensor> r = p.Start().Run({}, o);
    ASSERT_FALSE(r.ok());
    EXPECT_EQ(r.code(), Code::kFailedPrecondition) << r.status().ToString();
    EXPECT_THAT(r.status().message(), testing::HasSubstr("weights"));
  }
}

TEST(VariableTest, NodesAreNamedAsTensorFlowNamesThem) {
  Program p;
  ops::InitializedVariable(p.s.SubScope("layer").WithName("w"), 1.0f);
  EXPECT_NE(p.graph.Find("layer/w"), nullptr);
  EXPECT_NE(p.graph.Find("layer/w/Assign"), nullptr);
  EXPECT_NE(p.graph.Find("layer/w/read"), nullptr);
}

TEST(VariableTest, InitializersRunTogether) {
  Program p;
  const Output a = ops::InitializedVariable(p.s.WithName("a"), 1.0f);
  const Output b = ops::InitializedVariable(p.s.WithName("b"), int64_t{2});
  const Output c = ops::Variable(p.s.WithName("c"), kFloat, {});
  const Output set = ops::Assign(p.s, c, 3.0f);
  Node* init = ops::VariablesInitializer(p.s.WithName("init"), {set});
  ASSERT_TRUE(p.Target(init).ok());
  EXPECT_TRUE(SameTensor(p.Get(a), F({}, {1})));
  EXPECT_TRUE(SameTensor(p.Get(b), L({}, {2})));
  EXPECT_TRUE(SameTensor(p.Get(c), F({}, {3})));
}

TEST(IsVariableInitializedTest, TellsWhetherAnAssignRan) {
  Program p;
  const Output v = ops::InitializedVariable(p.s.WithName("v"), 1.0f);
  const Output is = ops::IsVariableInitialized(p.s, v);
  Node* init = ops::VariablesInitializer(p.s);
  EXPECT_TRUE(SameTensor(p.Get(is), B({}, {false})));
  ASSERT_TRUE(p.Target(init).ok());
  EXPECT_TRUE(SameTensor(p.Get(is), B({}, {true})));
}

TEST(AssignTest, RefusesAnotherShapeUnlessToldNotToLook) {
  Program p;
  const Output v = ops::Variable(p.s.WithName("v"), kFloat, {2});
  ops::Assign(p.s, v, F({3}, {1, 2, 3}));
  EXPECT_EQ(p.s.status().code(), Code::kInvalidArgument);
  EXPECT_THAT(p.s.status().message(), testing::HasSubstr("[3]"));

  Program q;
  const Output any = ops::Variable(q.s.WithName("any"), kFloat);
  const Output two = ops::Assign(q.s, any, F({2}, {1, 2}), false);
  const Output three = ops::Assign(q.s, any, F({3}, {1, 2, 3}), false);
  EXPECT_TRUE(SameTensor(q.Get(two), F({2}, {1, 2})));
  EXPECT_TRUE(SameTensor(q.Get(three), F({3}, {1, 2, 3})));
  EXPECT_TRUE(SameTensor(q.Get(any), F({3}, {1, 2, 3})));
}

TEST(AssignTest, OfAFedShapeIsCheckedAsItRuns) {
  Program p;
  const Output v = ops::Variable(p.s.WithName("v"), kFloat, {2});
  const Output x = ops::Placeholder(p.s, kFloat);
  const Output set = ops::Assign(p.s, v, x);
  Result<Tensor> wrong = p.Start().Run({{x, F({3}, {1, 2, 3})}}, set);
  ASSERT_FALSE(wrong.ok());
  EXPECT_EQ(wrong.code(), Code::kInvalidArgument);
  Result<Tensor> right = p.Start().Run({{x, F({2}, {1, 2})}}, set);
  ASSERT_TRUE(right.ok()) << right.status().ToString();
  EXPECT_TRUE(SameTensor(*right, F({2}, {1, 2})));
}

TEST(AssignSubTest, SubtractsInPlaceForEveryRealType) {
  for (DType t : {kFloat, kDouble, kHalf, kInt32, kInt64, kUint8}) {
    SCOPED_TRACE(DTypeName(t));
    Program p;
    const Output v =
        ops::InitializedVariable(p.s.WithName("v"), As(t, D({2}, {5, 9})));
    const Output less = ops::AssignSub(p.s, v, As(t, D({2}, {1, 2})));
    ASSERT_TRUE(p.Target(ops::VariablesInitializer(p.s)).ok());
    EXPECT_TRUE(SameTensor(p.Get(less), As(t, D({2}, {4, 7}))));
    EXPECT_TRUE(SameTensor(p.Get(v), As(t, D({2}, {4, 7}))));
  }
}

TEST(VariableTest, GradientsReachThroughReads) {
  Program p;
  const Output v = ops::InitializedVariable(p.s.WithName("v"), F({2}, {3, 4}));
  const Output loss = ops::Sum(p.s, ops::Square(p.s, v), {0});
  std::vector<Output> dx;
  ASSERT_TRUE(AddGradients(p.s, {loss}, {v}, &dx).ok());
  ASSERT_TRUE(p.Target(ops::VariablesInitializer(p.s)).ok());
  EXPECT_TRUE(SameTensor(p.Get(dx[0]), F({2}, {6, 8})));
}

TEST(ScatterTest, ChangesRowsOfAVariable) {
  Program p;
  const Output v = ops::InitializedVariable(p.s.WithName("v"),
                                            F({3, 2}, {1, 2, 3, 4, 5, 6}));
  const Output set =
      ops::ScatterUpdate(p.s, v, I({2}, {2, 0}), F({2, 2}, {9, 8, 7, 6}));
  const Output more =
      ops::ScatterAdd(p.s, v, L({2}, {1, 1}), F({2, 2}, {1, 1, 10, 10}));
  const Output less = ops::ScatterSub(p.s, v, I({1}, {1}), 3.0f);
  const Output index = ops::Placeholder(p.s, kInt32, {1});
  const Output bad = ops::ScatterAdd(p.s, v, index, 1.0f);
  Node* init = ops::VariablesInitializer(p.s);
  ASSERT_TRUE(p.Target(init).ok()) << p.s.status().ToString();
  EXPECT_TRUE(SameTensor(p.Get(set), F({3, 2}, {7, 6, 3, 4, 9, 8})));
  EXPECT_TRUE(SameTensor(p.Get(more), F({3, 2}, {7, 6, 14, 15, 9, 8})));
  EXPECT_TRUE(SameTensor(p.Get(less), F({3, 2}, {7, 6, 11, 12, 9, 8})));
  Result<Tensor> out = p.Start().Run({{index, I({1}, {3})}}, bad);
  ASSERT_FALSE(out.ok());
  EXPECT_EQ(out.code(), Code::kInvalidArgument);
  EXPECT_THAT(out.status().message(),
              testing::HasSubstr("indices[0] = 3 is not in [0, 3)"));
  EXPECT_TRUE(SameTensor(p.Get(v), F({3, 2}, {7, 6, 11, 12, 9, 8})));
}

}  // namespace
}  // namespace lockstep
