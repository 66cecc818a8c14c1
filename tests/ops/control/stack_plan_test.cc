// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include "tests/testing/graph_run.h"

namespace lockstep::testing {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;

// As in the gradients of loops, which only wait for it.
TEST(StackPlanTest, WhatNothingReadsIsNotPassedOn) {
  const auto plan = [](bool read) {
    return PlanOf(
        {Tensor::Of<float>({2}, {1, 2})},
        [=](const Scope& s, const std::vector<Output>& in) {
          const Output stack =
              s.Op("StackV2").In(int32_t{-1}).Attr("elem_type", kFloat).Out();
          const Output pushed = s.Op("StackPushV2").In(stack).In(in[0]).Out();
          const Output popped = s.WithControlDependencies({pushed.node})
                                    .Op("StackPopV2")
                                    .In(stack)
                                    .Attr("elem_type", kFloat)
                                    .Out();
          return read ? std::vector<Output>{pushed, popped}
                      : std::vector<Output>{popped};
        });
  };
  EXPECT_THAT(plan(false), Contains(HasSubstr("_StackPush")));
  EXPECT_THAT(plan(true), Contains(HasSubstr("StackPushV2")));
}

// Equal values share their memory; what is made of one leaves the others.
TEST(StackPlanTest, EqualValuesStayApart) {
  const Tensor x = Tensor::Of<float>({2}, {1, -2});
  const auto all =
      RunGraph({x}, [](const Scope& s, const std::vector<Output>& in) {
        const Output stack =
            s.Op("StackV2").In(int32_t{-1}).Attr("elem_type", kFloat).Out();
        Node* last = nullptr;
        for (int i = 0; i < 3; ++i) {
          const Scope after = last ? s.WithControlDependencies({last}) : s;
          last = after.Op("StackPushV2").In(stack).In(in[0]).Out().node;
        }
        std::vector<Output> negated;
        for (int i = 0; i < 3; ++i) {
          const Output popped = s.WithControlDependencies({last})
                                    .Op("StackPopV2")
                                    .In(stack)
                                    .Attr("elem_type", kFloat)
                                    .Out();
          negated.push_back(s.Op("Neg").In(popped).Out());
          last = negated.back().node;
        }
        return negated;
      });
  ASSERT_TRUE(all.ok()) << all.status().ToString();
  for (const Tensor& t : *all) ExpectValues(t, {2}, {-1, 2});
}

}  // namespace
}  // namespace lockstep::testing
