// SPDX-License-Identifier: Apache-2.0
// One graph over the ranks, over every communicator; rank_runner.h says which.
#include "distributed/task_channel.h"
#include "ops/ops.h"
#include "runtime/exec/session.h"
#include "runtime/graph/gradients.h"
#include "tests/distributed/communicator_suite.h"

namespace lockstep {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Feeds = std::vector<Session::Feed>;

// The two tasks of a graph; on one process both are where everything is.
struct Places {
  std::string first = "/task:0", second = "/task:1";
};
const Places kOnePlace = {.first = "", .second = ""};

class TasksTest : public CommunicatorTestBase {
 protected:
  void SetUp() override {
    if (size() < 2) GTEST_SKIP() << "two tasks need two ranks";
  }
};
INSTANTIATE_TEST_SUITE_P(Backends, TasksTest, ::testing::ValuesIn(RankSetups()),
                         SetupName);

std::unique_ptr<Session> Open(const Graph& graph, Communicator* ranks,
                              int gpus = 0) {
  SessionOptions options;
  options.intra_op_threads = 1;
  options.gpu_options.virtual_gpus.count = gpus;
  if (ranks) {
    EXPECT_OK(UseTasks(*ranks, &options));
  }
  auto session = Session::Create(graph, std::move(options));
  EXPECT_TRUE(session.ok()) << session.status().ToString();
  return session.ok() ? *std::move(session) : nullptr;
}

std::vector<float> Floats(const Tensor& t) {
  const auto span = t.flat<float>();
  return {span.begin(), span.end()};
}

std::vector<float> Fetch(Session& session, const Feeds& feeds,
                         const std::string& name) {
  const Result<Tensor> value = session.RunOne(feeds, name);
  EXPECT_TRUE(value.ok()) << value.status().ToString();
  return value.ok() ? Floats(*value) : std::vector<float>{};
}

TEST_P(TasksTest, EveryRankFetchesWhatAnyTaskMade) {
  Run([&](Communicator& ranks) {
    Graph graph;
    const Scope root(&graph);
    const Output x = ops::Placeholder(root.WithName("x"), kFloat, Shape{2});
    const Output h =
        ops::Mul(root.WithName("h").WithDevice("/task:0"), x, 2.0f);
    ops::Add(root.WithName("y").WithDevice("/task:1"), h, x);
    auto session = Open(graph, &ranks);
    for (int run = 0; run < 3; ++run) {
      const auto r = static_cast<float>(run);
      const Feeds feeds = {{"x:0", Tensor::Of<float>({2}, {1 + r, 5})}};
      auto got = session->Run(feeds, {"y:0", "h:0", "x:0"});
      ASSERT_TRUE(got.ok()) << got.status().ToString();
      EXPECT_THAT(Floats((*got)[0]), ElementsAre(3 + 3 * r, 15));
      EXPECT_THAT(Floats((*got)[1]), ElementsAre(2 + 2 * r, 10));
      EXPECT_THAT(Floats((*got)[2]), ElementsAre(1 + r, 5));
    }
  });
}

TEST_P(TasksTest, ARankReadsItsOwnFeedsAndSendsNone) {
  Run([&](Communicator& ranks) {
    Graph graph;
    const Scope root(&graph);
    const Output x = ops::Placeholder(root.WithName("x"), kFloat, Shape{1});
    ops::Neg(root.WithName("a").WithDevice("/task:0"), x);
    ops::Neg(root.WithName("b").WithDevice("/task:1"), x);
    auto session = Open(graph, &ranks);
    const auto own = static_cast<float>(ranks.rank());
    auto got =
        session->Run({{"x:0", Tensor::Of<float>({1}, {own})}}, {"a:0", "b:0"});
    ASSERT_TRUE(got.ok()) << got.status().ToString();
    EXPECT_THAT(Floats((*got)[0]), ElementsAre(0));
    EXPECT_THAT(Floats((*got)[1]), ElementsAre(-1));
  });
}

// Two layers, one on each task, trained by gradient descent.
struct TwoLayers {
  explicit TwoLayers(const Places& places) {
    const Scope first = root.WithDevice(places.first);
    const Scope second = root.WithDevice(places.second);
    const Output x = ops::Placeholder(root.WithName("x"), kFloat, Shape{-1, 3});
    const Output y = ops::Placeholder(root.WithName("y"), kFloat, Shape{-1, 1});
    const Output w1 = ops::InitializedVariable(
        first.WithName("w1"),
        ops::TruncatedNormal(first.WithSeed(3), {3, 4}, kFloat));
    const Output w2 = ops::InitializedVariable(
        second.WithName("w2"),
        ops::TruncatedNormal(second.WithSeed(3), {4, 1}, kFloat));
    const Output h = ops::Tanh(first, ops::MatMul(first, x, w1));
    const Output out = ops::MatMul(second, h, w2);
    loss = ops::Mean(second.WithName("loss"),
                     ops::Square(second, ops::Sub(second, out, y)), {0, 1});
    std::vector<Output> gradients;
    graph.UpdateStatus(AddGradients(root, {loss}, {w1, w2}, &gradients));
    if (!root.ok()) return;
    const std::vector<Node*> steps = {
        ops::ApplyGradientDescent(first, w1, 0.1f, gradients[0]),
        ops::ApplyGradientDescent(second, w2, 0.1f, gradients[1])};
    root.WithName("train").WithControlDependencies(steps).Op("NoOp").Build();
    ops::VariablesInitializer(root.WithName("init"));
  }
  Graph graph;
  Scope root{&graph};
  Output loss;
};

Feeds Samples(int64_t n, float shift) {
  Tensor x(kFloat, Shape{n, 3}), y(kFloat, Shape{n, 1});
  for (int64_t i = 0; i < n; ++i) {
    const auto row = static_cast<size_t>(i);
    for (size_t j = 0; j < 3; ++j) {
      x.flat<float>()[3 * row + j] =
          static_cast<float>((row * 5 + j * 3) % 7) / 7.0f - shift;
    }
    y.flat<float>()[row] = x.flat<float>()[3 * row] - 0.5f;
  }
  return {{"x:0", x}, {"y:0", y}};
}

std::vector<float> Losses(Session& session) {
  EXPECT_OK(session.RunTargets({"init"}));
  std::vector<float> losses;
  for (int step = 0; step < 12; ++step) {
    // Batches of two sizes: two plans that take turns.
    auto got =
        session.Run(Samples(step % 3 ? 6 : 4, 0.1f), {"loss:0"}, {"train"});
    EXPECT_TRUE(got.ok()) << got.status().ToString();
    if (!got.ok()) break;
    losses.push_back((*got)[0].scalar<float>());
  }
  return losses;
}

TEST_P(TasksTest, AModelOnTwoTasksTrainsAsOnOne) {
  const TwoLayers alone(kOnePlace);
  ASSERT_TRUE(alone.root.ok()) << alone.root.status().ToString();
  const std::vector<float> want = Losses(*Open(alone.graph, nullptr));
  ASSERT_LT(want.back(), 0.5f * want.front());
  Run([&](Communicator& ranks) {
    const TwoLayers model(Places{});
    auto session = Open(model.graph, &ranks);
    EXPECT_EQ(Losses(*session), want);  // bit for bit
    // Each variable is on its own task.
    VariableStore& variables = session->resources().variables();
    EXPECT_EQ(variables.Find("w1") != nullptr, ranks.rank() == 0);
    EXPECT_EQ(variables.Find("w2") != nullptr, ranks.rank() == 1);
    EXPECT_EQ(Fetch(*session, {}, "w1:0").size(), 12u);
    EXPECT_EQ(Fetch(*session, {}, "w2:0").size(), 4u);
  });
}

TEST_P(TasksTest, TheGpusOfTwoTasksTrainAsOneProcess) {
  const TwoLayers alone(kOnePlace);
  const std::vector<float> want = Losses(*Open(alone.graph, nullptr));
  Run([&](Communicator& ranks) {
    const TwoLayers model(
        {.first = "/task:0/gpu:0", .second = "/task:1/gpu:0"});
    auto session = Open(model.graph, &ranks, /*gpus=*/1);
    EXPECT_EQ(Losses(*session), want);
  });
}

TEST_P(TasksTest, WithoutTasksInTheGraphEveryRankRunsAlone) {
  Run([&](Communicator& ranks) {
    const TwoLayers model(kOnePlace);
    auto session = Open(model.graph, &ranks);
    if (ranks.rank() == 0) {
      EXPECT_OK(session->RunTargets({"init"}));
      EXPECT_EQ(Fetch(*session, {}, "w2:0").size(), 4u);
    }
  });
}

TEST_P(TasksTest, ControlEdgesHoldBetweenTasks) {
  Run([&](Communicator& ranks) {
    Graph graph;
    const Scope first = Scope(&graph).WithDevice("/task:0");
    const Scope second = Scope(&graph).WithDevice("/task:1");
    const Output v = ops::Variable(first.WithName("v"), kFloat, Shape{});
    ops::Assign(first.WithName("init"), v, 1.0f);
    const Output set = ops::Assign(first.WithName("set"), v, 5.0f);
    Node* over = second.WithControlDependencies({set}).Op("NoOp").Build();
    ops::Add(first.WithName("after").WithControlDependencies(
                 std::vector<Node*>{over}),
             v, 0.5f);
    auto session = Open(graph, &ranks);
    EXPECT_OK(session->RunTargets({"init"}));
    EXPECT_THAT(Fetch(*session, {}, "after:0"), ElementsAre(5.5f));
  });
}

TEST_P(TasksTest, AReadSentToAnotherTaskIsFromBeforeTheUpdate) {
  Run([&](Communicator& ranks) {
    Graph graph;
    const Scope first = Scope(&graph).WithDevice("/task:0");
    const Scope second = Scope(&graph).WithDevice("/task:1");
    const Output v = ops::Variable(first.WithName("v"), kFloat, Shape{});
    ops::Assign(first.WithName("init"), v, 1.0f);
    const Output twice = ops::Mul(second.WithName("twice"), v, 2.0f);
    ops::AssignAdd(first.WithName("step"), v, twice);
    auto session = Open(graph, &ranks);
    EXPECT_OK(session->RunTargets({"init"}));
    EXPECT_THAT(Fetch(*session, {}, "step:0"), ElementsAre(3));
    EXPECT_THAT(Fetch(*session, {}, "step:0"), ElementsAre(9));
    EXPECT_THAT(Fetch(*session, {}, "v:0"), ElementsAre(9));
  });
}

TEST_P(TasksTest, SizesOfARunAndStringsCross) {
  Run([&](Communicator& ranks) {
    Graph graph;
    const Scope first = Scope(&graph).WithDevice("/task:0");
    const Scope second = Scope(&graph).WithDevice("/task:1");
    const Output x =
        ops::Placeholder(Scope(&graph).WithName("x"), kFloat, Shape{-1});
    const Output where = ops::Where(first, ops::Greater(first, x, 0.0f));
    const Output found = ops::GatherNd(first, x, where);
    ops::Neg(second.WithName("negated"), found);
    const Output text = ops::AsString(first.WithName("text"), found);
    second.WithName("joined").Op("ReduceJoin").In(text).In(0).Out();
    auto session = Open(graph, &ranks);
    for (const int64_t n : {3, 0, 7}) {
      Tensor fed(kFloat, Shape{n});
      std::vector<float> want;
      for (int64_t i = 0; i < n; ++i) {
        const auto value = static_cast<float>(i % 2 ? -i : i + 1);
        fed.flat<float>()[static_cast<size_t>(i)] = value;
        if (value > 0) want.push_back(-value);
      }
      auto got = session->Run({{"x:0", fed}}, {"negated:0", "joined:0"});
      ASSERT_TRUE(got.ok()) << got.status().ToString();
      EXPECT_EQ(Floats((*got)[0]), want);
      EXPECT_EQ((*got)[1].scalar<std::string>().empty(), n == 0);
    }
  });
}

TEST_P(TasksTest, RandomNumbersAreThoseOfOneTask) {
  const auto build = [](const Scope& root, const Places& places) {
    const Output a = ops::RandomUniform(
        root.WithName("a").WithDevice(places.first), {4}, kFloat);
    const Output b = ops::RandomUniform(
        root.WithName("b").WithDevice(places.second), {4}, kFloat);
    ops::Add(root.WithName("sum").WithDevice(places.second), a, b);
  };
  Graph alone;
  build(Scope(&alone).WithSeed(5), kOnePlace);
  auto one = Open(alone, nullptr);
  const std::vector<float> want = Fetch(*one, {}, "sum:0");
  const std::vector<float> want_b = Fetch(*one, {}, "b:0");
  const std::vector<float> want_next = Fetch(*one, {}, "sum:0");
  Run([&](Communicator& ranks) {
    Graph graph;
    build(Scope(&graph).WithSeed(5), {});
    auto session = Open(graph, &ranks);
    EXPECT_EQ(Fetch(*session, {}, "sum:0"), want);
    EXPECT_EQ(Fetch(*session, {}, "b:0"), want_b);
    EXPECT_EQ(Fetch(*session, {}, "sum:0"), want_next);
  });
}

TEST_P(TasksTest, AnErrorOfOneTaskReachesAll) {
  Run([&](Communicator& ranks) {
    Graph graph;
    const Scope root(&graph);
    const Output x = ops::Placeholder(root.WithName("x"), kFloat, Shape{1});
    const Output checked = ops::CheckNumerics(
        root.WithName("checked").WithDevice("/task:1"),
        ops::Log(root.WithDevice("/task:0"), x), "the logarithm");
    ops::Neg(root.WithName("y").WithDevice("/task:0"), checked);
    auto session = Open(graph, &ranks);
    EXPECT_THAT(Fetch(*session, {{"x:0", Tensor::Of<float>({1}, {1})}}, "y:0"),
                ElementsAre(0));
    const Status failed =
        session->RunOne({{"x:0", Tensor::Of<float>({1}, {-1})}}, "y:0")
            .status();
    EXPECT_EQ(failed.code(), Code::kInvalidArgument) << failed.ToString();
    EXPECT_THAT(failed.message(), HasSubstr("[rank 1] /cpu:0 node 'checked'"));
    EXPECT_THAT(failed.message(), HasSubstr("the logarithm"));
  });
}

TEST_P(TasksTest, DifferentGraphsAreRefusedNamingTheRank) {
  Run([&](Communicator& ranks) {
    const int odd = ranks.size() - 1;
    Graph graph;
    const Scope root(&graph);
    const float factor = ranks.rank() == odd ? 3.0f : 2.0f;
    const Output a = ops::Mul(root.WithDevice("/task:0"),
                              ops::Const(root, Tensor(1.0f)), factor);
    ops::Neg(root.WithName("y").WithDevice("/task:1"), a);
    ops::Neg(root.WithName("same").WithDevice("/task:1"),
             ops::Const(root, Tensor(1.0f)));
    SessionOptions options;
    options.optimize = false;  // constants stay as they are written
    EXPECT_OK(UseTasks(ranks, &options));
    auto session = Session::Create(graph, options);
    ASSERT_TRUE(session.ok());
    const Status refused = (*session)->RunOne({}, "y:0").status();
    EXPECT_EQ(refused.code(), Code::kFailedPrecondition) << refused.ToString();
    EXPECT_THAT(refused.message(),
                HasSubstr(StrCat("ranks 0 and ", odd, " differ in the graph")));
    // The job goes on.
    EXPECT_THAT(Fetch(**session, {}, "same:0"), ElementsAre(-1));
  });
}

TEST_P(TasksTest, FeedsOfAnotherShapeAreRefusedNamingTheRank) {
  Run([&](Communicator& ranks) {
    const TwoLayers model(Places{});
    auto session = Open(model.graph, &ranks);
    EXPECT_OK(session->RunTargets({"init"}));
    const Status refused =
        session->RunOne(Samples(ranks.rank() == 1 ? 5 : 4, 0), "loss:0")
            .status();
    EXPECT_THAT(refused.message(), HasSubstr("ranks 0 and 1 differ in the "
                                             "dtypes or shapes of the feeds"))
        << refused.ToString();
    EXPECT_EQ(Fetch(*session, Samples(4, 0), "loss:0").size(), 1u);
  });
}

TEST_P(TasksTest, APlanThatOneRankCannotMakeIsRefusedOnAll) {
  Run([&](Communicator& ranks) {
    Graph graph;
    const Scope root(&graph);
    const Output x = ops::Placeholder(root.WithName("x"), kFloat, Shape{-1});
    ops::Exp(root.WithName("y").WithDevice("/task:1"),
             ops::Neg(root.WithDevice("/task:0"), x));
    SessionOptions options;
    if (ranks.rank() == 0) options.cpu_memory_limit = 1 << 20;
    EXPECT_OK(UseTasks(ranks, &options));
    auto session = Session::Create(graph, options);
    ASSERT_TRUE(session.ok()) << session.status().ToString();
    const Status refused =
        (*session)
            ->RunOne({{"x:0", Tensor(kFloat, Shape{1 << 20})}}, "y:0")
            .status();
    EXPECT_EQ(refused.code(), Code::kResourceExhausted) << refused.ToString();
    if (ranks.rank() > 0) {
      EXPECT_THAT(refused.message(), HasSubstr("[rank 0]"));
    }
    EXPECT_EQ(
        Fetch(**session, {{"x:0", Tensor::Of<float>({1}, {0})}}, "y:0").size(),
        1u);
  });
}

TEST_P(TasksTest, ARankThatMakesAnotherRunIsFoundOut) {
  Run([&](Communicator& ranks) {
    Graph graph;
    const Scope root(&graph);
    const Output a = ops::Const(root.WithName("a").WithDevice("/task:0"),
                                Tensor::Of<float>({2}, {1, 2}));
    SessionOptions options;
    options.optimize = false;
    EXPECT_OK(UseTasks(ranks, &options));
    ops::Neg(root.WithName("b").WithDevice("/task:1"),
             ops::Neg(root.WithDevice("/task:0"), a));
    ops::Exp(root.WithName("c").WithDevice("/task:1"),
             ops::Exp(root.WithDevice("/task:0"), a));
    auto session = Session::Create(graph, options);
    ASSERT_TRUE(session.ok());
    EXPECT_OK((*session)->RunOne({}, "b:0").status());
    EXPECT_OK((*session)->RunOne({}, "c:0").status());
    const Status refused =
        (*session)->RunOne({}, ranks.rank() == 1 ? "c:0" : "b:0").status();
    EXPECT_EQ(refused.code(), Code::kFailedPrecondition) << refused.ToString();
    EXPECT_THAT(refused.message(), HasSubstr("ranks disagree"));
  });
}

}  // namespace
}  // namespace lockstep
