// SPDX-License-Identifier: Apache-2.0
// A model in stages, each on its own rank, and a batch in parts.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>

#include "distributed/task_channel.h"
#include "ops/ops.h"
#include "ops/training/batch_parts.h"
#include "runtime/exec/session.h"
#include "runtime/op/kernel.h"
#include "runtime/op/shape_context.h"
#include "tests/testing/spawn_ranks.h"

namespace lockstep {
namespace {

// _TestMeet: x, once another step with the same `place` runs at the same time.
class MeetingPlace {
 public:
  Status Meet(const std::string& place) {
    std::unique_lock<std::mutex> lock(mu_);
    ++came_[place];
    changed_.notify_all();
    const bool met = changed_.wait_for(lock, std::chrono::seconds(30),
                                       [&] { return came_[place] % 2 == 0; });
    return met ? Ok() : DeadlineExceeded("nobody came to ", place);
  }

 private:
  std::mutex mu_;
  std::condition_variable changed_;
  std::map<std::string, int> came_;  // guarded by mu_
};

MeetingPlace& Place() {
  static MeetingPlace place;
  return place;
}

Status MeetCpu(KernelContext& k) {
  k.output(0).CopyFrom(k.input(0));
  const auto& place = *GetIf<std::string>(k.attrs(), "place");
  return place.empty() ? Ok() : Place().Meet(place);
}

LOCKSTEP_OP("_TestMeet")
    .Input("x: float")
    .Output("y: float")
    .Attr("place: string")
    .Shape(UnchangedShape)
    .Stateful()
    .Kernel(kCpu, {MeetCpu});

Output Meet(const Scope& scope, Output x, const std::string& place) {
  return scope.Op("_TestMeet").In(x).Attr("place", place).Out();
}

// While the second stage works on a part, the first one works on the next: the
// run would not end otherwise.
TEST(PipelineTest, StagesWorkOnDifferentPartsAtTheSameTime) {
  constexpr int kParts = 4;
  SpawnRanks(2, [&](Communicator& ranks) {
    Graph graph;
    const Scope root(&graph);
    const Scope first = root.WithDevice("/task:0");
    const Scope second = root.WithDevice("/task:1");
    const Output x = ops::Placeholder(root.WithName("x"), kFloat, Shape{-1});
    const ops::BatchParts parts(root, x, kParts);
    std::vector<Output> sums;
    for (int i = 0; i < kParts; ++i) {
      const std::string before = i > 0 ? StrCat("place ", i - 1) : "";
      const std::string after = i + 1 < kParts ? StrCat("place ", i) : "";
      const Output h = Meet(first, parts.Part(first, x, i), before);
      sums.push_back(ops::Sum(second, Meet(second, h, after), {0}));
    }
    ops::AddN(second.WithName("sum"), sums);
    SessionOptions options;
    ASSERT_TRUE(UseTasks(ranks, &options).ok());
    auto session = Session::Create(graph, options);
    ASSERT_TRUE(session.ok()) << session.status().ToString();
    for (int run = 0; run < 3; ++run) {
      auto sum = (*session)->RunOne(
          {{"x:0", Tensor::Of<float>({6}, {1, 2, 3, 4, 5, 6})}}, "sum:0");
      ASSERT_TRUE(sum.ok()) << sum.status().ToString();
      EXPECT_EQ(sum->scalar<float>(), 21);
    }
  });
}

// Two layers trained on a batch in parts.
struct InParts {
  InParts(const std::string& one, const std::string& two, int count) {
    const Scope first = root.WithDevice(one);
    const Scope second = root.WithDevice(two);
    const Output x = ops::Placeholder(root.WithName("x"), kFloat, Shape{-1, 3});
    const Output y = ops::Placeholder(root.WithName("y"), kFloat, Shape{-1, 1});
    const Output w1 = ops::InitializedVariable(
        first.WithName("w1"),
        ops::TruncatedNormal(first.WithSeed(3), {3, 4}, kFloat));
    const Output w2 = ops::InitializedVariable(
        second.WithName("w2"),
        ops::TruncatedNormal(second.WithSeed(3), {4, 1}, kFloat));
    const auto bias = [](const Scope& s, int32_t size) {
      return ops::InitializedVariable(s.WithName("b"),
                                      ops::Fill(s, {size}, 0.0f));
    };
    const std::vector<Output> trained = {w1, w2, bias(first, 4),
                                         bias(second, 1)};
    ops::AdamOptimizer optimizer(0.03f);
    const ops::BatchParts parts(root, x, count);
    std::vector<Output> losses;
    std::vector<std::vector<ops::Optimizer::GradientAndVariable>> gradients;
    for (int i = 0; i < parts.count(); ++i) {
      const Output h = ops::Tanh(
          first,
          ops::BiasAdd(first, ops::MatMul(first, parts.Part(first, x, i), w1),
                       trained[2]));
      const Output error = ops::Sub(
          second, ops::BiasAdd(second, ops::MatMul(second, h, w2), trained[3]),
          parts.Part(second, y, i));
      losses.push_back(ops::Mean(second, ops::Square(second, error), {0, 1}));
      gradients.push_back(
          optimizer.ComputeGradients(root, losses.back(), trained));
    }
    ops::Identity(second.WithName("loss"), parts.Average(second, losses));
    Node* train = optimizer.ApplyGradients(root.WithName("train"),
                                           parts.Average(root, gradients));
    if (train) train_name = train->name();
    ops::VariablesInitializer(root.WithName("init"));
    EXPECT_TRUE(root.ok()) << root.status().ToString();
  }

