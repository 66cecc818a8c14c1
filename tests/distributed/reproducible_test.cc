// SPDX-License-Identifier: Apache-2.0
// Reproducible mode: the same bits on any number of ranks and threads, and what
// has no meaning in parts is refused by name.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <mutex>

#include "distributed/data_parallel.h"
#include "ops/array/array.h"
#include "ops/conv/conv.h"
#include "ops/linalg/linalg.h"
#include "ops/math/math.h"
#include "ops/nn/nn.h"
#include "ops/random/random.h"
#include "ops/reduce/reduce.h"
#include "ops/state/state.h"
#include "ops/training/optimizer.h"
#include "runtime/io/batch_pipeline.h"
#include "tests/distributed/linear_model.h"
#include "tests/testing/spawn_ranks.h"

namespace lockstep {
namespace {

using ::testing::HasSubstr;

// LOCKSTEP_EXACT_STEPS, with which 8 ranks take part, too.
int LongSteps() {
  const char* text = std::getenv("LOCKSTEP_EXACT_STEPS");
  return text == nullptr ? 0 : std::atoi(text);
}
const int kRuns = LongSteps() > 0 ? LongSteps() : 6;

// A classifier of 8 x 8 pictures with dropout: convolution, pooling and two
// layers, or the layers alone.
struct Classifier {
  explicit Classifier(bool convolves) {
    const Scope s = root.WithSeed(3);
    x = ops::Placeholder(s.WithName("x"), kFloat, Shape{-1, 64});
    y = ops::Placeholder(s.WithName("y"), kFloat, Shape{-1, 10});
    rate = ops::Placeholder(s.WithName("rate"), kFloat, Shape{});
    Output h = x;
    int width = 64;
    if (convolves) {
      h = ops::Reshape(s, h, {-1, 8, 8, 1});
      h = ops::Relu(
          s, ops::BiasAdd(s,
                          ops::Conv2D(s, h, Weights("filter", {3, 3, 1, 5}),
                                      {1, 1, 1, 1}, "SAME"),
                          Weights("filter_bias", {5})));
      h = ops::MaxPool(s, h, {1, 2, 2, 1}, {1, 2, 2, 1}, "SAME");
      width = 4 * 4 * 5;
      h = ops::Reshape(s, h, {-1, width});
    }
    h = ops::Relu(s,
                  ops::BiasAdd(s, ops::MatMul(s, h, Weights("w1", {width, 33})),
                               Weights("b1", {33})));
    h = ops::Dropout(s, h, rate);
    logits = ops::BiasAdd(s.WithName("logits"),
                          ops::MatMul(s, h, Weights("w2", {33, 10})),
                          Weights("b2", {10}));
    losses =
        ops::SoftmaxCrossEntropyWithLogits(s.WithName("losses"), logits, y);
    loss = ops::Mean(s.WithName("loss"), losses, {0});
    ops::AdamOptimizer optimizer(ops::Const(s, 0.01f));
    train = optimizer.Minimize(s.WithName("train"), loss, trained);
    variables = trained;
    for (const Output& v : optimizer.variables()) variables.push_back(v);
    init = ops::VariablesInitializer(s);
    EXPECT_TRUE(s.ok()) << s.status().ToString();
  }

  Output Weights(const char* name, std::initializer_list<int32_t> shape) {
    const Scope s = root.WithSeed(3).WithName(name);
    trained.push_back(ops::InitializedVariable(
        s, ops::Mul(s, ops::TruncatedNormal(s, shape, kFloat), 0.2f)));
    return trained.back();
  }

