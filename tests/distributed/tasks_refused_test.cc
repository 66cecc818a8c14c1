// SPDX-License-Identifier: Apache-2.0
// Runs of several tasks that cannot go on, and how all of them learn it, over
// every communicator; rank_runner.h says which.
#include <bit>

#include "distributed/data_parallel.h"
#include "tests/distributed/tasks_suite.h"

namespace lockstep {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class TasksRefusedTest : public TasksTestBase {};
INSTANTIATE_TEST_SUITE_P(Backends, TasksRefusedTest,
                         ::testing::ValuesIn(RankSetups()), SetupName);

TEST_P(TasksRefusedTest, GradientsOfTasksAreNotAveragedOverRanks) {
  Run([&](Communicator& ranks) {
    const TwoLayers model(Places{});
    SessionOptions options;
    EXPECT_OK(UseTasks(ranks, &options));
    SessionOptions replicas = options;
    options.passes.push_back(std::make_shared<DataParallel>(ranks.size()));
    Status refused = Session::Create(model.graph, options).status();
    EXPECT_EQ(refused.code(), Code::kFailedPrecondition) << refused.ToString();
    EXPECT_THAT(refused.message(), HasSubstr("not both: leave one of them"));
    replicas.reproducible = ranks.size();
    replicas.batch = "x:0";
    refused = Session::Create(model.graph, replicas).status();
    // Replicas are a power of two.
    if (!std::has_single_bit(static_cast<unsigned>(ranks.size()))) return;
    EXPECT_EQ(refused.code(), Code::kUnimplemented) << refused.ToString();
    EXPECT_THAT(refused.message(), HasSubstr("or train by UseDataParallel"));
  });
}

TEST_P(TasksRefusedTest, AnErrorOfOneTaskReachesAll) {
  Run([&](Communicator& ranks) {
    Graph graph;
    const Scope root(&graph);
    const Output x = ops::Placeholder(root.WithName("x"), kFloat, Shape{1});
    const Output checked = ops::CheckNumerics(
        root.WithName("checked").WithDevice("/task:1"),
        ops::Log(root.WithDevice("/task:0"), x), "the logarithm");
    ops::Neg(root.WithName("y").WithDevice("/task:0"), checked);
    auto session = OpenTasks(graph, &ranks);
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

TEST_P(TasksRefusedTest, DifferentGraphsAreRefusedNamingTheRank) {
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
    EXPECT_OK(UseTasks(ranks, &options));
    const Status refused = Session::Create(graph, options).status();
    EXPECT_EQ(refused.code(), Code::kFailedPrecondition) << refused.ToString();
    EXPECT_THAT(refused.message(), HasSubstr("has attribute 'value'"));
    EXPECT_THAT(refused.message(),
                ranks.size() > 2 ? HasSubstr(StrCat("rank ", odd,
                                                    " differs from all others"))
                                 : HasSubstr("on rank 1"));
    // The job goes on.
    Graph alike;
    const Scope scope(&alike);
    ops::Neg(scope.WithName("same").WithDevice("/task:1"),
             ops::Const(scope, Tensor(1.0f)));
    auto session = OpenTasks(alike, &ranks);
    EXPECT_THAT(Fetch(*session, {}, "same:0"), ElementsAre(-1));
  });
}

// What a program declares is compared for tasks, too.
TEST_P(TasksRefusedTest, DifferentDataIsRefusedNamingTheRank) {
  Run([&](Communicator& ranks) {
    const TwoLayers model(Places{});
    const int odd = ranks.size() - 1;
    SessionOptions options;
    EXPECT_OK(UseTasks(ranks, &options,
                       {MakeFact("the program", "x.npy",
                                 ranks.rank() == odd ? "CRC 1" : "CRC 2")}));
    const Status refused = Session::Create(model.graph, options).status();
    EXPECT_EQ(refused.code(), Code::kFailedPrecondition) << refused.ToString();
    EXPECT_THAT(refused.message(),
                HasSubstr(StrCat("the program has x.npy CRC 1 on rank ", odd)));
  });
}

TEST_P(TasksRefusedTest, FeedsOfAnotherShapeAreRefusedNamingTheRank) {
  Run([&](Communicator& ranks) {
    const TwoLayers model(Places{});
    auto session = OpenTasks(model.graph, &ranks);
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

TEST_P(TasksRefusedTest, APlanThatOneRankCannotMakeIsRefusedOnAll) {
  Run([&](Communicator& ranks) {
    Graph graph;
    const Scope root(&graph);
    const Output x = ops::Placeholder(root.WithName("x"), kFloat, Shape{-1});
    ops::Exp(root.WithName("y").WithDevice("/task:1"),
             ops::Neg(root.WithDevice("/task:0"), x));
    SessionOptions options;
    EXPECT_OK(UseTasks(ranks, &options));
    if (ranks.rank() == 0) {
      options.cpu_memory_limit = options.communication_bytes + (1 << 20);
    }
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

TEST_P(TasksRefusedTest, ARankThatMakesAnotherRunIsFoundOut) {
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
    // Ranks that have no part in it may be behind, and what follows is told
    // to them too.
    EXPECT_OK(ranks.Barrier());
    const Status refused =
        (*session)->RunOne({}, ranks.rank() == 1 ? "c:0" : "b:0").status();
    EXPECT_EQ(refused.code(), Code::kFailedPrecondition) << refused.ToString();
    EXPECT_THAT(refused.message(), HasSubstr("ranks disagree"));
  });
}

}  // namespace
}  // namespace lockstep