  Graph graph;
  Scope root{&graph};
  std::string train_name;
};

std::vector<float> Losses(const InParts& model, Communicator* ranks,
                          int gpus = 0) {
  SessionOptions options;
  options.intra_op_threads = 1;
  options.allow_soft_placement = gpus > 0;
  options.gpu_options.virtual_gpus = {.count = gpus, .bytes = size_t{16} << 20};
  if (ranks) {
    EXPECT_TRUE(UseTasks(*ranks, &options).ok());
  }
  auto session = Session::Create(model.graph, options);
  EXPECT_TRUE(session.ok()) << session.status().ToString();
  if (!session.ok()) return {};
  Status s = (*session)->RunTargets({"init"});
  std::vector<float> losses;
  for (int step = 0; step < 10; ++step) {
    const int64_t n = step == 4 ? 3 : 9;  // once fewer samples than parts
    Tensor x(kFloat, Shape{n, 3}), y(kFloat, Shape{n, 1});
    for (size_t i = 0; i < static_cast<size_t>(3 * n); ++i) {
      x.flat<float>()[i] = static_cast<float>((i * 5) % 7) / 7.0f - 0.4f;
      y.flat<float>()[i / 3] = x.flat<float>()[i] + 0.3f;
    }
    auto got = (*session)->Run({{"x:0", x}, {"y:0", y}}, {"loss:0"},
                               {model.train_name});
    s.Update(got.status());
    if (got.ok()) losses.push_back((*got)[0].scalar<float>());
  }
  EXPECT_TRUE(s.ok()) << s.ToString();
  return losses;
}

TEST(PipelineTest, PartsOfABatchTrainAsTheWholeBatch) {
  const std::vector<float> whole = Losses(InParts("", "", 1), nullptr);
  const std::vector<float> parts = Losses(InParts("", "", 4), nullptr);
  ASSERT_EQ(whole.size(), 10u);
  ASSERT_EQ(parts.size(), 10u);
  EXPECT_LT(whole.back(), whole.front());
  for (size_t i = 0; i < whole.size(); ++i) {
    EXPECT_NEAR(parts[i], whole[i], 1e-5f * (1 + whole[i])) << i;
  }
}

TEST(PipelineTest, TwoStagesTrainAsOneProcessBitForBit) {
  const std::vector<float> want = Losses(InParts("", "", 4), nullptr);
  SpawnRanks(2, [&](Communicator& ranks) {
    EXPECT_EQ(Losses(InParts("/task:0", "/task:1", 4), &ranks), want);
    EXPECT_EQ(Losses(InParts("/task:0/gpu:0", "/task:1/gpu:0", 4), &ranks, 1),
              want);
  });
  EXPECT_EQ(Losses(InParts("/gpu:0", "/gpu:1", 4), nullptr, 2), want);
}

}  // namespace
}  // namespace lockstep
