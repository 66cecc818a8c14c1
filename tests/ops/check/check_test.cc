// SPDX-License-Identifier: Apache-2.0
#include "ops/ops.h"
#include "tests/testing/op_test.h"

namespace lockstep {
namespace {

// Runs Assert(condition, data) and gives what became of it.
Status RunAssert(const Tensor& condition, const std::vector<Tensor>& data,
                 int summarize = 3) {
  Graph graph;
  const Scope s(&graph);
  Outputs values;
  for (const Tensor& t : data) values.push_back(ops::Const(s, t));
  const Output c = ops::Placeholder(s, kBool);
  const Node* node = ops::Assert(s, c, values, summarize);
  LS_RETURN_IF_ERROR(s.status());
  LS_ASSIGN_OR_RETURN(auto session, Session::Create(graph));
  return session->Run({{c.name(), condition}}, {}, {node->name()}).status();
}

TEST(AssertTest, PassesWhenTheConditionHolds) {
  EXPECT_TRUE(RunAssert(true, {Tensor("never seen")}).ok());
}

TEST(AssertTest, ShowsItsData) {
  const Status s = RunAssert(
      false, {F({2, 2}, {1, 2, 3, 4.5}), S({1}, {"a\nb"}),
              F({4}, {1234567, 0.1f, 1e-7f, NAN}), B({2}, {true, false})});
  EXPECT_EQ(s.code(), Code::kInvalidArgument);
  EXPECT_THAT(s.message(),
              testing::HasSubstr("assertion failed: [[1 2][3...]...] [a\\nb] "
                                 "[1234567 0.1 1e-07...] [1 0]"));
  EXPECT_THAT(
      RunAssert(false, {D({1}, {1.0 / 3}), L({2, 1}, {5, 6})}, -1).message(),
      testing::HasSubstr("assertion failed: [0.33333333333333331] [[5][6]]"));
}

TEST(AssertTest, WantsAScalar) {
  const Status s = RunAssert(B({2}, {true, true}), {Tensor(1.0f)});
  EXPECT_EQ(s.code(), Code::kInvalidArgument);
  EXPECT_THAT(s.message(), testing::HasSubstr("should be a scalar"));
}

OpCase Check(const char* op) {
  return OpCase([op](const Scope& s, const Outputs& in) {
    return s.Op(op).In(in[0]).Attr("message", "the loss").Out();
  });
}

TEST(CheckNumericsTest, PassesFiniteValuesAndNamesOthers) {
  Check("CheckNumerics").In(F({2}, {1, -2})).Want(F({2}, {1, -2}));
  Check("CheckNumerics").In(F({0}, {})).Want(F({0}, {}));
  Check("CheckNumerics")
      .In(F({2}, {1, NAN}))
      .WantError(Code::kInvalidArgument, "the loss : Tensor had NaN values");
  Check("CheckNumerics")
      .In(D({2}, {-INFINITY, NAN}))
      .WantError(Code::kInvalidArgument, "Tensor had Inf and NaN values");
  Check("CheckNumericsV2")
      .In(D({3}, {-INFINITY, NAN, INFINITY}))
      .WantError(Code::kInvalidArgument, "had -Inf, +Inf, and NaN values");
  Check("CheckNumerics").In(Doubles({3})).Gradient();
}

TEST(EnsureShapeTest, ChecksTheShapeAsItRuns) {
  const auto ensure = [](const Shape& shape) {
    return OpCase([shape](const Scope& s, const Outputs& in) {
      return ops::EnsureShape(s, in[0], shape);
    });
  };
  ensure({-1, 2}).In(F({1, 2}, {1, 2})).Want(F({1, 2}, {1, 2}));
  ensure({-1, 3})
      .In(F({1, 2}, {1, 2}))
      .WantError(Code::kInvalidArgument,
                 "[1,2] is not compatible with expected shape [?,3]");
  ensure({-1, 2}).In(Doubles({2, 2})).Gradient();
}

TEST(PrintTest, WritesToStandardErrorAsOftenAsAsked) {
  Graph graph;
  const Scope s(&graph);
  const Output x = ops::Placeholder(s, kFloat);
  const Output y = ops::Print(s, x, {x, ops::Const(s, "a")}, "x = ", 2);
  auto session = Session::Create(graph);
  ASSERT_TRUE(session.ok());
  testing::internal::CaptureStderr();
  for (int run = 0; run < 3; ++run) {
    auto got = (*session)->Run({{x, F({2}, {1, 2.5})}}, y);
    ASSERT_TRUE(got.ok()) << got.status().ToString();
    EXPECT_TRUE(SameTensor(*got, F({2}, {1, 2.5})));
  }
  EXPECT_EQ(testing::internal::GetCapturedStderr(),
            "x = [1 2.5][a]\nx = [1 2.5][a]\n");
}

TEST(PrintTest, VersionTwoWritesAString) {
  Graph graph;
  const Scope s(&graph);
  const Node* print = ops::PrintV2(s, "hello", "stdout", "!");
  auto session = Session::Create(graph);
  ASSERT_TRUE(session.ok());
  testing::internal::CaptureStdout();
  EXPECT_TRUE(
      (*session)->Run(std::vector<Session::Feed>{}, {}, {print->name()}).ok());
  EXPECT_EQ(testing::internal::GetCapturedStdout(), "hello!");
}

}  // namespace
}  // namespace lockstep
