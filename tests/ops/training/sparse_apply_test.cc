// SPDX-License-Identifier: Apache-2.0
// Updates of some rows: what is refused. Their values are in apply_test.cc.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ops/array/array.h"
#include "ops/state/state.h"
#include "ops/training/training.h"
#include "tests/testing/graph_run.h"

namespace lockstep::testing {
namespace {

using ::testing::HasSubstr;

// A step of ApplyMomentum on rows.
Status SparseStep(const Tensor& grad, const Tensor& rows) {
  Graph graph;
  const Scope s(&graph);
  const Tensor ones = Tensor::Of<float>({2, 2}, {1, 1, 1, 1});
  const Output w = ops::InitializedVariable(s.WithName("w"), ones);
  const Output a = ops::InitializedVariable(s.WithName("a"), ones);
  const Output g = ops::Placeholder(s.WithName("g"), kFloat);
  const Output r = ops::Placeholder(s.WithName("r"), rows.dtype());
  Node* apply = ops::ApplyMomentum(s, w, a, 0.1f, {g, r}, 0.9f);
  Node* init = ops::VariablesInitializer(s);
  LS_RETURN_IF_ERROR(s.status());
  auto session = Session::Create(graph).value();
  LS_RETURN_IF_ERROR(session->RunTargets({init->name()}));
  return session->RunTargets({apply->name()}, {{"g:0", grad}, {"r:0", rows}});
}

TEST(SparseApplyTest, ChecksRowsBeforeItWrites) {
  const Tensor row = Tensor::Of<float>({1, 2}, {1, 2});
  EXPECT_TRUE(SparseStep(row, Tensor::Of<int64_t>({1}, {1})).ok());
  EXPECT_TRUE(
      SparseStep(Tensor(kFloat, Shape{0, 2}), Tensor(kInt32, Shape{0})).ok());
  for (const int32_t bad : {-1, 2}) {
    const Status s = SparseStep(row, Tensor::Of<int32_t>({1}, {bad}));
    EXPECT_EQ(s.code(), Code::kInvalidArgument);
    EXPECT_THAT(s.message(), HasSubstr(StrCat("indices[0] = ", bad)));
  }
  EXPECT_EQ(SparseStep(row, Tensor::Of<int32_t>({2}, {0, 1})).code(),
            Code::kInvalidArgument);
  EXPECT_EQ(SparseStep(row, Tensor::Of<int32_t>({1, 1}, {0})).code(),
            Code::kInvalidArgument);
}

}  // namespace
}  // namespace lockstep::testing
