// SPDX-License-Identifier: Apache-2.0
// Conditions and loops as TensorFlow 1's graphs contain them.
#include "ops/ops.h"
#include "tests/testing/op_test.h"

namespace lockstep {
namespace {

std::unique_ptr<Session> Start(const Graph& graph,
                               SessionOptions options = {}) {
  auto session = Session::Create(graph, std::move(options));
  EXPECT_TRUE(session.ok()) << session.status().ToString();
  return session.ok() ? *std::move(session) : nullptr;
}

Tensor Get(Session& session, const std::vector<Session::Feed>& feeds,
           const std::string& fetch) {
  Result<Tensor> r = session.RunOne(feeds, fetch);
  EXPECT_TRUE(r.ok()) << r.status().ToString();
  return r.ok() ? *r : Tensor();
}

// cond(p, x * 2, x + 10), as tf.compat.v1.cond writes it.
struct Cond {
  Graph graph;
  Output x, p, y;
  Cond() {
    Scope s(&graph);
    x = ops::Placeholder(s.WithName("x"), kFloat, {2});
    p = ops::Placeholder(s.WithName("p"), kBool, Shape{});
    Node* data = s.Op("Switch").In(x).In(p).Build();
    const Output yes = ops::Mul(s, Output{data, 1}, 2.0f);
    const Output no = ops::Add(s, Output{data, 0}, 10.0f);
    y = s.WithName("y").Op("Merge").In({no, yes}).Out();
  }
};

TEST(CondTest, RunsOneSideOnly) {
  Cond c;
  ASSERT_TRUE(c.graph.status().ok()) << c.graph.status().ToString();
  auto session = Start(c.graph);
  const Tensor x = F({2}, {1, 2});
  EXPECT_TRUE(
      SameTensor(Get(*session, {{"x", x}, {"p", true}}, "y"), F({2}, {2, 4})));
  EXPECT_TRUE(SameTensor(Get(*session, {{"x", x}, {"p", false}}, "y"),
                         F({2}, {11, 12})));
  EXPECT_TRUE(SameTensor(Get(*session, {{"x", x}, {"p", true}}, "y:1"),
                         Tensor(int32_t{1})));
}

TEST(CondTest, FetchFromTheOtherSideIsAnError) {
  Cond c;
  Scope s(&c.graph);
  auto session = Start(c.graph);
  const Tensor x = F({2}, {1, 2});
  Result<Tensor> dead = session->RunOne({{"x", x}, {"p", false}}, "Mul:0");
  EXPECT_EQ(dead.code(), Code::kInvalidArgument);
  EXPECT_THAT(dead.status().message(), testing::HasSubstr("Mul:0"));
  EXPECT_TRUE(session->RunOne({{"x", x}, {"p", true}}, "Mul:0").ok());
}

// Effects follow the branch; constants behind a pivot belong to their branch.
TEST(CondTest, EffectsAndConstantsFollowTheBranch) {
  Graph graph;
  Scope s(&graph);
  const Output p = ops::Placeholder(s.WithName("p"), kBool, Shape{});
  const Output v = ops::VarHandleOp(s.WithName("v"), kFloat, Shape{});
  ops::AssignVariableOp(s.WithName("init"), v, 1.0f);
  Node* sides = s.Op("Switch").In(p).In(p).Build();
  const Output no = ops::Identity(s, Output{sides, 0});
  const Output yes = ops::Identity(s, Output{sides, 1});
  const Scope when = s.WithControlDependencies({yes.node});
  const Scope otherwise = s.WithControlDependencies({no.node});
  Node* data = s.Op("Switch").In(v).In(p).Build();
  Node* write = ops::AssignVariableOp(when, Output{data, 1}, 5.0f);
  const Output seven = ops::Const(s.WithControlDependencies({write}), 7.0f);
  const Output eight = ops::Const(otherwise, 8.0f);
  s.WithName("y").Op("Merge").In({eight, seven}).Out();
  ops::ReadVariableOp(s.WithName("now"), v, kFloat);
  ASSERT_TRUE(s.ok()) << s.status().ToString();
  for (bool optimize : {true, false}) {
    SessionOptions options;
    options.optimize = optimize;
    auto session = Start(graph, options);
    ASSERT_TRUE(session->RunTargets({"init"}).ok());
    EXPECT_EQ(Get(*session, {{"p", false}}, "y").scalar<float>(), 8);
    EXPECT_EQ(Get(*session, {}, "now").scalar<float>(), 1);
    EXPECT_EQ(Get(*session, {{"p", true}}, "y").scalar<float>(), 7);
    EXPECT_EQ(Get(*session, {}, "now").scalar<float>(), 5);
  }
}

// The order between reads of one branch and updates of the other makes none of
// them depend on the other branch.
TEST(CondTest, BothSidesUpdateAndReadOneVariable) {
  Graph graph;
  Scope s(&graph);
  const Output p = ops::Placeholder(s.WithName("p"), kBool, Shape{});
  const Output v = ops::VarHandleOp(s.WithName("v"), kFloat, Shape{});
  ops::AssignVariableOp(s.WithName("init"), v, 1.0f);
  std::vector<Output> sides;
  for (const int side : {0, 1}) {
    Node* data = s.Op("Switch").In(v).In(p).Build();
    const Output handle{data, side};
    Node* update = s.Op("AssignAddVariableOp")
                       .In(handle)
                       .In(Input(side == 1 ? 2.0f : -5.0f))
                       .Build();
    sides.push_back(ops::ReadVariableOp(s.WithControlDependencies({update}),
                                        handle, kFloat));
  }
  s.WithName("y").Op("Merge").In(sides).Out();
  ASSERT_TRUE(s.ok()) << s.status().ToString();
  auto session = Start(graph);
  for (const bool side : {true, false}) {
    ASSERT_TRUE(session->RunTargets({"init"}).ok());
    EXPECT_EQ(Get(*session, {{"p", side}}, "y").scalar<float>(), side ? 3 : -4);
  }
}

TEST(CondTest, ShapesOfTheSideNotTakenNeedNotFit) {
  Graph graph;
  Scope s(&graph);
  const Output x = ops::Placeholder(s.WithName("x"), kFloat);
  const Output p = ops::Placeholder(s.WithName("p"), kBool, Shape{});
  Node* data = s.Op("Switch").In(x).In(p).Build();
  const Output squeezed = ops::Squeeze(s, Output{data, 1}, {0});
  s.WithName("y").Op("Merge").In({Output{data, 0}, squeezed}).Out();
  ASSERT_TRUE(s.ok()) << s.status().ToString();
  auto session = Start(graph);
  const Tensor four = F({4}, {1, 2, 3, 4});
  EXPECT_TRUE(
      SameTensor(Get(*session, {{"x", four}, {"p", false}}, "y"), four));
  EXPECT_EQ(session->RunOne({{"x", four}, {"p", true}}, "y").code(),
            Code::kInvalidArgument);
  EXPECT_TRUE(
      SameTensor(Get(*session, {{"x", F({1, 2}, {5, 6})}, {"p", true}}, "y"),
                 F({2}, {5, 6})));
}

// As initial values that depend on other variables are written: the variable
// if it has a value, else what it is to begin with.
TEST(CondTest, TheSideNotTakenMayBeUninitialized) {
  Graph graph;
  Scope s(&graph);
  const Output v = ops::Variable(s.WithName("v"), kFloat, Shape{});
  ops::Assign(s.WithName("init"), v, 3.0f);
  const Output known = ops::IsVariableInitialized(s, v);
  Node* read = s.Op("Switch").In(v).In(known).Build();
  Node* first = s.Op("Switch").In(7.0f).In(known).Build();
  s.WithName("y").Op("Merge").In({{first, 0}, {read, 1}}).Out();
  ASSERT_TRUE(s.ok()) << s.status().ToString();
  auto session = Start(graph);
  EXPECT_EQ(Get(*session, {}, "y").scalar<float>(), 7);
  ASSERT_TRUE(session->RunTargets({"init"}).ok());
  EXPECT_EQ(Get(*session, {}, "y").scalar<float>(), 3);
}

// p and q: a cond within a cond.
TEST(CondTest, Nested) {
  Graph graph;
  Scope s(&graph);
  const Output p = ops::Placeholder(s.WithName("p"), kBool, Shape{});
  const Output q = ops::Placeholder(s.WithName("q"), kBool, Shape{});
  const Output x = ops::Placeholder(s.WithName("x"), kFloat, Shape::Unknown());
  Node* outer_x = s.Op("Switch").In(x).In(p).Build();
  Node* outer_q = s.Op("Switch").In(q).In(p).Build();
  Node* inner_x =
      s.Op("Switch").In(Output{outer_x, 1}).In(Output{outer_q, 1}).Build();
  const Output pq = ops::Mul(s, Output{inner_x, 1}, 100.0f);
  const Output p_only = ops::Mul(s, Output{inner_x, 0}, 10.0f);
  const Output inner = s.Op("Merge").In({p_only, pq}).Out();
  const Output none = ops::Neg(s, Output{outer_x, 0});
  const Output merged =
      s.Op("Merge").In({none, ops::Add(s, inner, 1.0f)}).Out();
  ops::Identity(s.WithName("y"), merged);
  ASSERT_TRUE(s.ok()) << s.status().ToString();
  auto session = Start(graph);
  auto run = [&](bool p_value, bool q_value) {
    return Get(*session, {{"p", p_value}, {"q", q_value}, {"x", F({1}, {3})}},
               "y");
  };
  EXPECT_TRUE(SameTensor(run(true, true), F({1}, {301})));
  EXPECT_TRUE(SameTensor(run(true, false), F({1}, {31})));
  EXPECT_TRUE(SameTensor(run(false, true), F({1}, {-3})));
}

// while (i < n) { x = x * f; i = i + 1 } in frames, `f` entering unchanged.
Status AddLoop(const Scope& s, Output n, Output x, Output f) {
  Graph* g = s.graph();
  const AttrMap frame = {{"frame_name", "loop"}};
  AttrMap fixed = frame;
  fixed["is_constant"] = true;
  auto node = [&](std::string name, std::string op, std::vector<Output> in,
                  AttrMap attrs = {}) {
    return g->AddNode({.name = std::move(name),
                       .op = std::move(op),
                       .inputs = std::move(in),
                       .attrs = std::move(attrs)});
  };
  const Output zero = ops::Const(s, int32_t{0});
  LS_ASSIGN_OR_RETURN(Node * i0, node("i0", "Enter", {zero}, frame));
  LS_ASSIGN_OR_RETURN(Node * x0, node("x0", "Enter", {x}, frame));
  LS_ASSIGN_OR_RETURN(Node * nn, node("n_in", "Enter", {n}, fixed));
  LS_ASSIGN_OR_RETURN(Node * ff, node("f_in", "Enter", {f}, fixed));
  LS_ASSIGN_OR_RETURN(Node * bi, node("bi", "_BackEdge", {}, {{"T", kInt32}}));
  LS_ASSIGN_OR_RETURN(Node * bx, node("bx", "_BackEdge", {}, {{"T", kFloat}}));
  LS_ASSIGN_OR_RETURN(Node * ni, node("ni", "NextIteration", {{bi, 0}}));
  LS_ASSIGN_OR_RETURN(Node * nx, node("nx", "NextIteration", {{bx, 0}}));
  LS_ASSIGN_OR_RETURN(Node * mi, node("mi", "Merge", {{i0, 0}, {ni, 0}}));
  LS_ASSIGN_OR_RETURN(Node * mx, node("mx", "Merge", {{x0, 0}, {nx, 0}}));
  LS_ASSIGN_OR_RETURN(Node * less, node("less", "Less", {{mi, 0}, {nn, 0}}));
  LS_ASSIGN_OR_RETURN(Node * cond, node("cond", "LoopCond", {{less, 0}}));
  LS_ASSIGN_OR_RETURN(Node * si, node("si", "Switch", {{mi, 0}, {cond, 0}}));
  LS_ASSIGN_OR_RETURN(Node * sx, node("sx", "Switch", {{mx, 0}, {cond, 0}}));
  LS_ASSIGN_OR_RETURN(Node * pivot, node("pivot", "Identity", {{si, 1}}));
  const Output one = ops::Const(s.WithControlDependencies({pivot}), int32_t{1});
  LS_ASSIGN_OR_RETURN(Node * add, node("add", "AddV2", {{pivot, 0}, one}));
  LS_ASSIGN_OR_RETURN(Node * mul, node("mul", "Mul", {{sx, 1}, {ff, 0}}));
  g->SetInput(ni, 0, {add, 0});
  g->SetInput(nx, 0, {mul, 0});
  g->RemoveNode(bi);
  g->RemoveNode(bx);
  LS_RETURN_IF_ERROR(node("i", "Exit", {{si, 0}}).status());
  return node("y", "Exit", {{sx, 0}}).status();
}

TEST(LoopTest, FramesRunAsLoops) {
  Graph graph;
  Scope s(&graph);
  const Output n = ops::Placeholder(s.WithName("n"), kInt32, Shape{});
  const Output x = ops::Placeholder(s.WithName("x"), kFloat, {2});
  const Output f = ops::Placeholder(s.WithName("f"), kFloat, Shape{});
  const Status added = AddLoop(s, n, x, f);
  ASSERT_TRUE(added.ok()) << added.ToString();
  for (bool optimize : {true, false}) {
    SessionOptions options;
    options.optimize = optimize;
    auto session = Start(graph, options);
    for (int times : {0, 1, 5}) {
      const std::vector<Session::Feed> feeds = {
          {"n", int32_t{times}}, {"x", F({2}, {1, 3})}, {"f", 2.0f}};
      const auto power = static_cast<float>(1 << times);
      EXPECT_TRUE(
          SameTensor(Get(*session, feeds, "y"), F({2}, {power, 3 * power})));
      EXPECT_EQ(Get(*session, feeds, "i").scalar<int32_t>(), times);
    }
  }
}

// Between a Switch and what follows it on both sides, gradients of an optimizer
// have identities that wait for one another.
TEST(LoopTest, IdentitiesMayStandBeforeAnExit) {
  Graph graph;
  Scope s(&graph);
  ASSERT_TRUE(AddLoop(s, ops::Const(s, int32_t{3}), ops::Const(s, 1.0f),
                      ops::Const(s, 2.0f))
                  .ok());
  Node* out = graph.Find("sx");
  Node* gate = graph.AddNode({.name = "gate", .op = "NoOp"}).value();
  graph.AddControlEdge(out, gate);
  auto gated = [&](const char* name, Output of) {
    Node* n =
        graph.AddNode({.name = name, .op = "Identity", .inputs = {of}}).value();
    graph.AddControlEdge(gate, n);
    return n->output(0);
  };
  const Output end = gated("end2", gated("end", out->output(0)));
  graph.SetInput(graph.Find("mul"), 0, gated("on", out->output(1)));
  graph.SetInput(graph.Find("y"), 0, end);
  Result<Tensor> y = Start(graph)->RunOne({}, "y");
  ASSERT_TRUE(y.ok()) << y.status().ToString();
  EXPECT_EQ(y->scalar<float>(), 8);
}

TEST(LoopTest, AnExitHasAnEnter) {
  Graph graph;
  Scope s(&graph);
  s.WithName("y").Op("Exit").In(ops::Const(s, 2.0f)).Build();
  const Result<Tensor> y = Start(graph)->RunOne({}, "y");
  EXPECT_EQ(y.code(), Code::kInvalidArgument);
  EXPECT_THAT(y.status().message(),
              testing::HasSubstr("node 'y' (Exit): Invalid Exit op"));
}

TEST(LoopTest, InsideOfALoopCannotBeFetched) {
  Graph graph;
  Scope s(&graph);
  ASSERT_TRUE(AddLoop(s, ops::Const(s, int32_t{2}), ops::Const(s, 1.0f),
                      ops::Const(s, 2.0f))
                  .ok());
  Result<Tensor> r = Start(graph)->RunOne({}, "mul");
  EXPECT_EQ(r.code(), Code::kInvalidArgument);
  EXPECT_THAT(r.status().message(), testing::HasSubstr("loop"));
}

}  // namespace
}  // namespace lockstep
