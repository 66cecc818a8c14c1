// SPDX-License-Identifier: Apache-2.0
// One graph over the ranks, over every communicator; rank_runner.h says which.
#include "runtime/core/env.h"
#include "runtime/exec/saver.h"
#include "tests/distributed/tasks_suite.h"

namespace lockstep {
namespace {

using ::testing::ElementsAre;

class TasksTest : public TasksTestBase {};
INSTANTIATE_TEST_SUITE_P(Backends, TasksTest, ::testing::ValuesIn(RankSetups()),
                         SetupName);

TEST_P(TasksTest, EveryRankFetchesWhatAnyTaskMade) {
  Run([&](Communicator& ranks) {
    Graph graph;
    const Scope root(&graph);
    const Output x = ops::Placeholder(root.WithName("x"), kFloat, Shape{2});
    const Output h =
        ops::Mul(root.WithName("h").WithDevice("/task:0"), x, 2.0f);
    ops::Add(root.WithName("y").WithDevice("/task:1"), h, x);
    auto session = OpenTasks(graph, &ranks);
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
    auto session = OpenTasks(graph, &ranks);
    const auto own = static_cast<float>(ranks.rank());
    auto got =
        session->Run({{"x:0", Tensor::Of<float>({1}, {own})}}, {"a:0", "b:0"});
    ASSERT_TRUE(got.ok()) << got.status().ToString();
    EXPECT_THAT(Floats((*got)[0]), ElementsAre(0));
    EXPECT_THAT(Floats((*got)[1]), ElementsAre(-1));
  });
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
  const std::vector<float> want = Losses(*OpenTasks(alone.graph, nullptr));
  ASSERT_LT(want.back(), 0.5f * want.front());
  Run([&](Communicator& ranks) {
    const TwoLayers model(Places{});
    auto session = OpenTasks(model.graph, &ranks);
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
  const std::vector<float> want = Losses(*OpenTasks(alone.graph, nullptr));
  Run([&](Communicator& ranks) {
    const TwoLayers model(
        {.first = "/task:0/gpu:0", .second = "/task:1/gpu:0"});
    auto session = OpenTasks(model.graph, &ranks, /*gpus=*/1);
    EXPECT_EQ(Losses(*session), want);
  });
}

TEST_P(TasksTest, WithoutTasksInTheGraphEveryRankRunsAlone) {
  Run([&](Communicator& ranks) {
    const TwoLayers model(kOnePlace);
    auto session = OpenTasks(model.graph, &ranks);
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
    auto session = OpenTasks(graph, &ranks);
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
    auto session = OpenTasks(graph, &ranks);
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
    auto session = OpenTasks(graph, &ranks);
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

TEST_P(TasksTest, BranchesRunOnTheTaskOfTheirNode) {
  Run([&](Communicator& ranks) {
    Graph graph;
    const Scope root(&graph);
    const Scope second = root.WithDevice("/task:1");
    const Output x = ops::Placeholder(root.WithName("x"), kFloat, Shape{});
    const Output h = ops::Neg(root.WithDevice("/task:0"), x);
    const auto twice = [](const Scope& s, const std::vector<Output>& in) {
      return std::vector<Output>{ops::Mul(s, in[0], 2.0f)};
    };
    const auto same = [](const Scope& s, const std::vector<Output>& in) {
      return std::vector<Output>{ops::Identity(s, in[0])};
    };
    const std::vector<Output> y =
        ops::Cond(second, ops::Greater(root.WithDevice("/task:0"), h, 0.0f),
                  {h}, twice, same);
    // The same by a Switch: both sides are where it is.
    Node* sides =
        second.Op("Switch").In(h).In(ops::Greater(second, h, 0.0f)).Build();
    ASSERT_TRUE(root.ok()) << root.status().ToString();
    Node* merged =
        second.Op("Merge")
            .In({sides->output(0), ops::Mul(second, sides->output(1), 2.0f)})
            .Build();
    ops::Add(root.WithName("sum").WithDevice("/task:0"), y[0],
             merged->output(0));
    auto session = OpenTasks(graph, &ranks);
    EXPECT_THAT(Fetch(*session, {{"x:0", Tensor(-3.0f)}}, "sum:0"),
                ElementsAre(12));
    EXPECT_THAT(Fetch(*session, {{"x:0", Tensor(3.0f)}}, "sum:0"),
                ElementsAre(-6));
  });
}

TEST_P(TasksTest, ASaverWritesAndRestoresWhatAllTasksHave) {
  const std::string prefix = StrCat(::testing::TempDir(), "tasks_saver_",
                                    GetParam().backend, size(), "/model");
  Run([&](Communicator& ranks) {
    Graph graph;
    const Scope root(&graph);
    const Output a = ops::InitializedVariable(
        root.WithName("a").WithDevice("/task:0"), 1.5f);
    const Output b = ops::InitializedVariable(
        root.WithName("b").WithDevice("/task:1"), 2.5f);
    ops::AssignAdd(root.WithName("step").WithDevice("/task:1"), b, 1.0f);
    ops::VariablesInitializer(root.WithName("init"));
    auto saver = Saver::Create(root, {a, b});
    ASSERT_TRUE(saver.ok()) << saver.status().ToString();
    if (ranks.rank() == 0) {
      EXPECT_OK(Env::Default()->CreateDirs(std::string(DirName(prefix))));
    }
    auto session = OpenTasks(graph, &ranks);
    EXPECT_OK(session->RunTargets({"init"}));
    EXPECT_OK(session->RunTargets({"step"}));
    const Result<std::string> path = saver->Save(*session, prefix, 7);
    ASSERT_TRUE(path.ok()) << path.status().ToString();
    EXPECT_OK(session->RunTargets({"step"}));
    EXPECT_OK(saver->Restore(*session, *path));
    EXPECT_THAT(Fetch(*session, {}, "a:0"), ElementsAre(1.5f));
    EXPECT_THAT(Fetch(*session, {}, "b:0"), ElementsAre(3.5f));
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
  auto one = OpenTasks(alone, nullptr);
  const std::vector<float> want = Fetch(*one, {}, "sum:0");
  const std::vector<float> want_b = Fetch(*one, {}, "b:0");
  const std::vector<float> want_next = Fetch(*one, {}, "sum:0");
  Run([&](Communicator& ranks) {
    Graph graph;
    build(Scope(&graph).WithSeed(5), {});
    auto session = OpenTasks(graph, &ranks);
    EXPECT_EQ(Fetch(*session, {}, "sum:0"), want);
    EXPECT_EQ(Fetch(*session, {}, "b:0"), want_b);
    EXPECT_EQ(Fetch(*session, {}, "sum:0"), want_next);
  });
}

}  // namespace
}  // namespace lockstep
