// SPDX-License-Identifier: Apache-2.0
#include "ops/ops.h"
#include "tests/testing/op_test.h"
#include "tests/testing/program.h"

namespace lockstep {
namespace {

TEST(ResourceVariableTest, ReadsWhatWasAssigned) {
  Program p;
  const Output v = ops::VarHandleOp(p.s.WithName("v"), kFloat, {2});
  Node* init = ops::AssignVariableOp(p.s, v, F({2}, {1, 2}));
  const Output read = ops::ReadVariableOp(p.s, v, kFloat);
  const Output known = ops::VarIsInitializedOp(p.s, v);
  ASSERT_TRUE(p.s.ok()) << p.s.status().ToString();
  EXPECT_EQ(v.dtype(), kResource);
  EXPECT_EQ(read.shape(), Shape({2}));
  EXPECT_FALSE(p.Get(known).scalar<bool>());
  EXPECT_TRUE(p.Target(init).ok());
  EXPECT_TRUE(SameTensor(p.Get(read), F({2}, {1, 2})));
  EXPECT_TRUE(p.Get(known).scalar<bool>());
}

TEST(ResourceVariableTest, ReadBeforeAssignmentNamesIt) {
  Program p;
  const Output v = ops::VarHandleOp(p.s.WithName("weights"), kFloat, {2});
  const Output read = ops::ReadVariableOp(p.s, v, kFloat);
  Result<Tensor> r = p.Start().Run({}, read);
  EXPECT_EQ(r.code(), Code::kFailedPrecondition);
  EXPECT_THAT(r.status().message(), testing::HasSubstr("weights"));
}

TEST(ResourceVariableTest, ControlEdgesOrderReadsAndWrites) {
  Program p;
  const Output v = ops::VarHandleOp(p.s.WithName("v"), kFloat, {2});
  Node* init = ops::AssignVariableOp(p.s, v, F({2}, {1, 2}));
  const Output before = ops::ReadVariableOp(p.s, v, kFloat);
  const Scope then = p.s.WithControlDependencies({before.node});
  Node* write = ops::AssignVariableOp(then, v, F({2}, {7, 8}));
  const Scope last = p.s.WithControlDependencies({write});
  const Output after = ops::ReadVariableOp(last, v, kFloat);
  const Output both = ops::Add(p.s, ops::Mul(p.s, before, 10.0f), after);
  ASSERT_TRUE(p.s.ok()) << p.s.status().ToString();
  EXPECT_TRUE(p.Target(init).ok());
  EXPECT_TRUE(SameTensor(p.Get(both), F({2}, {17, 28})));
  EXPECT_TRUE(SameTensor(p.Get(both), F({2}, {77, 88})));
}

TEST(ResourceVariableTest, UnknownShapeFollowsTheValue) {
  Program p;
  const Output v = ops::VarHandleOp(p.s.WithName("v"), kFloat);
  Node* two = ops::AssignVariableOp(p.s, v, F({2}, {1, 2}));
  Node* three = ops::AssignVariableOp(p.s, v, F({3}, {1, 2, 3}));
  const Output read =
      ops::Neg(p.s, ops::ReadVariableOp(p.s, ops::Identity(p.s, v), kFloat));
  ASSERT_TRUE(p.s.ok()) << p.s.status().ToString();
  EXPECT_TRUE(p.Target(two).ok());
  EXPECT_TRUE(SameTensor(p.Get(read), F({2}, {-1, -2})));
  EXPECT_TRUE(p.Target(three).ok());
  EXPECT_TRUE(SameTensor(p.Get(read), F({3}, {-1, -2, -3})));
}

TEST(ResourceVariableTest, WrongTypesAndShapesAreRefused) {
  {
    Program p;
    const Output v = ops::VarHandleOp(p.s.WithName("v"), kFloat, {2});
    ops::AssignVariableOp(p.s.WithName("a"), v, F({3}, {1, 2, 3}));
    Result<Tensor> r = p.Start().Run({}, ops::ReadVariableOp(p.s, v, kDouble));
    EXPECT_FALSE(r.ok());
    const Status s = p.Start().RunTargets({"a"});
    EXPECT_EQ(s.code(), Code::kInvalidArgument) << s.ToString();
    EXPECT_THAT(s.message(), testing::HasSubstr("[3]"));
  }
  Program p;
  const Output v = ops::VarHandleOp(p.s.WithName("v"), kFloat, {2});
  const Output read = ops::ReadVariableOp(p.s, v, kDouble);
  Result<Tensor> r = p.Start().Run({}, read);
  EXPECT_EQ(r.code(), Code::kInvalidArgument) << r.status().ToString();
  EXPECT_THAT(r.status().message(), testing::HasSubstr("double"));
}

TEST(ResourceVariableTest, OtherObjectsAreNoVariables) {
  Program p;
  const Output stack =
      p.s.Op("StackV2").In(int32_t{1}).Attr("elem_type", kFloat).Out();
  const Output read = ops::ReadVariableOp(p.s, stack, kFloat);
  const Output known = ops::VarIsInitializedOp(p.s, stack);
  ops::AssignVariableOp(p.s.WithName("write"), stack, 1.0f);
  ASSERT_TRUE(p.s.ok()) << p.s.status().ToString();
  EXPECT_EQ(p.Start().Run({}, read).code(), Code::kInvalidArgument);
  EXPECT_EQ(p.Start().Run({}, known).code(), Code::kInvalidArgument);
  EXPECT_EQ(p.Start().RunTargets({"write"}).code(), Code::kInvalidArgument);
}

TEST(ResourceVariableTest, GradientOfTheHandleSumsItsReads) {
  Program p;
  const Output v = ops::VarHandleOp(p.s.WithName("v"), kFloat, {2});
  Node* init = ops::AssignVariableOp(p.s, v, F({2}, {1, 2}));
  const Output a = ops::ReadVariableOp(p.s, v, kFloat);
  const Output b = ops::ReadVariableOp(p.s, v, kFloat);
  const Output y = ops::Mul(p.s, ops::Mul(p.s, a, a), b);  // v^3
  std::vector<Output> dv;
  ASSERT_TRUE(AddGradients(p.s, {y}, {v}, &dv).ok());
  EXPECT_TRUE(p.Target(init).ok());
  EXPECT_TRUE(SameTensor(p.Get(dv[0]), F({2}, {3, 12})));
}

}  // namespace
}  // namespace lockstep
