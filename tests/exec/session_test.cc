// SPDX-License-Identifier: Apache-2.0
#include "runtime/exec/session.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ops/ops.h"
#include "runtime/graph/passes/fuse_elements.h"

namespace lockstep {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<float> Floats(const Tensor& t) {
  auto span = t.flat<float>();
  return {span.begin(), span.end()};
}

std::unique_ptr<Session> Open(const Graph& graph, SessionOptions options = {}) {
  auto session = Session::Create(graph, std::move(options));
  EXPECT_TRUE(session.ok()) << session.status().ToString();
  return session.ok() ? *std::move(session) : nullptr;
}

class SessionTest : public ::testing::Test {
 protected:
  Graph graph_;
  Scope root_{&graph_};
};

TEST_F(SessionTest, FeedsAndFetches) {
  Output x = ops::Placeholder(root_.WithName("x"), kFloat, Shape{-1, 2});
  ops::Add(root_.WithName("y"), ops::Mul(root_, x, 3.0f), 1.0f);
  auto session = Open(graph_);
  auto out =
      session->Run({{"x:0", Tensor::Of<float>({1, 2}, {1, 2})}}, {"y:0", "x"});
  ASSERT_TRUE(out.ok()) << out.status().ToString();
  EXPECT_THAT(Floats((*out)[0]), ElementsAre(4, 7));
  EXPECT_THAT(Floats((*out)[1]), ElementsAre(1, 2));
  // Another batch size is another plan of the same call.
  auto two = session->RunOne({{"x:0", Tensor::Of<float>({2, 2}, {0, 1, 2, 3})}},
                             "y:0");
  ASSERT_TRUE(two.ok()) << two.status().ToString();
  EXPECT_THAT(Floats(*two), ElementsAre(1, 4, 7, 10));
  // Any tensor may be fed, and cuts off what is above it.
  auto cut =
      session->RunOne({{"Mul:0", Tensor::Of<float>({1, 2}, {5, 6})}}, "y:0");
  ASSERT_TRUE(cut.ok()) << cut.status().ToString();
  EXPECT_THAT(Floats(*cut), ElementsAre(6, 7));
}

TEST_F(SessionTest, ErrorsNameTheCulprit) {
  Output x = ops::Placeholder(root_.WithName("x"), kFloat, Shape{-1, 2});
  ops::Neg(root_.WithName("y"), x);
  ops::NoOp(root_.WithName("nothing"));
  auto session = Open(graph_);
  auto message = [&](std::vector<Session::Feed> feeds, const char* fetch,
                     Code code) {
    auto out = session->RunOne(feeds, fetch);
    EXPECT_EQ(out.code(), code) << out.status().ToString();
    return out.status().message();
  };
  EXPECT_THAT(message({}, "y:0", Code::kInvalidArgument),
              HasSubstr("feed a value for placeholder tensor 'x'"));
  EXPECT_THAT(message({}, "z:0", Code::kNotFound), HasSubstr("'z'"));
  EXPECT_THAT(message({}, "y:1", Code::kInvalidArgument),
              HasSubstr("1 outputs"));
  EXPECT_THAT(message({}, "nothing", Code::kInvalidArgument),
              HasSubstr("run it as a target"));
  EXPECT_THAT(message({{"x:0", Tensor::Of<float>({3}, {1, 2, 3})}}, "y:0",
                      Code::kInvalidArgument),
              HasSubstr("'x:0' has shape [?,2], the value fed has [3]"));
  EXPECT_THAT(message({{"x:0", Tensor::Of<int32_t>({1, 2}, {1, 2})}}, "y:0",
                      Code::kInvalidArgument),
              HasSubstr("has dtype float"));
  EXPECT_EQ(session->RunTargets({}).code(), Code::kInvalidArgument);
}

TEST_F(SessionTest, ABadGraphIsRefusedWithItsFirstError) {
  Output a = ops::Const(root_.WithName("a"), Tensor::Of<float>({2}, {1, 2}));
  Output b = ops::Const(root_.WithName("b"), Tensor::Of<float>({3}, {1, 2, 3}));
  Output bad = ops::Add(root_.WithName("bad"), a, b);
  EXPECT_FALSE(bad.defined());
  EXPECT_FALSE(ops::Neg(root_, bad).defined());
  auto session = Session::Create(graph_);
  EXPECT_EQ(session.code(), Code::kInvalidArgument);
  EXPECT_THAT(session.status().message(), HasSubstr("node 'bad'"));
}

TEST_F(SessionTest, PrunedNodesDoNotRun) {
  Output v = ops::InitializedVariable(root_.WithName("v"), 1.0f);
  ops::AssignAdd(root_.WithName("bump"), v, 1.0f);
  Node* init = ops::VariablesInitializer(root_);
  auto session = Open(graph_);
  ASSERT_TRUE(session->RunTargets({init->name()}).ok());
  EXPECT_EQ(session->RunOne({}, "v:0")->scalar<float>(), 1);
  ASSERT_TRUE(session->RunTargets({"bump"}).ok());
  EXPECT_EQ(session->RunOne({}, "v:0")->scalar<float>(), 2);
}

TEST_F(SessionTest, AFedPlaceholderNeedNotBeWaitedFor) {
  Output x = ops::Placeholder(root_.WithName("x"), kFloat, Shape{});
  ops::Const(root_.WithName("y").WithControlDependencies({x.node}), 3.0f);
  auto session = Open(graph_);
  auto y = session->RunOne({{"x:0", 1.0f}}, "y:0");
  ASSERT_TRUE(y.ok()) << y.status().ToString();
  EXPECT_EQ(y->scalar<float>(), 3);
  EXPECT_THAT(session->RunOne({}, "y:0").status().message(),
              HasSubstr("feed a value for placeholder tensor 'x'"));
}

TEST_F(SessionTest, UninitializedVariablesAreNamed) {
  Output w = ops::Variable(root_.WithName("w"), kFloat, Shape{2});
  ops::Neg(root_.WithName("y"), w);
  auto session = Open(graph_);
  for (const char* fetch : {"y:0", "w:0"}) {
    auto out = session->RunOne({}, fetch);
    EXPECT_EQ(out.code(), Code::kFailedPrecondition) << fetch;
    EXPECT_THAT(out.status().message(), HasSubstr("uninitialized value w"));
  }
}

TEST_F(SessionTest, SessionsHaveTheirOwnVariables) {
  Output v = ops::InitializedVariable(root_.WithName("v"), 1.0f);
  ops::AssignAdd(root_.WithName("bump"), v, 1.0f);
  Node* init = ops::VariablesInitializer(root_);
  auto a = Open(graph_), b = Open(graph_);
  ASSERT_TRUE(a->RunTargets({init->name()}).ok());
  ASSERT_TRUE(b->RunTargets({init->name()}).ok());
  ASSERT_TRUE(a->RunTargets({"bump"}).ok());
  EXPECT_EQ(a->RunOne({}, "v:0")->scalar<float>(), 2);
  EXPECT_EQ(b->RunOne({}, "v:0")->scalar<float>(), 1);
}

// The value read sees the variable before the update, even though the reader
// can only run after it.
TEST_F(SessionTest, AReadThatCrossesAnUpdateIsASnapshot) {
  Output v = ops::InitializedVariable(root_.WithName("v"), 10.0f);
  Output before = ops::Identity(root_.WithName("before"), v);
  Output bumped = ops::AssignAdd(root_.WithName("bump"), v, 1.0f);
  Output after = ops::Identity(
      root_.WithName("after").WithControlDependencies({bumped.node}), v);
  ops::Sub(root_.WithName("difference"), after, before);
  Node* init = ops::VariablesInitializer(root_);
  auto session = Open(graph_);
  ASSERT_TRUE(session->RunTargets({init->name()}).ok());
  for (int i = 0; i < 3; ++i) {
    auto out = session->Run({}, {"difference:0", "before:0", "after:0"});
    ASSERT_TRUE(out.ok()) << out.status().ToString();
    EXPECT_EQ((*out)[0].scalar<float>(), 1);
    EXPECT_EQ((*out)[1].scalar<float>(), 10 + i);
    EXPECT_EQ((*out)[2].scalar<float>(), 11 + i);
  }
}

// As TensorFlow builds tf.identity(v) under
// control_dependencies([v.assign(5)]).
TEST_F(SessionTest, AReadThatWaitsForAnUpdateSeesItThroughAnOlderRead) {
  Output v = ops::InitializedVariable(root_.WithName("v"), 1.0f);
  Output old_read = ops::Identity(root_.WithName("old"), v);
  Output assigned = ops::Assign(root_.WithName("assign"), v, 5.0f);
  const Scope later = root_.WithControlDependencies({assigned.node});
  ops::Identity(later.WithName("y"), old_read);
  ops::Mul(later.WithName("twice"), old_read, 2.0f);
  Node* init = ops::VariablesInitializer(root_);
  auto session = Open(graph_);
  for (const char* fetch : {"y:0", "twice:0"}) {
    ASSERT_TRUE(session->RunTargets({init->name()}).ok());
    auto out = session->RunOne({}, fetch);
    ASSERT_TRUE(out.ok()) << out.status().ToString();
    EXPECT_EQ(out->scalar<float>(), fetch[0] == 'y' ? 5 : 10);
  }
}

TEST_F(SessionTest, ReadsNeedNoCopyWhenTheOrderSuffices) {
  Output v = ops::InitializedVariable(root_.WithName("v"), 1.0f);
  Output read = ops::Identity(root_.WithName("read"), v);
  Output twice = ops::Mul(root_.WithName("twice"), read, 2.0f);
  Output next = ops::Assign(root_.WithName("next"), v, twice);
  Node* init = ops::VariablesInitializer(root_);
  auto session = Open(graph_);
  ASSERT_TRUE(session->RunTargets({init->name()}).ok());
  auto info = session->Explain({}, {}, {next.node->name()});
  ASSERT_TRUE(info.ok());
  EXPECT_EQ(info->num_steps, 2) << Join(info->steps, "\n");
  ASSERT_TRUE(session->RunTargets({"next"}).ok());
  ASSERT_TRUE(session->RunTargets({"next"}).ok());
  EXPECT_EQ(session->RunOne({}, "v:0")->scalar<float>(), 4);
}

TEST_F(SessionTest, ConstantsAndShapesFoldAway) {
  Output x = ops::Placeholder(root_.WithName("x"), kFloat, Shape{-1, 3});
  Output n = ops::Cast(root_, ops::Slice(root_, ops::Shape(root_, x), {0}, {1}),
                       kFloat);
  ops::Mul(root_.WithName("y"), x,
           ops::Reshape(root_, n, Tensor(kInt32, Shape{0})));
  auto session = Open(graph_);
  const std::vector<Session::Feed> feeds = {
      {"x:0", Tensor(kFloat, Shape{4, 3})}};
  auto info = session->Explain(feeds, {"y:0"});
  ASSERT_TRUE(info.ok()) << info.status().ToString();
  EXPECT_EQ(info->num_steps, 1) << Join(info->steps, "\n");
  EXPECT_EQ(info->num_dynamic_steps, 0);
}

TEST_F(SessionTest, ElementwiseChainsRunInOneBuffer) {
  Output x = ops::Placeholder(root_.WithName("x"), kFloat, Shape{1024});
  Output y = x;
  for (int i = 0; i < 10; ++i) y = ops::Neg(root_, y);
  for (const bool fused : {false, true}) {
    SessionOptions options;
    options.services.push_back([fused](SessionResources& r) {
      r.SetService(std::make_shared<Fusion>(Fusion{.on = fused}));
    });
    auto session = Open(graph_, options);
    auto info =
        session->Explain({{"x:0", Tensor(kFloat, Shape{1024})}}, {y.name()});
    ASSERT_TRUE(info.ok());
    EXPECT_EQ(info->num_steps, fused ? 1 : 10);
    EXPECT_EQ(info->arena_bytes, 0u);
    EXPECT_EQ(info->devices[0].result_bytes, 4096u);
  }
}

// Both operands die in the product, which may take over one of them only.
TEST_F(SessionTest, AResultTakesOverOneDyingOperand) {
  Output x = ops::Placeholder(root_.WithName("x"), kFloat, Shape{2});
  Output a = ops::Exp(root_, x);
  Output b = ops::Neg(root_, a);
  ops::Sub(root_.WithName("y"), b, a);
  auto session = Open(graph_);
  auto out = session->RunOne({{"x:0", Tensor::Of<float>({2}, {0, 0})}}, "y:0");
  ASSERT_TRUE(out.ok()) << out.status().ToString();
  EXPECT_THAT(Floats(*out), ElementsAre(-2, -2));
}

TEST_F(SessionTest, ShapesThatDependOnDataRunAsDynamicSteps) {
  Output x = ops::Placeholder(root_.WithName("x"), kFloat);
  Output dims = ops::Placeholder(root_.WithName("dims"), kInt32, Shape{-1});
  Output y = ops::Reshape(root_, ops::Neg(root_, x), dims);
  ops::Neg(root_.WithName("z"), y);
  auto session = Open(graph_);
  const Tensor values = Tensor::Of<float>({4}, {1, 2, 3, 4});
  for (auto shape : {std::vector<int32_t>{2, 2}, std::vector<int32_t>{1, 4},
                     std::vector<int32_t>{2, 2}}) {
    auto out = session->RunOne(
        {{"x:0", values}, {"dims:0", Tensor::Vector(shape)}}, "z:0");
    ASSERT_TRUE(out.ok()) << out.status().ToString();
    EXPECT_EQ(out->shape(), (Shape{shape[0], shape[1]}));
    EXPECT_THAT(Floats(*out), ElementsAre(1, 2, 3, 4));
  }
  auto info = session->Explain(
      {{"x:0", values}, {"dims:0", Tensor::Vector(std::vector<int32_t>{4})}},
      {"z:0"});
  ASSERT_TRUE(info.ok());
  EXPECT_EQ(info->num_dynamic_steps, 2) << Join(info->steps, "\n");
}

TEST_F(SessionTest, CallablesReuseTheirFetches) {
  Output x = ops::Placeholder(root_.WithName("x"), kFloat, Shape{-1});
  Output y = ops::Neg(root_, x);
  auto session = Open(graph_);
  auto call = session->MakeCallable({x}, {y});
  ASSERT_TRUE(call.ok()) << call.status().ToString();
  std::vector<Tensor> out;
  const Tensor feed = Tensor::Of<float>({3}, {1, 2, 3});
  ASSERT_TRUE((*call)->Run({&feed, 1}, &out).ok());
  const void* first = out[0].data();
  ASSERT_TRUE((*call)->Run({&feed, 1}, &out).ok());
  EXPECT_EQ(out[0].data(), first);
  // A result that the caller kept is left alone.
  const Tensor kept = out[0];
  const Tensor other = Tensor::Of<float>({3}, {7, 8, 9});
  ASSERT_TRUE((*call)->Run({&other, 1}, &out).ok());
  EXPECT_THAT(Floats(kept), ElementsAre(-1, -2, -3));
  EXPECT_THAT(Floats(out[0]), ElementsAre(-7, -8, -9));
  EXPECT_EQ((*call)->Run({}, &out).code(), Code::kInvalidArgument);
}

TEST_F(SessionTest, UnalignedFeedsGiveTheSameResult) {
  Output x = ops::Placeholder(root_.WithName("x"), kFloat, Shape{3});
  ops::Neg(root_.WithName("y"), ops::Reshape(root_, x, {1, 3}));
  auto session = Open(graph_);
  std::vector<float> storage = {0, 1, 2, 3, 4, 5, 6};
  for (size_t start = 0; start < 4; ++start) {
    auto out = session->RunOne(
        {{"x:0", Tensor::Borrow(kFloat, Shape{3}, &storage[start])}}, "y:0");
    ASSERT_TRUE(out.ok());
    EXPECT_EQ(out->flat<float>()[2], -static_cast<float>(start + 2));
  }
}

TEST_F(SessionTest, ALimitBelowTheNeedIsRefusedBeforeTheFirstStep) {
  Output x = ops::Placeholder(root_.WithName("x"), kFloat, Shape{-1});
  ops::Neg(root_.WithName("y"), x);
  const Tensor feed(kFloat, Shape{1 << 20});
  for (uint64_t limit : {uint64_t{4} << 20, (uint64_t{4} << 20) - 1}) {
    SessionOptions options;
    options.cpu_memory_limit = limit;
    auto session = Open(graph_, options);
    auto out = session->RunOne({{"x:0", feed}}, "y:0");
    if (limit == uint64_t{4} << 20) {
      EXPECT_TRUE(out.ok()) << out.status().ToString();
    } else {
      EXPECT_EQ(out.code(), Code::kResourceExhausted);
      EXPECT_THAT(out.status().message(), HasSubstr("y:0 4.0 MiB"));
    }
  }
}

TEST_F(SessionTest, ADeviceThatDoesNotExistFailsEveryRunOfTheGraph) {
  ops::Const(root_.WithName("a").WithDevice("/gpu:7"), Tensor(1.0f));
  ops::Const(root_.WithName("b"), Tensor(2.0f));
  auto strict = Open(graph_);
  auto out = strict->RunOne({}, "b:0");
  EXPECT_EQ(out.code(), Code::kInvalidArgument);
  EXPECT_THAT(out.status().message(), HasSubstr("'/gpu:7'"));
  SessionOptions soft;
  soft.allow_soft_placement = true;
  EXPECT_EQ(Open(graph_, soft)->RunOne({}, "a:0")->scalar<float>(), 1);
}

TEST_F(SessionTest, RandomNumbersDependOnSeedAndStepOnly) {
  Output u = ops::RandomUniform(root_.WithName("u"), {1000}, kFloat);
  auto draw = [&](Session& s) { return s.RunOne({}, u.name()).value(); };
  SessionOptions one, two;
  one.intra_op_threads = 1;
  two.intra_op_threads = 2;
  auto a = Open(graph_, one), b = Open(graph_, two);
  const Tensor first = draw(*a), second = draw(*a);
  EXPECT_FALSE(BitwiseEqual(first, second));
  EXPECT_TRUE(BitwiseEqual(first, draw(*b)));
  EXPECT_TRUE(BitwiseEqual(second, draw(*b)));
  EXPECT_EQ(a->resources().random_step(), 2u);
  a->resources().set_random_step(1);
  EXPECT_TRUE(BitwiseEqual(second, draw(*a)));
}

TEST_F(SessionTest, OptimizationDoesNotChangeResults) {
  Output x = ops::Placeholder(root_.WithName("x"), kFloat, Shape{-1, 2});
  Output w = ops::Const(root_, Tensor::Of<float>({2, 2}, {1, 2, 3, 4}));
  Output y = ops::Add(root_, ops::Mul(root_, x, x), ops::Mul(root_, x, x));
  Output z = ops::Sum(root_, ops::Mul(root_, y, ops::Sum(root_, w, {0})),
                      ops::Const(root_, Tensor::Of<int32_t>({1}, {1})));
  SessionOptions plain;
  plain.optimize = false;
  const Session::Feed feed = {"x:0", Tensor::Of<float>({2, 2}, {1, 2, 3, 4})};
  auto a = Open(graph_), b = Open(graph_, plain);
  EXPECT_TRUE(BitwiseEqual(a->RunOne({feed}, z.name()).value(),
                           b->RunOne({feed}, z.name()).value()));
  EXPECT_LT(a->Explain({feed}, {z.name()})->num_steps,
            b->Explain({feed}, {z.name()})->num_steps);
}

}  // namespace
}  // namespace lockstep
