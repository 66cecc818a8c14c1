// SPDX-License-Identifier: Apache-2.0
#include "distributed/data_parallel.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <functional>
#include <mutex>
#include <thread>

#include "ops/array/array.h"
#include "ops/math/math.h"
#include "ops/reduce/reduce.h"
#include "ops/state/state.h"
#include "ops/training/optimizer.h"
#include "runtime/op/kernel.h"
#include "runtime/op/shape_context.h"
#include "tests/distributed/linear_model.h"
#include "tests/testing/spawn_ranks.h"

namespace lockstep {
namespace {

using ::testing::HasSubstr;

// Borders of the ranks' parts; the last of them.
using Borders = std::vector<int64_t>;

void ExpectRanksFollowOne(const Borders& borders,
                          const DataParallelOptions& parallel, bool noisy) {
  const Model model(noisy);
  const std::vector<float> want = Train(*Open(model.graph), 0, kSamples);
  const int ranks = static_cast<int>(borders.size()) - 1;
  std::mutex mu;
  std::vector<std::vector<float>> got(static_cast<size_t>(ranks));
  SpawnRanksShared(ranks, [&](std::shared_ptr<Communicator> comm) {
    const auto r = static_cast<size_t>(comm->rank());
    const Model own(noisy);
    auto session = Open(own.graph, comm, parallel);
    std::vector<float> values = Train(*session, borders[r], borders[r + 1]);
    const std::lock_guard<std::mutex> lock(mu);
    got[r] = std::move(values);
  });
  for (const auto& values : got) {
    ASSERT_EQ(values.size(), want.size());
    EXPECT_EQ(values, got[0]);  // bit for bit
    for (size_t i = 0; i < want.size(); ++i) {
      EXPECT_NEAR(values[i], want[i], 2e-6) << i;
    }
  }
}

TEST(DataParallelTest, RanksFollowOneRankOnTheWholeBatch) {
  ExpectRanksFollowOne({0, 12}, {.batch = "x:0"}, false);
  ExpectRanksFollowOne({0, 6, 12}, {.batch = "x:0"}, false);
  ExpectRanksFollowOne({0, 3, 6, 9, 12}, {.batch = "x"}, false);
}

TEST(DataParallelTest, UnevenPartsCountBySamples) {
  ExpectRanksFollowOne({0, 7, 12}, {.batch = "x:0"}, false);
  ExpectRanksFollowOne({0, 1, 3, 12}, {.batch = "y:0"}, false);
}

TEST(DataParallelTest, ARankWithoutSamplesContributesNothing) {
  ExpectRanksFollowOne({0, 5, 5, 12}, {.batch = "x:0"}, false);
  ExpectRanksFollowOne({0, 0, 12}, {.batch = "x:0"}, false);
}

TEST(DataParallelTest, WithoutABatchTensorRanksCountTheSame) {
  ExpectRanksFollowOne({0, 4, 8, 12}, {}, false);
}

TEST(DataParallelTest, SmallBucketsGiveTheSameValues) {
  ExpectRanksFollowOne({0, 7, 12}, {.batch = "x:0", .bucket_bytes = 1}, false);
}

TEST(DataParallelTest, RandomNumbersOfSamplesAreThoseOfTheGlobalBatch) {
  ExpectRanksFollowOne({0, 7, 12}, {.batch = "x:0"}, true);
  ExpectRanksFollowOne({0, 2, 2, 12}, {.batch = "x:0"}, true);
}

TEST(DataParallelTest, RanksDrawTheNumbersOfRankZerosStep) {
  const auto train = [](Session& session, bool evaluates, int64_t begin,
                        int64_t end) {
    // Draws random numbers, too.
    const auto feeds = Batch(0, kSamples);
    if (evaluates) {
      EXPECT_TRUE(session.RunOne(feeds, "noise:0").ok());
    }
    return Train(session, begin, end);
  };
  const Model model(/*noisy=*/true);
  const std::vector<float> want = train(*Open(model.graph), true, 0, kSamples);
  SpawnRanksShared(2, [&](std::shared_ptr<Communicator> comm) {
    const int64_t middle = 5;
    const bool root = comm->rank() == 0;
    auto session = Open(model.graph, comm);
    const std::vector<float> got =
        train(*session, root, root ? 0 : middle, root ? middle : kSamples);
    for (size_t i = 0; i < want.size(); ++i) EXPECT_NEAR(got[i], want[i], 2e-6);
    EXPECT_EQ(session->resources().random_step(), 1u + kSteps);
  });
}

TEST(DataParallelTest, GradientsShareBucketsUpToTheirSize) {
  const Model model;
  SpawnRanksShared(2, [&](std::shared_ptr<Communicator> comm) {
    const auto feeds = Batch(0, 6);
    const auto count = [&](int64_t bucket_bytes) {
      auto session = Open(model.graph, comm,
                          {.batch = "x:0", .bucket_bytes = bucket_bytes});
      return CountSteps(*session, feeds, "train", "_GradientExchange");
    };
    EXPECT_EQ(count(1 << 20), 1);
    EXPECT_EQ(count(16), 1);  // w has 12 bytes, b has 4
    EXPECT_EQ(count(15), 2);
    EXPECT_EQ(count(1), 2);
  });
}

// What the backward pass waits for until the first update was made.
std::atomic<int> updates_made = 0;

Status FlagUpdate(KernelContext& k, int64_t begin, int64_t count,
                  const void* grad) {
  for (int64_t i = 0; i < count; ++i) {
    k.variable(0).data<float>()[begin + i] -=
        static_cast<const float*>(grad)[i];
  }
  ++updates_made;
  return Ok();
}
Status FlagRun(KernelContext& k) {
  return FlagUpdate(k, 0, k.input(1).NumElements(), k.input(1).data());
}
LOCKSTEP_OP("_TestFlagDescend")
    .Input("var: Ref(float)")
    .Input("gradient: float")
    .Output("out: Ref(float)")
    .Shape(UnchangedShape)
    .NoGradient()
    .Stateful()
    .With([](OpTraits& t) { t.applies_gradient = 1; })
    .Kernel(kCpu, {.run = FlagRun, .update = FlagUpdate});

Status AwaitUpdate(KernelContext& k) {
  k.output(0).CopyFrom(k.input(0));
  for (int i = 0; i < 2000 && updates_made == 0; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return updates_made > 0 ? Ok() : DeadlineExceeded("no update was made");
}
LOCKSTEP_OP("_TestAwaitUpdate")
    .Input("x: float")
    .Output("y: float")
    .Shape(UnchangedShape)
    .NoGradient()
    .Stateful()
    .Kernel(kCpu, {AwaitUpdate});

TEST(DataParallelTest, GradientsAreExchangedWhileTheBackwardPassGoesOn) {
  updates_made = 0;
  SpawnRanksShared(2, [&](std::shared_ptr<Communicator> comm) {
    Graph graph;
    const Scope root(&graph);
    const auto variable = [&](const char* name) {
      return ops::InitializedVariable(root.WithName(name),
                                      Tensor::Of<float>({2}, {1, 2}));
    };
    const auto update = [&](const Output& var, const Output& gradient) {
      return root.Op("_TestFlagDescend").In(var).In(gradient).Build();
    };
    const Output x = ops::Placeholder(root.WithName("x"), kFloat, Shape{2});
    Node* first = update(variable("a"), ops::Square(root, x));
    // The gradient of b is ready only when a has been updated.
    const Output late = root.Op("_TestAwaitUpdate").In(ops::Neg(root, x)).Out();
    Node* second = update(variable("b"), late);
    ops::VariablesInitializer(root.WithName("init"));
    ASSERT_TRUE(root.ok()) << root.status().ToString();
    SessionOptions options = CpuOptions();
    UseDataParallel(
        comm, {.bucket_bytes = 1, .overlap = DataParallelOptions::Overlap::kOn},
        &options);
    auto session = Open(graph, std::move(options));
    Status s = session->RunTargets({"init"});
    s.Update(session->RunTargets({first->name(), second->name()},
                                 {{"x:0", Tensor::Of<float>({2}, {3, 4})}}));
    EXPECT_TRUE(s.ok()) << s.ToString();
    auto values = session->Run({}, {"a:0", "b:0"});
    ASSERT_TRUE(values.ok());
    EXPECT_EQ(Floats((*values)[0]), (std::vector<float>{1 - 9, 2 - 16}));
    EXPECT_EQ(Floats((*values)[1]), (std::vector<float>{1 + 3, 2 + 4}));
  });
}

TEST(DataParallelTest, CompressedGradientsTrainAlmostAlike) {
  const Model model;
  const std::vector<float> want = Train(*Open(model.graph), 0, kSamples);
  for (const bool compress : {false, true}) {
    SpawnRanksShared(2, [&](std::shared_ptr<Communicator> comm) {
      auto session =
          Open(model.graph, comm, {.batch = "x:0", .compress = compress});
      const int64_t begin = comm->rank() == 0 ? 0 : 7;
      const int64_t end = comm->rank() == 0 ? 7 : kSamples;
      const std::vector<float> got = Train(*session, begin, end);
      ASSERT_EQ(got.size(), want.size());
      bool equal = true;
      for (size_t i = 0; i < want.size(); ++i) {
        EXPECT_NEAR(got[i], want[i], compress ? 5e-3 : 2e-6);
        equal = equal && std::abs(got[i] - want[i]) < 2e-6;
      }
      EXPECT_EQ(equal, !compress);  // so it is done at all
    });
  }
}

TEST(DataParallelTest, OneRankIsLeftAlone) {
  const Model model;
  SpawnRanksShared(1, [&](std::shared_ptr<Communicator> comm) {
    auto session = Open(model.graph, comm);
    EXPECT_EQ(CountSteps(*session, Batch(0, 6), "train", "_GradientExchange"),
              0);
    EXPECT_EQ(CountSteps(*session, Batch(0, 6), "train", "_BatchShare"), 0);
    EXPECT_EQ(CountSteps(*session, {}, "init", "_BroadcastFromRoot"), 0);
  });
}

TEST(DataParallelTest, AssignedValuesAreThoseOfRankZero) {
  SpawnRanksShared(3, [&](std::shared_ptr<Communicator> comm) {
    Graph graph;
    Scope root(&graph);
    const Output v = ops::Variable(root.WithName("v"), kFloat, Shape{2});
    const Output value =
        ops::Placeholder(root.WithName("value"), kFloat, Shape{2});
    ops::Assign(root.WithName("set"), v, value);
    auto session = Open(graph, comm, {});
    const float mine = static_cast<float>(comm->rank());
    const Status s = session->RunTargets(
        {"set"}, {{"value:0", Tensor::Of<float>({2}, {5 + mine, 7 + mine})}});
    EXPECT_TRUE(s.ok()) << s.ToString();
    auto now = session->RunOne({}, "v:0");
    ASSERT_TRUE(now.ok()) << now.status().ToString();
    EXPECT_EQ(Floats(*now), (std::vector<float>{5, 7}));
  });
}

TEST(DataParallelTest, EvaluationNeedsNoOtherRank) {
  SpawnRanksShared(2, [&](std::shared_ptr<Communicator> comm) {
    const Model model(/*noisy=*/true);
    auto session = Open(model.graph, comm);
    EXPECT_TRUE(session->RunTargets({"init"}).ok());
    if (comm->rank() != 0) return;
    const auto loss = session->RunOne(Batch(0, kSamples), "loss:0");
    EXPECT_TRUE(loss.ok()) << loss.status().ToString();
  });
}

TEST(DataParallelTest, RanksThatTrainDifferentThingsFindOut) {
  SpawnRanksShared(2, [&](std::shared_ptr<Communicator> comm) {
    const Model model;
    auto session = Open(model.graph, comm);
    EXPECT_TRUE(session->RunTargets({"init"}).ok());
    const Status s = session->RunTargets(
        {comm->rank() == 0 ? "apply_w" : "apply_b"}, Batch(0, 6));
    EXPECT_EQ(s.code(), Code::kFailedPrecondition) << s.ToString();
    EXPECT_THAT(s.message(), HasSubstr("_gradient_exchange/apply_w"));
    EXPECT_THAT(s.message(), HasSubstr("_gradient_exchange/apply_b"));
  });
}

TEST(DataParallelTest, ARankThatDoesNotTrainIsNamed) {
  SpawnRanksShared(2, [&](std::shared_ptr<Communicator> comm) {
    const Model model;
    const int rank = comm->rank();
    auto session = Open(model.graph, comm);
    EXPECT_TRUE(session->RunTargets({"init"}).ok());
    comm.reset();
    if (rank == 1) return;
    const Status s = session->RunTargets({"train"}, Batch(0, 6));
    EXPECT_EQ(s.code(), Code::kUnavailable) << s.ToString();
    EXPECT_THAT(s.message(), HasSubstr("_batch_share"));
    EXPECT_THAT(s.message(), HasSubstr("rank 1 has left the job"));
  });
}

TEST(DataParallelTest, AnUnknownBatchTensorIsAnErrorWithItsName) {
  const Model model;
  SpawnRanksShared(2, [&](std::shared_ptr<Communicator> comm) {
    auto session = Open(model.graph, comm, {.batch = "imgaes:0"});
    const Status s = session->RunTargets({"train"}, Batch(0, 6));
    EXPECT_EQ(s.code(), Code::kNotFound) << s.ToString();
    EXPECT_THAT(s.message(), HasSubstr("imgaes"));
    EXPECT_THAT(s.message(), HasSubstr("data_parallel"));
  });
}

// Two training ops in one run, the second after the first: their gradients
// cannot share a bucket, however large.
TEST(DataParallelTest, AGradientThatNeedsAnotherUpdateGetsItsOwnBucket) {
  SpawnRanksShared(2, [&](std::shared_ptr<Communicator> comm) {
    Graph graph;
    Scope root(&graph);
    const Output a = ops::InitializedVariable(root.WithName("a"), 1.0f);
    const Output b = ops::InitializedVariable(root.WithName("b"), 1.0f);
    const Output in = ops::Placeholder(root.WithName("in"), kFloat, Shape{});
    const Output first = Descend(root.WithName("first"), a, 1.0f, in);
    const Output second =
        Descend(root.WithName("second"), b, 1.0f,
                ops::Mul(root, ops::Identity(root, first), 2.0f));
    ops::VariablesInitializer(root.WithName("init"));
    ASSERT_TRUE(second.defined()) << root.status().ToString();
    auto session = Open(graph, comm, {});
    EXPECT_TRUE(session->RunTargets({"init"}).ok());
    // The mean of 1 and 3 is 2: a becomes -1, b becomes 1 - 2 * -1 = 3.
    const Status s = session->RunTargets(
        {"second"}, {{"in:0", Tensor(comm->rank() == 0 ? 1.0f : 3.0f)}});
    EXPECT_TRUE(s.ok()) << s.ToString();
    auto values = session->Run({}, {"a:0", "b:0"});
    ASSERT_TRUE(values.ok()) << values.status().ToString();
    EXPECT_EQ((*values)[0].scalar<float>(), -1.0f);
    EXPECT_EQ((*values)[1].scalar<float>(), 3.0f);
  });
}

TEST(DataParallelTest, AGradientThatUpdatesTwoVariablesIsExchangedOnce) {
  SpawnRanksShared(2, [&](std::shared_ptr<Communicator> comm) {
    Graph graph;
    Scope root(&graph);
    const Output a = ops::InitializedVariable(root.WithName("a"), 1.0f);
    const Output b = ops::InitializedVariable(root.WithName("b"), 1.0f);
    const Output in = ops::Placeholder(root.WithName("in"), kFloat, Shape{});
    const Output both[] = {Descend(root, a, 1.0f, in),
                           Descend(root, b, 2.0f, in)};
    root.WithName("train")
        .WithControlDependencies({both[0], both[1]})
        .Op("NoOp")
        .Build();
    ops::VariablesInitializer(root.WithName("init"));
    auto session = Open(graph, comm, {.bucket_bytes = 1});
    EXPECT_TRUE(session->RunTargets({"init"}).ok());
    const std::vector<Session::Feed> feeds = {
        {"in:0", Tensor(comm->rank() == 0 ? 1.0f : 3.0f)}};
    EXPECT_EQ(CountSteps(*session, feeds, "train", "_GradientExchange"), 1);
    EXPECT_TRUE(session->RunTargets({"train"}, feeds).ok());
    auto values = session->Run({}, {"a:0", "b:0"});
    ASSERT_TRUE(values.ok()) << values.status().ToString();
    EXPECT_EQ((*values)[0].scalar<float>(), -1.0f);
    EXPECT_EQ((*values)[1].scalar<float>(), -3.0f);
  });
}

TEST(DataParallelTest, ABucketOfLessThanNothingIsRefused) {
  SpawnRanksShared(2, [](std::shared_ptr<Communicator> comm) {
    const Model model;
    auto session = Open(model.graph, comm, {.bucket_bytes = -1});
    const Status s = session->RunTargets({"train"}, Batch(0, 6));
    EXPECT_EQ(s.code(), Code::kInvalidArgument) << s.ToString();
    EXPECT_THAT(s.message(), HasSubstr("bucket_bytes must be 0"));
  });
}

}  // namespace
}  // namespace lockstep
