// SPDX-License-Identifier: Apache-2.0
// Calls, branches and loops over the functions of a library.
#include "runtime/graph/function.h"

#include "ops/ops.h"
#include "runtime/graph/graph_def.h"
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

// A library with functions of one float argument.
class FunctionTest : public testing::Test {
 protected:
  using BuildFn = std::function<Output(const Scope&, Output)>;
  void Define(const std::string& name, const BuildFn& build) {
    Function f{.name = name};
    Scope s(&f.body);
    const Output x =
        s.WithName("x").Op("_Arg").Attr("T", kFloat).Attr("index", 0).Out();
    f.args = {x.node};
    f.results = {build(s, x)};
    ASSERT_TRUE(f.body.status().ok()) << f.body.status().ToString();
    ASSERT_TRUE(library_->Add(std::move(f)).ok());
    graph_.set_functions(library_);
  }
  static AttrMap Types(std::map<std::string, std::string> functions) {
    AttrMap attrs = {{"Tin", std::vector<DType>{kFloat}},
                     {"Tout", std::vector<DType>{kFloat}}};
    for (auto& [attr, f] : functions) attrs[attr] = FunctionRef{.name = f};
    return attrs;
  }
  Output Make(const std::string& name, const std::string& op,
              std::vector<Output> in, AttrMap attrs) {
    Result<Node*> n = graph_.AddNode({.name = name,
                                      .op = op,
                                      .inputs = std::move(in),
                                      .attrs = std::move(attrs)});
    EXPECT_TRUE(n.ok()) << n.status().ToString();
    return n.ok() ? Output{*n, 0} : Output{};
  }

  Graph graph_;
  Scope s_{&graph_};
  std::shared_ptr<FunctionLibrary> library_ =
      std::make_shared<FunctionLibrary>();
};

TEST_F(FunctionTest, CallsAreInlined) {
  Define("square", [](const Scope& s, Output x) { return ops::Mul(s, x, x); });
  const Output x = ops::Placeholder(s_.WithName("x"), kFloat, {2});
  const Output y = Make("y", "PartitionedCall", {x}, Types({{"f", "square"}}));
  Make("z", "PartitionedCall", {y}, Types({{"f", "square"}}));
  auto session = Start(graph_);
  EXPECT_TRUE(SameTensor(Get(*session, {{"x", F({2}, {2, 3})}}, "z"),
                         F({2}, {16, 81})));
}

// Two functions: `outer` calls `both`, whose results are named there, by a node
// whose op is `both`.
constexpr const char* kFunctionAsOp = R"(
  node { name: "x" op: "Placeholder"
         attr { key: "dtype" value { type: DT_FLOAT } } }
  node { name: "y" op: "outer" input: "x" }
  library {
    function {
      signature { name: "both" input_arg { name: "v" type: DT_FLOAT }
                  output_arg { name: "twice" type: DT_FLOAT }
                  output_arg { name: "output" type: DT_FLOAT } }
      node_def { name: "a" op: "AddV2" input: "v" input: "v"
                 attr { key: "T" value { type: DT_FLOAT } } }
      node_def { name: "n" op: "Neg" input: "v"
                 attr { key: "T" value { type: DT_FLOAT } } }
      ret { key: "twice" value: "a:z:0" } ret { key: "output" value: "n:y:0" }
    }
    function {
      signature { name: "outer" input_arg { name: "v" type: DT_FLOAT }
                  output_arg { name: "product" type: DT_FLOAT } }
      node_def { name: "call" op: "both" input: "v" }
      node_def { name: "m" op: "Mul"
                 input: "call:twice:0" input: "call:output:0"
                 attr { key: "T" value { type: DT_FLOAT } } }
      ret { key: "product" value: "m:z:0" }
    }
  })";

TEST_F(FunctionTest, ResultsOfAnOpThatIsAFunctionGoByTheirNames) {
  Result<Graph> graph = FromGraphDefText(kFunctionAsOp);
  ASSERT_TRUE(graph.ok()) << graph.status().ToString();
  auto session = Start(*graph);
  EXPECT_TRUE(SameTensor(Get(*session, {{"x", F({2}, {2, 3})}}, "y"),
                         F({2}, {-8, -18})));
}

