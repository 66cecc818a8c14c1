// SPDX-License-Identifier: Apache-2.0
#include "ops/ops.h"
#include "runtime/graph/graph_def.h"
#include "tests/testing/op_test.h"

namespace lockstep {
namespace {

using testing::HasSubstr;

Outputs Twice(const Scope& s, const Outputs& in) {
  return {ops::Mul(s, in[0], 2.0f)};
}
Outputs Square(const Scope& s, const Outputs& in) {
  return {ops::Mul(s, in[0], in[0])};
}

TEST(CallTest, ResultAndGradient) {
  OpCase([](const Scope& s, const Outputs& in) {
    const std::string f =
        ops::DefineFunction(s, "f", in, [](const Scope& s, const Outputs& in) {
          return Outputs{ops::Mul(s, ops::Exp(s, in[0]), in[1])};
        });
    return ops::Call(s, f, in)[0];
  })
      .In(D({2}, {0, 1}))
      .In(D({2}, {3, 0.5}))
      .Within(1e-12)
      .Want(D({2}, {3, 0.5 * std::exp(1.0)}))
      .Gradient();
}

TEST(CondOpTest, ResultAndGradientOfEachSide) {
  auto build = [](const Scope& s, const Outputs& in) {
    const Output p = ops::Greater(s, in[1], int32_t{0});
    return ops::Cond(s, p, {in[0]}, Square,
                     [](const Scope& s, const Outputs& in) {
                       return Outputs{ops::Exp(s, in[0])};
                     })[0];
  };
  OpCase(build)
      .In(D({2}, {1, 3}))
      .In(Tensor(int32_t{1}))
      .Within(1e-12)
      .Want(D({2}, {1, 9}))
      .Gradient();
  OpCase(build)
      .In(D({2}, {0, 1}))
      .In(Tensor(int32_t{-1}))
      .Within(1e-12)
      .Want(D({2}, {1, std::exp(1.0)}))
      .Gradient();
}

// Each branch uses another input: the other's gradient is zero.
TEST(CondOpTest, GradientOfAnInputThatOneBranchUses) {
  auto build = [](const Scope& s, const Outputs& in) {
    const Output p = ops::Greater(s, in[2], int32_t{0});
    return ops::Cond(
        s, p, {in[0], in[1]},
        [](const Scope& s, const Outputs& in) {
          return Outputs{ops::Mul(s, in[0], in[0])};
        },
        [](const Scope& s, const Outputs& in) {
          return Outputs{ops::Tanh(s, in[1])};
        })[0];
  };
  OpCase(build)
      .In(D({2}, {1, 3}))
      .In(D({2}, {2, 4}))
      .In(Tensor(int32_t{1}))
      .Want(D({2}, {1, 9}))
      .Gradient();
  OpCase(build)
      .In(D({2}, {1, 3}))
      .In(D({2}, {0, 0}))
      .In(Tensor(int32_t{-1}))
      .Want(D({2}, {0, 0}))
      .Gradient();
}

TEST(CaseTest, ChoosesByNumber) {
  auto build = [](const Scope& s, const Outputs& in) {
    return ops::Case(s, in[1], {in[0]}, {Twice, Square})[0];
  };
  for (auto [index, want] :
       {std::pair{0, 6.0f}, {1, 9.0f}, {7, 9.0f}, {-1, 9.0f}}) {
    OpCase(build)
        .In(F({1}, {3}))
        .In(Tensor(int32_t{index}))
        .Want(F({1}, {want}))
        .Gradient(1e-2);
  }
}

// x -> sin(x) * f + x, three times.
Output Loop(const Scope& s, const Outputs& in) {
  const Output zero = ops::Const(s, int32_t{0});
  return ops::While(
      s, {zero, in[0], in[1]},
      [](const Scope& s, const Outputs& v) {
        return Outputs{ops::Less(s, v[0], int32_t{3})};
      },
      [](const Scope& s, const Outputs& v) {
        return Outputs{ops::Add(s, v[0], int32_t{1}),
                       ops::Add(s, ops::Mul(s, ops::Sin(s, v[1]), v[2]), v[1]),
                       v[2]};
      })[1];
}

TEST(WhileTest, ResultAndGradient) {
  double want[2] = {0.5, -1};
  for (double& x : want) {
    for (int i = 0; i < 3; ++i) x = std::sin(x) * 0.7 + x;
  }
  OpCase(Loop)
      .In(D({2}, {0.5, -1}))
      .In(D({}, {0.7}))
      .Within(1e-12)
      .Want(D({2}, {want[0], want[1]}))
      .Gradient();
}

TEST(WhileTest, NestedLoopsAndBranchesHaveGradients) {
  OpCase([](const Scope& s, const Outputs& in) {
    const Output zero = ops::Const(s, int32_t{0});
    return ops::While(
        s, {zero, in[0]},
        [](const Scope& s, const Outputs& v) {
          return Outputs{ops::Less(s, v[0], int32_t{4})};
        },
        [](const Scope& s, const Outputs& v) {
          const Output odd =
              ops::Equal(s, ops::FloorMod(s, v[0], int32_t{2}), int32_t{1});
          const Outputs next = ops::Cond(
              s, odd, {v[1]},
              [](const Scope& s, const Outputs& in) {
                return Outputs{ops::Mul(s, in[0], Tensor(0.5))};
              },
              [](const Scope& s, const Outputs& in) {
                return Outputs{Loop(s, {in[0], in[0]})};
              });
          return Outputs{ops::Add(s, v[0], int32_t{1}), next[0]};
        })[1];
  })
      .In(D({2}, {0.3, -0.2}))
      .Gradient(1e-5);
}

// The variable is read in the body; its gradient adds up over the iterations.
TEST(WhileTest, GradientOfAVariableReadInTheBody) {
  Graph graph;
  Scope s(&graph);
  const Output v = ops::VarHandleOp(s.WithName("v"), kFloat, Shape{});
  ops::AssignVariableOp(s.WithName("init"), v, 3.0f);
  const Output y = ops::While(
      s, {ops::Const(s, int32_t{0}), ops::Const(s, 2.0f), v},
      [](const Scope& s, const Outputs& in) {
        return Outputs{ops::Less(s, in[0], int32_t{3})};
      },
      [](const Scope& s, const Outputs& in) {
        const Output value = ops::ReadVariableOp(s, in[2], kFloat);
        return Outputs{ops::Add(s, in[0], int32_t{1}),
                       ops::Mul(s, in[1], value), in[2]};
      })[1];
  std::vector<Output> dv;
  const Status made = AddGradients(s, {y}, {v}, &dv);
  ASSERT_TRUE(made.ok()) << made.ToString();
  for (const int gpus : {0, 1}) {
    SessionOptions options;
    options.gpu_options.virtual_gpus = {.count = gpus, .bytes = 1 << 20};
    auto session = Session::Create(graph, options);
    ASSERT_TRUE(session.ok()) << session.status().ToString();
    ASSERT_TRUE((*session)->RunTargets({"init"}).ok());
    const Variable* kept = (*session)->resources().variables().Find("v");
    ASSERT_NE(kept, nullptr);
    const void* const memory = kept->value().data();
    Result<Tensor> d = (*session)->Run({}, dv[0]);  // 2 v^3 -> 6 v^2
    ASSERT_TRUE(d.ok()) << d.status().ToString();
    EXPECT_FLOAT_EQ(d->scalar<float>(), 54);
    // Others may read it there while the loop runs.
    EXPECT_EQ(kept->value().data(), memory) << gpus;
  }
}

TEST(ControlTest, MistakesAreErrors) {
  auto error = [](const std::function<void(const Scope&, Output)>& build) {
    Graph graph;
    Scope s(&graph);
    build(s, ops::Placeholder(s, kFloat, {2}));
    EXPECT_EQ(graph.status().code(), Code::kInvalidArgument);
    return graph.status().message();
  };
  EXPECT_THAT(error([](const Scope& s, Output x) {
                ops::Cond(s, true, {x}, Twice,
                          [x](const Scope& s, const Outputs&) {
                            return Outputs{ops::Neg(s, x)};  // not an argument
                          });
              }),
              HasSubstr("another graph"));
  EXPECT_THAT(error([](const Scope& s, Output x) {
                ops::Cond(s, true, {x}, Twice,
                          [](const Scope& s, const Outputs& in) {
                            return Outputs{ops::Cast(s, in[0], kInt32)};
                          });
              }),
              HasSubstr("different numbers or dtypes"));
  EXPECT_THAT(error([](const Scope& s, Output x) {
                ops::While(
                    s, {x},
                    [](const Scope& s, const Outputs&) {
                      return Outputs{ops::Const(s, false)};
                    },
                    [](const Scope& s, const Outputs& in) {
                      return Outputs{ops::Concat(s, {in[0], in[0]}, 0)};
                    });
              }),
              HasSubstr("give the shapes"));
}

TEST(ControlTest, EffectsInAFunctionHaveNoGradient) {
  Graph graph;
  Scope s(&graph);
  const Output v = ops::VarHandleOp(s.WithName("v"), kFloat, Shape{});
  const Output x = ops::Placeholder(s, kFloat, Shape{});
  const std::string f = ops::DefineFunction(
      s, "f", {x, v}, [](const Scope& s, const Outputs& in) {
        Node* write = ops::AssignVariableOp(s, in[1], in[0]);
        const Output value = ops::ReadVariableOp(
            s.WithControlDependencies({write}), in[1], kFloat);
        return Outputs{ops::Mul(s, in[0], value)};
      });
  const Output y = ops::Call(s, f, {x, v})[0];
  std::vector<Output> dx;
  const Status made = AddGradients(s, {y}, {x}, &dx);
  EXPECT_EQ(made.code(), Code::kUnimplemented) << made.ToString();
  EXPECT_THAT(made.message(), HasSubstr("changes something"));
}

// The library goes with the graph to a GraphDef and back.
TEST(ControlTest, FunctionsAreWrittenAndRead) {
  Graph graph;
  Scope s(&graph);
  const Output x = ops::Placeholder(s.WithName("x"), kDouble, {2});
  const Output f = ops::Const(s.WithName("f"), Tensor(0.7));
  ops::Identity(s.WithName("y"), Loop(s, {x, f}));
  ASSERT_TRUE(s.ok()) << s.status().ToString();
  Result<std::string> bytes = ToGraphDef(graph);
  ASSERT_TRUE(bytes.ok()) << bytes.status().ToString();
  Result<Graph> again = FromGraphDef(*bytes);
  ASSERT_TRUE(again.ok()) << again.status().ToString();
  const Tensor fed = D({2}, {0.5, -1});
  Tensor results[2];
  for (int i = 0; i < 2; ++i) {
    auto session = Session::Create(i ? *again : graph);
    ASSERT_TRUE(session.ok()) << session.status().ToString();
    Result<Tensor> y = (*session)->RunOne({{"x", fed}}, "y");
    ASSERT_TRUE(y.ok()) << y.status().ToString();
    results[i] = *y;
  }
  EXPECT_TRUE(SameTensor(results[0], results[1]));
}

}  // namespace
}  // namespace lockstep