  Graph graph;
  Scope root{&graph};
  Output x, y, rate, logits, losses, loss;
  std::vector<Output> trained, variables;
  Node* train = nullptr;
  Node* init = nullptr;
};

// Rows [begin, end) of the global batch of a step.
std::vector<Session::Feed> Rows(int step, int64_t begin, int64_t end) {
  Tensor x(kFloat, Shape{end - begin, 64}), y(kFloat, Shape{end - begin, 10});
  std::ranges::fill(y.flat<float>(), 0.0f);
  for (int64_t row = begin; row < end; ++row) {
    const auto r = static_cast<size_t>(row - begin);
    for (size_t i = 0; i < 64; ++i) {
      const auto n = static_cast<uint64_t>(row) * 1009 + i * 31 +
                     static_cast<uint64_t>(step) * 7919;
      x.flat<float>()[r * 64 + i] = static_cast<float>(n % 97) / 97.0f;
    }
    y.flat<float>()[r * 10 + static_cast<size_t>((row + step) % 10)] = 1;
  }
  return {{"x:0", x}, {"y:0", y}, {"rate:0", Tensor(0.3f)}};
}

struct Configured {
  int ranks = 1;
  int threads = 1;
  int64_t bucket_bytes = 4 << 20;
  int replicas = 4;
  int64_t batch = 24;
};

// All variables after some steps.
std::vector<Tensor> TrainRank(const Classifier& model, const Configured& setup,
                              const std::shared_ptr<Communicator>& comm) {
  SessionOptions options = CpuOptions();
  options.intra_op_threads = setup.threads;
  options.reproducible = setup.replicas;
  options.batch = "x:0";
  const int rank = comm ? comm->rank() : 0;
  if (comm) {
    UseDataParallel(comm, {.batch = "x:0", .bucket_bytes = setup.bucket_bytes},
                    &options);
  }
  auto session = Session::Create(model.graph, options);
  EXPECT_TRUE(session.ok()) << session.status().ToString();
  if (!session.ok()) return {};
  const RowsOfRank part =
      RankPart(setup.batch, rank, setup.ranks,
               setup.replicas > 0 ? setup.replicas : setup.ranks);
  Status s = (*session)->RunTargets({model.init->name()});
  for (int i = 0; i < kRuns; ++i) {
    s.Update((*session)->RunTargets(
        {model.train->name()}, Rows(i, part.offset, part.offset + part.count)));
  }
  std::vector<std::string> names;
  for (const Output& v : model.variables) names.push_back(v.name());
  auto values = (*session)->Run({}, names);
  s.Update(values.status());
  EXPECT_TRUE(s.ok()) << s.ToString();
  return values.ok() ? *std::move(values) : std::vector<Tensor>();
}

std::vector<Tensor> Train(bool convolves, const Configured& setup) {
  if (setup.ranks == 1) {
    const Classifier model(convolves);
    return TrainRank(model, setup, nullptr);
  }
  std::mutex mu;
  std::vector<Tensor> first;
  SpawnRanksShared(setup.ranks, [&](std::shared_ptr<Communicator> comm) {
    const Classifier model(convolves);
    std::vector<Tensor> values = TrainRank(model, setup, comm);
    const std::lock_guard<std::mutex> lock(mu);
    if (first.empty()) {
      first = std::move(values);
      return;
    }
    ASSERT_EQ(values.size(), first.size());
    for (size_t i = 0; i < first.size(); ++i) {
      EXPECT_TRUE(BitwiseEqual(values[i], first[i])) << "ranks differ";
    }
  });
  return first;
}

void ExpectSameBits(const std::vector<Tensor>& got,
                    const std::vector<Tensor>& want) {
  ASSERT_FALSE(want.empty());
  ASSERT_EQ(got.size(), want.size());
  for (size_t i = 0; i < want.size(); ++i) {
    EXPECT_TRUE(BitwiseEqual(got[i], want[i])) << "variable " << i;
  }
}

class ReproducibleTest : public testing::TestWithParam<bool> {};
INSTANTIATE_TEST_SUITE_P(Models, ReproducibleTest, testing::Bool(),
                         [](const auto& info) {
                           return info.param ? "Convolutions" : "Layers";
                         });

TEST_P(ReproducibleTest, RanksThreadsAndBucketsDoNotMatter) {
  const int replicas = LongSteps() > 0 ? 8 : 4;
  for (const int64_t batch : {24, 21, 3}) {  // even, not, too few
    SCOPED_TRACE(batch);
    const std::vector<Tensor> want =
        Train(GetParam(), {.replicas = replicas, .batch = batch});
    for (const int ranks : {1, 2, 4, 8}) {
      if (ranks > replicas) continue;
      for (const int threads : {1, 2, 3}) {
        for (const int64_t bucket : {int64_t{1}, int64_t{4} << 20}) {
          if (ranks == 1 && (threads == 1 || bucket == 1)) continue;
          SCOPED_TRACE(
              StrCat(ranks, " ranks, ", threads, " threads, buckets ", bucket));
          ExpectSameBits(Train(GetParam(), {.ranks = ranks,
                                            .threads = threads,
                                            .bucket_bytes = bucket,
                                            .replicas = replicas,
                                            .batch = batch}),
                         want);
        }
      }
    }
  }
}

// What the mode means: V replicas compute what V ranks would.
TEST_P(ReproducibleTest, ReplicasAreRanksOfOneThread) {
  const Configured ranks = {.ranks = 2, .replicas = 0};
  ExpectSameBits(Train(GetParam(), {.replicas = 2}), Train(GetParam(), ranks));
}

TEST_P(ReproducibleTest, TheSumsAreThoseOfTheWholeBatch) {
  // Other numbers of samples in a matrix product, so not the same bits.
  const auto whole = Train(GetParam(), {.replicas = 0});
  const auto parts = Train(GetParam(), {.replicas = 8, .batch = 24});
  ASSERT_EQ(whole.size(), parts.size());
  for (size_t i = 0; i < whole.size(); ++i) {
    for (size_t k = 0; k < whole[i].flat<float>().size(); ++k) {
      EXPECT_NEAR(parts[i].flat<float>()[k], whole[i].flat<float>()[k], 2e-3);
    }
  }
}

Result<std::unique_ptr<Session>> OpenReplicas(const Graph& graph, int replicas,
                                              int threads = 1) {
  SessionOptions options = CpuOptions();
  options.intra_op_threads = threads;
  options.reproducible = replicas;
  options.batch = "x:0";
  return Session::Create(graph, options);
}

TEST(Reproducible, FetchesAreOfTheWholeBatchInItsOrder) {
  const Classifier model(false);
  auto plain = OpenReplicas(model.graph, 0).value();
  auto parts = OpenReplicas(model.graph, 4, 2).value();
  auto feeds = Rows(0, 0, 22);
  feeds[2].second = Tensor(0.0f);
  for (Session* s : {plain.get(), parts.get()}) {
    ASSERT_TRUE(s->RunTargets({model.init->name()}).ok());
  }
  for (const bool training : {false, true}) {
    const std::vector<std::string> targets =
        training ? std::vector<std::string>{model.train->name()}
                 : std::vector<std::string>{};
    const std::vector<std::string> fetches = {
        model.loss.name(), model.logits.name(), "x:0", model.losses.name()};
    const auto want = plain->Run(feeds, fetches, targets).value();
    const auto got = parts->Run(feeds, fetches, targets).value();
    for (size_t f = 0; f < want.size(); ++f) {
      ASSERT_EQ(got[f].shape(), want[f].shape());
      for (size_t i = 0; i < want[f].flat<float>().size(); ++i) {
        EXPECT_NEAR(got[f].flat<float>()[i], want[f].flat<float>()[i], 1e-5);
      }
    }
  }
}

TEST(Reproducible, ReplicasThatCannotBeDividedAreRefused) {
  const Model model;
  const auto message = [&](int replicas) {
    const auto session = OpenReplicas(model.graph, replicas);
    EXPECT_EQ(session.code(), Code::kInvalidArgument);
    return session.status().message();
  };
  EXPECT_THAT(message(6),
              HasSubstr("6 virtual replicas are not a power of two"));
  EXPECT_THAT(message(-4), HasSubstr("-4"));
  SpawnRanksShared(3, [&](std::shared_ptr<Communicator> comm) {
    SessionOptions options = CpuOptions();
    options.reproducible = 4;
    UseDataParallel(comm, {.batch = "x:0"}, &options);
    const auto session = Session::Create(model.graph, options);
    EXPECT_EQ(session.code(), Code::kInvalidArgument);
    EXPECT_THAT(
        session.status().message(),
        HasSubstr("4 virtual replicas cannot be divided among 3 ranks"));
  });
  SessionOptions options = CpuOptions();
  options.reproducible = 4;
  EXPECT_THAT(Session::Create(model.graph, options).status().message(),
              HasSubstr("SessionOptions::batch"));
}

TEST(Reproducible, SamplesOfOtherReplicasAreRefused) {
  const Model model;
  SpawnRanksShared(2, [&](std::shared_ptr<Communicator> comm) {
    SessionOptions options = CpuOptions();
    options.reproducible = 4;
    UseDataParallel(comm, {.batch = "x:0"}, &options);
    auto session = Session::Create(model.graph, options).value();
    ASSERT_TRUE(session->RunTargets({"init"}).ok());
    const Status s = comm->rank() == 0
                         ? session->RunTargets({"train"}, Batch(0, 7))
                         : session->RunTargets({"train"}, Batch(7, 12));
    EXPECT_EQ(s.code(), Code::kInvalidArgument);
    EXPECT_THAT(s.message(), HasSubstr("of 12 samples for 4 virtual replicas"));
  });
}

// A running mean, as batch normalisation keeps.
struct RunningMean {
  explicit RunningMean(const char* op) {
    x = ops::Placeholder(root.WithName("x"), kFloat, Shape{-1, 2});
    mean = ops::InitializedVariable(root.WithName("mean"),
                                    Tensor::Of<float>({2}, {0, 0}));
    const Output now = ops::Mean(root, x, {0});
    root.WithName("update").Op(op).In(mean).In(now).Build();
    ops::VariablesInitializer(root.WithName("init"));
    EXPECT_TRUE(root.ok()) << root.status().ToString();
  }
  Graph graph;
  Scope root{&graph};
  Output x, mean;
};

TEST(Reproducible, WhatIsAssignedIsTheFirstReplicas) {
  const RunningMean model("Assign");
  auto session = OpenReplicas(model.graph, 2).value();
  ASSERT_TRUE(session->RunTargets({"init"}).ok());
  const Tensor x = Tensor::Of<float>({4, 2}, {1, 2, 3, 4, 50, 60, 70, 80});
  ASSERT_TRUE(session->RunTargets({"update"}, {{"x:0", x}}).ok());
  EXPECT_EQ(Floats(session->RunOne({}, "mean:0").value()),
            (std::vector<float>{2, 3}));
}

TEST(Reproducible, AnUpdateBySamplesThatIsNoGradientIsRefusedByName) {
  const RunningMean model("AssignAdd");
  auto session = OpenReplicas(model.graph, 2).value();
  ASSERT_TRUE(session->RunTargets({"init"}).ok());
  const Tensor x = Tensor::Of<float>({2, 2}, {1, 2, 3, 4});
  const Status s = session->RunTargets({"update"}, {{"x:0", x}});
  EXPECT_EQ(s.code(), Code::kUnimplemented);
  EXPECT_THAT(s.message(), HasSubstr("node 'update' (AssignAdd)"));
}

TEST(Reproducible, CompressedGradientsAreRefused) {
  SpawnRanksShared(2, [](std::shared_ptr<Communicator> comm) {
    const Model model;
    SessionOptions options = CpuOptions();
    options.reproducible = 2;
    UseDataParallel(comm, {.batch = "x:0", .compress = true}, &options);
    const auto session = Open(model.graph, std::move(options));
    ASSERT_NE(session, nullptr);
    const Status s = session->RunTargets({"train"}, Batch(0, 6));
    EXPECT_EQ(s.code(), Code::kInvalidArgument) << s.ToString();
    EXPECT_THAT(s.message(), HasSubstr("compressed gradients"));
    EXPECT_THAT(s.message(), HasSubstr("leave one of the two out"));
  });
}

TEST(Reproducible, GpusAreRefusedByName) {
  const Model model;
  SessionOptions options;
  options.gpu_options.virtual_gpus.count = 1;
  options.allow_soft_placement = true;
  options.reproducible = 2;
  options.batch = "x:0";
  auto session = Session::Create(model.graph, options).value();
  ASSERT_TRUE(session->RunTargets({"init"}).ok());
  const Status s = session->RunTargets({"train"}, Batch(0, 4));
  EXPECT_EQ(s.code(), Code::kUnimplemented);
  EXPECT_THAT(s.message(), HasSubstr("/gpu:0"));
}

}  // namespace
}  // namespace lockstep