// As graphs of TensorFlow 1 have it: the gradients of a function, by its name.
TEST_F(FunctionTest, SymbolicGradientIsTheGradientOfAFunction) {
  Define("cube", [](const Scope& s, Output x) {
    return ops::Mul(s, ops::Mul(s, x, x), x);
  });
  Define("constant",
         [](const Scope& s, Output) { return ops::Const(s, 3.0f); });
  const Output x = ops::Placeholder(s_.WithName("x"), kFloat, {2});
  const Output dy = ops::Const(s_, F({2}, {1, 10}));
  const auto attrs = [](const std::string& f) {
    return AttrMap{{"Tin", std::vector<DType>{kFloat, kFloat}},
                   {"Tout", std::vector<DType>{kFloat}},
                   {"f", FunctionRef{.name = f}}};
  };
  Make("dx", "SymbolicGradient", {x, dy}, attrs("cube"));
  Make("none", "SymbolicGradient", {x, ops::Const(s_, 1.0f)},
       attrs("constant"));
  Make("lacks", "SymbolicGradient", {x, dy}, attrs("cubic"));
  Make("few", "SymbolicGradient", {x},
       {{"Tin", std::vector<DType>{kFloat}},
        {"Tout", std::vector<DType>{kFloat}},
        {"f", FunctionRef{.name = "cube"}}});
  auto session = Start(graph_);
  const Tensor v = F({2}, {2, -3});
  EXPECT_TRUE(SameTensor(Get(*session, {{"x", v}}, "dx"), F({2}, {12, 270})));
  EXPECT_TRUE(SameTensor(Get(*session, {{"x", v}}, "none"), F({2}, {0, 0})));
  EXPECT_EQ(session->RunOne({{"x", v}}, "lacks").status().code(),
            Code::kNotFound);
  EXPECT_EQ(session->RunOne({{"x", v}}, "few").status().code(),
            Code::kInvalidArgument);
}

TEST_F(FunctionTest, TheLibraryMayNameTheFunctionOfAGradient) {
  Define("cube", [](const Scope& s, Output x) {
    return ops::Mul(s, ops::Mul(s, x, x), x);
  });
  Function f{.name = "its_gradient"};
  Scope s(&f.body);
  for (int i = 0; i < 2; ++i) {
    f.args.push_back(
        s.Op("_Arg").Attr("T", kFloat).Attr("index", i).Out().node);
  }
  f.results = {ops::Add(s, f.args[0]->output(0), f.args[1]->output(0))};
  ASSERT_TRUE(library_->Add(std::move(f)).ok());
  library_->SetGradient("cube", "its_gradient");
  const Output x = ops::Placeholder(s_.WithName("x"), kFloat, {2});
  Make("dx", "SymbolicGradient", {x, ops::Const(s_, F({2}, {1, 10}))},
       {{"Tin", std::vector<DType>{kFloat, kFloat}},
        {"Tout", std::vector<DType>{kFloat}},
        {"f", FunctionRef{.name = "cube"}}});
  Result<std::string> def = ToGraphDef(graph_);
  ASSERT_TRUE(def.ok()) << def.status().ToString();
  Result<Graph> read = FromGraphDef(*def);
  ASSERT_TRUE(read.ok()) << read.status().ToString();
  auto session = Start(*read);
  EXPECT_TRUE(SameTensor(Get(*session, {{"x", F({2}, {2, -3})}}, "dx"),
                         F({2}, {3, 7})));
}

TEST_F(FunctionTest, EffectsOfACallComeBeforeItsResults) {
  ops::AssignVariableOp(s_.WithName("init"),
                        ops::VarHandleOp(s_.WithName("v"), kFloat, Shape{}),
                        1.0f);
  Define("store", [](const Scope& s, Output x) {
    const Output v = s.WithName("v")
                         .Op("VarHandleOp")
                         .Attr("dtype", kFloat)
                         .Attr("shape", Shape{})
                         .Out();
    ops::AssignVariableOp(s, v, x);
    return ops::Neg(s, x);
  });
  Make("y", "StatefulPartitionedCall", {ops::Const(s_, 4.0f)},
       Types({{"f", "store"}}));
  ops::ReadVariableOp(
      s_.WithName("now").WithControlDependencies({graph_.Find("y")}),
      graph_.Find("v")->output(0), kFloat);
  auto session = Start(graph_);
  ASSERT_TRUE(session->RunTargets({"init"}).ok());
  EXPECT_EQ(Get(*session, {}, "y").scalar<float>(), -4);
  EXPECT_EQ(Get(*session, {}, "now").scalar<float>(), 4);
}

