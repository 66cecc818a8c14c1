// SPDX-License-Identifier: Apache-2.0
// Powers by constant exponents: the same values by cheaper ops, in gradients,
// too, where the exponent is one less.
#include <cmath>
#include <limits>

#include "ops/ops.h"
#include "tests/testing/op_test.h"

namespace lockstep {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

OpCase Pow() {
  return OpCase([](const Scope& s, const Outputs& in) {
    return ops::Pow(s, in[0], in[1]);
  });
}

TEST(PowRulesTest, SquaresCubesAndTheBaseItself) {
  const Tensor x = F({4}, {-1.5f, 0, 2, 3});
  Pow().In(x).Constant(F({}, {1})).Want(x);
  Pow().In(x).Constant(F({}, {2})).Want(F({4}, {2.25f, 0, 4, 9}));
  Pow().In(x).Constant(F({}, {3})).Want(F({4}, {-3.375f, 0, 8, 27}));
  Pow().In(x).Constant(F({1}, {2})).Want(F({4}, {2.25f, 0, 4, 9}));
  Pow().In(I({3}, {-3, 0, 5})).Constant(I({}, {3})).Want(I({3}, {-27, 0, 125}));
}

TEST(PowRulesTest, RootsAndReciprocals) {
  const float inf = std::numeric_limits<float>::infinity();
  const Tensor x = F({3}, {4, 0.25f, 0});
  Pow().In(x).Constant(F({}, {-1})).Want(F({3}, {0.25f, 4, inf}));
  Pow().In(x).Constant(F({}, {0.5f})).Want(F({3}, {2, 0.5f, 0}));
  Pow().In(x).Constant(F({}, {-0.5f})).Want(F({3}, {0.5f, 2, inf}));
  Pow().In(F({1}, {-2})).Constant(F({}, {0.5f})).Want(F({1}, {NAN}));
}

TEST(PowRulesTest, Gradients) {
  for (const double exponent : {1.0, 2.0, 3.0, -1.0, 0.5, -0.5}) {
    const Tensor e = Tensor::Of<double>({}, {exponent});
    Pow().In(Tensor::Of<double>({3}, {0.5, 1.25, 2})).Constant(e).Gradient();
  }
}

// Exponents of several values or that make the result larger, and integers to
// a negative power, are powers still.
TEST(PowRulesTest, Others) {
  Pow().In(F({2}, {3, 3})).Constant(F({2}, {2, 3})).Want(F({2}, {9, 27}));
  Pow().In(F({}, {3})).Constant(F({2}, {2, 2})).Want(F({2}, {9, 9}));
  Pow()
      .In(I({1}, {2}))
      .Constant(I({}, {-1}))
      .WantError(Code::kInvalidArgument, "Integers to negative integer powers");
}

TEST(PowRulesTest, NoPowerIsLeftInAMeanSquaredError) {
  Graph graph;
  const Scope s = Scope(&graph).WithDevice("/cpu:0");
  const Output x = ops::Placeholder(s, kFloat, {2, 3});
  const Output loss = ops::Mean(s, ops::Pow(s, ops::Exp(s, x), 2.0f), {0, 1});
  Outputs dx;
  ASSERT_TRUE(AddGradients(s, {loss}, {x}, &dx).ok());
  const auto session = Session::Create(graph);
  ASSERT_TRUE(session.ok());
  const auto plan = (*session)->Explain(
      {{x.node->name(), Tensor(kFloat, {2, 3})}}, {dx[0].node->name()});
  ASSERT_TRUE(plan.ok()) << plan.status().ToString();
  EXPECT_FALSE(plan->steps.empty());
  EXPECT_THAT(plan->steps, Not(Contains(HasSubstr("= Pow("))));
}

}  // namespace
}  // namespace lockstep