// A value of unknown size is given to the caller once, to others as a copy.
TEST_F(FunctionTest, ABranchMayGiveOneValueTwice) {
  for (const char* name : {"yes", "no"}) {
    Function f{.name = name};
    Scope s(&f.body);
    f.args = {s.Op("_Arg").Attr("T", kFloat).Attr("index", 0).Out().node};
    const Output x{f.args[0], 0};
    // Its size is not known when the plan is made.
    const Output places = s.Op("Where").In(ops::Greater(s, x, 0.0f)).Out();
    const Output y = ops::Mul(s, ops::GatherNd(s, x, places), 2.0f);
    f.results = {y, y};
    ASSERT_TRUE(library_->Add(std::move(f)).ok());
  }
  graph_.set_functions(library_);
  const Output p = ops::Placeholder(s_.WithName("p"), kBool, Shape{});
  const Output x = ops::Placeholder(s_.WithName("x"), kFloat, {2});
  AttrMap attrs = Types({{"then_branch", "yes"}, {"else_branch", "no"}});
  attrs["Tout"] = std::vector<DType>{kFloat, kFloat};
  const Output both = Make("if", "If", {p, x}, attrs);
  ops::Add(s_.WithName("y"), both, both.node->output(1));
  auto session = Start(graph_);
  for (int run = 0; run < 2; ++run) {
    EXPECT_TRUE(
        SameTensor(Get(*session, {{"x", F({2}, {-1, 3})}, {"p", true}}, "y"),
                   F({1}, {12})));
  }
}

TEST_F(FunctionTest, IfRunsOneBranch) {
  Define("yes", [](const Scope& s, Output x) { return ops::Mul(s, x, 2.0f); });
  Define("no", [](const Scope& s, Output x) {
    return ops::Concat(s, {x, x}, 0);
  });
  const Output p = ops::Placeholder(s_.WithName("p"), kBool, Shape{});
  const Output x = ops::Placeholder(s_.WithName("x"), kFloat, {2});
  const Output y = Make("if", "If", {p, x},
                        Types({{"then_branch", "yes"}, {"else_branch", "no"}}));
  ops::Neg(s_.WithName("y"), y);
  auto session = Start(graph_);
  const Tensor v = F({2}, {1, 2});
  EXPECT_TRUE(SameTensor(Get(*session, {{"x", v}, {"p", true}}, "y"),
                         F({2}, {-2, -4})));
  EXPECT_TRUE(SameTensor(Get(*session, {{"x", v}, {"p", false}}, "y"),
                         F({4}, {-1, -2, -1, -2})));
}

TEST_F(FunctionTest, AFunctionThatDoesNotFitFailsWhenItRuns) {
  const auto seven = [](const Scope& s, Output x) {
    return ops::Reshape(s, x, {7});
  };
  Define("seven", seven);
  Define("same", [](const Scope& s, Output x) { return ops::Neg(s, x); });
  Define("never", [](const Scope& s, Output x) {
    return ops::Less(s, ops::Size(s, x), int32_t{0});
  });
  const Output p = ops::Placeholder(s_.WithName("p"), kBool, Shape{});
  const Output x = ops::Placeholder(s_.WithName("x"), kFloat);
  Make("if", "If", {p, x},
       Types({{"then_branch", "seven"}, {"else_branch", "same"}}));
  AttrMap loop = {{"T", std::vector<DType>{kFloat}},
                  {"cond", FunctionRef{.name = "never"}},
                  {"body", FunctionRef{.name = "seven"}}};
  Make("while", "While", {x}, std::move(loop));
  auto session = Start(graph_);
  const Tensor v = F({2}, {1, 2});
  EXPECT_TRUE(SameTensor(Get(*session, {{"x", v}, {"p", false}}, "if"),
                         F({2}, {-1, -2})));
  EXPECT_EQ(session->RunOne({{"x", v}, {"p", true}}, "if").code(),
            Code::kInvalidArgument);
  EXPECT_TRUE(SameTensor(Get(*session, {{"x", v}}, "while"), v));
}

TEST_F(FunctionTest, WhileOfAGrowingValue) {
  Define("small", [](const Scope& s, Output x) {
    return ops::Less(s, ops::Size(s, x), int32_t{20});
  });
  Define("twice", [](const Scope& s, Output x) {
    return ops::Concat(s, {x, ops::Mul(s, x, 2.0f)}, 0);
  });
  AttrMap attrs = {{"T", std::vector<DType>{kFloat}},
                   {"cond", FunctionRef{.name = "small"}},
                   {"body", FunctionRef{.name = "twice"}}};
  const Output x = ops::Placeholder(s_.WithName("x"), kFloat, {-1});
  ops::Sum(s_.WithName("y"), Make("while", "While", {x}, std::move(attrs)),
           {0});
  auto session = Start(graph_);
  // 1 -> 32 values, the sum is tripled five times.
  EXPECT_EQ(Get(*session, {{"x", F({1}, {1})}}, "y").scalar<float>(), 243);
  EXPECT_EQ(Get(*session, {{"x", F({1}, {2})}}, "while").NumElements(), 32);
  EXPECT_EQ(Get(*session, {{"x", F({3}, {1, 1, 1})}}, "y").scalar<float>(),
            3 * 27);
}

// f(x) = x <= 1 ? 1 : x * f(x - 1)
TEST_F(FunctionTest, Recursion) {
  Define("one", [](const Scope& s, Output x) { return ops::OnesLike(s, x); });
  Define("step", [](const Scope& s, Output x) {
    Result<Node*> call =
        s.graph()->AddNode({.name = "call",
                            .op = "PartitionedCall",
                            .inputs = {ops::Sub(s, x, 1.0f)},
                            .attrs = Types({{"f", "factorial"}})});
    return ops::Mul(s, x, Output{*call, 0});
  });
  Define("factorial", [](const Scope& s, Output x) {
    Result<Node*> branch = s.graph()->AddNode(
        {.name = "if",
         .op = "If",
         .inputs = {ops::LessEqual(s, x, 1.0f), x},
         .attrs = Types({{"then_branch", "one"}, {"else_branch", "step"}})});
    return Output{*branch, 0};
  });
  Define("endless", [](const Scope& s, Output x) {
    Result<Node*> call =
        s.graph()->AddNode({.name = "call",
                            .op = "PartitionedCall",
                            .inputs = {x},
                            .attrs = Types({{"f", "endless"}})});
    return Output{*call, 0};
  });
  const Output x = ops::Placeholder(s_.WithName("x"), kFloat, Shape{});
  Make("y", "PartitionedCall", {x}, Types({{"f", "factorial"}}));
  Make("z", "PartitionedCall", {x}, Types({{"f", "endless"}}));
  auto session = Start(graph_);
  EXPECT_EQ(Get(*session, {{"x", 5.0f}}, "y").scalar<float>(), 120);
  Result<Tensor> z = session->RunOne({{"x", 5.0f}}, "z");
  EXPECT_EQ(z.code(), Code::kInvalidArgument) << z.status().ToString();
  // Deeper than functions may nest: an error, no crash.
  Result<Tensor> deep = session->RunOne({{"x", 1000.0f}}, "y");
  EXPECT_EQ(deep.code(), Code::kInvalidArgument) << deep.status().ToString();
}

TEST_F(FunctionTest, UnknownFunctionsAndWrongTypesAreErrors) {
  Define("square", [](const Scope& s, Output x) { return ops::Mul(s, x, x); });
  Make("a", "PartitionedCall", {ops::Const(s_, 1.0f)}, Types({{"f", "sqare"}}));
  AttrMap wrong = Types({{"f", "square"}});
  wrong["Tin"] = std::vector<DType>{kInt32};
  Make("b", "PartitionedCall", {ops::Const(s_, int32_t{1})}, std::move(wrong));
  auto session = Start(graph_);
  Result<Tensor> a = session->RunOne({}, "a");
  EXPECT_EQ(a.code(), Code::kNotFound);
  EXPECT_THAT(a.status().message(), testing::HasSubstr("'square'"));
  EXPECT_EQ(session->RunOne({}, "b").code(), Code::kInvalidArgument);
}

}  // namespace
}  // namespace lockstep
