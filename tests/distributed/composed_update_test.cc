// SPDX-License-Identifier: Apache-2.0
// Optimisers that are written as Assign, AssignAdd and AssignSub of arithmetic:
// ranks follow one rank on the whole batch, as with Apply* ops.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <mutex>

#include "ops/array/array.h"
#include "ops/linalg/linalg.h"
#include "ops/math/math.h"
#include "ops/nn/nn.h"
#include "ops/reduce/reduce.h"
#include "ops/state/state.h"
#include "ops/training/optimizer.h"
#include "ops/training/training.h"
#include "runtime/graph/gradients.h"
#include "tests/distributed/linear_model.h"
#include "tests/testing/spawn_ranks.h"

namespace lockstep {
namespace {

using ::testing::HasSubstr;
using Variables = std::vector<Output>;

// Two layers and a squared error; `train` adds what trains them.
struct Network {
  using Train = std::function<Node*(Network&, Output loss)>;
  explicit Network(const Train& train, bool resource = false,
                   int64_t samples = -1)
      : resource(resource) {
    x = ops::Placeholder(root.WithName("x"), kFloat, Shape{samples, 3});
    y = ops::Placeholder(root.WithName("y"), kFloat, Shape{samples, 1});
    w1 = Make("w1",
              Tensor::Of<float>({3, 4}, {.3f, -.2f, .1f, .5f, .2f, .4f, -.3f,
                                         .1f, .2f, -.1f, .3f, -.4f}));
    b1 = Make("b1", Tensor::Of<float>({4}, {.1f, .2f, .3f, .1f}));
    w2 = Make("w2", Tensor::Of<float>({4, 1}, {.5f, -.3f, .2f, .4f}));
    trained = {w1, b1, w2};
    const auto read = [&](Output v) { return ops::ReadVariable(root, v); };
    const Output hidden = ops::Tanh(
        root, ops::BiasAdd(root, ops::MatMul(root, x, read(w1)), read(b1)));
    const Output error = ops::Sub(root, ops::MatMul(root, hidden, read(w2)), y);
    Output loss =
        ops::Mean(root.WithName("loss"), ops::Square(root, error), {0, 1});
    step = train(*this, loss);
    ops::VariablesInitializer(root.WithName("init"));
    EXPECT_TRUE(root.ok()) << root.status().ToString();
  }

  Output Make(const std::string& name, const Tensor& value) {
    const Scope s = root.WithName(name);
    const Output v = resource ? ops::InitializedResource(s, value)
                              : ops::InitializedVariable(s, value);
    all.push_back(ops::ReadVariable(root.WithName(name + "_now"), v));
    return v;
  }
  // A slot of zeros.
  Output Slot(Output variable, const std::string& name) {
    const Shape& shape = variable == w1   ? Shape{3, 4}
                         : variable == b1 ? Shape{4}
                                          : Shape{4, 1};
    Tensor zeros(kFloat, shape);
    std::ranges::fill(zeros.flat<float>(), 0.0f);
    return Make(StrCat(variable.node->name(), "_", name), zeros);
  }
  Output Set(Output variable, Output value) {
    if (!resource) return ops::Assign(root, variable, value);
    return ops::AfterUpdate(root, ops::AssignVariableOp(root, variable, value),
                            variable);
  }
  std::vector<Output> Gradients(Output loss) {
    std::vector<Output> values;
    for (const Output& v : trained) read_.push_back(v);
    root.graph()->UpdateStatus(AddGradients(root, {loss}, read_, &values));
    return values;
  }
  Node* Group(const std::vector<Output>& after) {
    return root.WithName("train")
        .WithControlDependencies(after)
        .Op("NoOp")
        .Build();
  }

  Graph graph;
  Scope root{&graph};
  bool resource;
  Output x, y, w1, b1, w2;
  Variables trained, all;
  Node* step = nullptr;

 private:
  std::vector<Output> read_;
};

// slot = decay * slot + (1 - decay) * value
Output Decayed(Network& n, Output slot, float decay, Output value) {
  const Scope& s = n.root;
  return n.Set(slot, ops::Add(s, ops::Mul(s, ops::ReadVariable(s, slot), decay),
                              ops::Mul(s, value, 1 - decay)));
}

Node* Amsgrad(Network& n, Output loss) {
  ops::AdamOptimizer adam(0.05f, 0.9f, 0.99f, 1e-3f, "Adam", true);
  Node* train = adam.Minimize(n.root.WithName("train"), loss, n.trained);
  for (const Output& slot : adam.variables()) n.all.push_back(slot);
  return train;
}

// As BERT's: clipped by the norm of all gradients, everything assigned.
Node* AdamWithWeightDecay(Network& n, Output loss) {
  const Scope& s = n.root;
  std::vector<Output> gradients = n.Gradients(loss), done, squares;
  for (const Output& g : gradients) squares.push_back(ops::L2Loss(s, g));
  const Output norm = ops::Sqrt(s, ops::Mul(s, ops::AddN(s, squares), 2.0f));
  const Output scale = ops::RealDiv(s, 0.3f, ops::Maximum(s, norm, 0.3f));
  for (size_t i = 0; i < gradients.size(); ++i) {
    const Output w = n.trained[i];
    const Output g = ops::Mul(s, gradients[i], scale);
    const Output old = ops::ReadVariable(s, w);
    const Output m = n.Slot(w, "m"), v = n.Slot(w, "v");
    const auto mix = [&](Output slot, float decay, Output value) {
      return ops::Add(s, ops::Mul(s, ops::ReadVariable(s, slot), decay),
                      ops::Mul(s, value, 1 - decay));
    };
    const Output next_m = mix(m, 0.9f, g);
    const Output next_v = mix(v, 0.99f, ops::Square(s, g));
    const Output update = ops::Add(
        s, ops::RealDiv(s, next_m, ops::Add(s, ops::Sqrt(s, next_v), 1e-2f)),
        ops::Mul(s, old, 0.01f));
    const Output next = ops::Sub(s, old, ops::Mul(s, update, 0.02f));
    done.insert(done.end(),
                {n.Set(w, next), n.Set(m, next_m), n.Set(v, next_v)});
  }
  return n.Group(done);
}

// A slot by simple ops, the variable by an Apply* op that reads gradient and
// slot.
Node* SlotsThenApply(Network& n, Output loss) {
  const Scope& s = n.root;
  std::vector<Output> gradients = n.Gradients(loss), done;
  for (size_t i = 0; i < gradients.size(); ++i) {
    const Output w = n.trained[i], g = gradients[i];
    const Output v = Decayed(n, n.Slot(w, "v"), 0.9f, ops::Square(s, g));
    const Output scaled =
        ops::RealDiv(s, g, ops::Add(s, ops::Sqrt(s, v), 1e-2f));
    done.push_back(ops::ApplyGradientDescent(s, w, 0.02f, scaled)->output(0));
  }
  return n.Group(done);
}

// No slot that tells what the gradient is: not linear in it, either.
Node* CubesSubtracted(Network& n, Output loss) {
  const Scope& s = n.root;
  std::vector<Output> done;
  const std::vector<Output> gradients = n.Gradients(loss);
  for (size_t i = 0; i < gradients.size(); ++i) {
    const Output g = gradients[i];
    done.push_back(ops::AssignSub(
        s, n.trained[i], ops::Mul(s, ops::Mul(s, ops::Square(s, g), g), 2.0f)));
  }
  return n.Group(done);
}

std::vector<Session::Feed> Data(int step, int64_t begin, int64_t end) {
  std::vector<Session::Feed> feeds = Batch(begin, end);
  for (float& v : feeds[0].second.flat<float>()) {
    v += 0.1f * static_cast<float>(step % 3);
  }
  return feeds;
}

std::vector<std::vector<float>> TrainNetwork(Session& session, const Network& n,
                                             int64_t begin, int64_t end) {
  Status s = session.RunTargets({"init"});
  for (int i = 0; i < 8; ++i) {
    s.Update(session.RunTargets({n.step->name()}, Data(i, begin, end)));
  }
  std::vector<std::string> names;
  for (const Output& v : n.all) names.push_back(v.name());
  const auto values = session.Run({}, names);
  s.Update(values.status());
  EXPECT_TRUE(s.ok()) << s.ToString();
  std::vector<std::vector<float>> all;
  if (s.ok()) {
    for (const Tensor& t : *values) all.push_back(Floats(t));
  }
  return all;
}

void ExpectNear(const std::vector<std::vector<float>>& got,
                const std::vector<std::vector<float>>& want, const Network& n) {
  ASSERT_EQ(got.size(), want.size());
  for (size_t v = 0; v < want.size(); ++v) {
    ASSERT_EQ(got[v].size(), want[v].size());
    for (size_t i = 0; i < want[v].size(); ++i) {
      EXPECT_NEAR(got[v][i], want[v][i], 2e-5) << n.all[v].name() << " " << i;
    }
  }
}

struct Case {
  const char* name;
  Network::Train train;
  bool resource;
};

class ComposedUpdateTest : public ::testing::TestWithParam<Case> {};

TEST_P(ComposedUpdateTest, RanksFollowOneRankOnTheWholeBatch) {
  const auto& [name, train, resource] = GetParam();
  const Network model(train, resource);
  const auto want = TrainNetwork(*Open(model.graph), model, 0, kSamples);
  EXPECT_NE(want[0], (std::vector<float>{.3f, -.2f, .1f, .5f, .2f, .4f, -.3f,
                                         .1f, .2f, -.1f, .3f, -.4f}));
  const std::vector<int64_t> borders = {0, 5, 5, 12};
  std::mutex mu;
  std::vector<std::vector<std::vector<float>>> all(3);
  SpawnRanksShared(3, [&](std::shared_ptr<Communicator> comm) {
    const auto r = static_cast<size_t>(comm->rank());
    const Network own(train, resource);
    auto session = Open(own.graph, comm, {.batch = "x:0"});
    auto got = TrainNetwork(*session, own, borders[r], borders[r + 1]);
    ExpectNear(got, want, model);
    const std::lock_guard<std::mutex> lock(mu);
    all[r] = std::move(got);
  });
  EXPECT_EQ(all[1], all[0]);  // bit for bit
  EXPECT_EQ(all[2], all[0]);
}

TEST_P(ComposedUpdateTest, ReplicasGiveTheSameBitsOnAnyNumberOfRanks) {
  const auto& [name, train, resource] = GetParam();
  const Network model(train, resource);
  const auto one = TrainNetwork(*Open(model.graph), model, 0, kSamples);
  std::vector<std::vector<float>> bits;
  for (const int ranks : {1, 2, 4}) {
    SpawnRanksShared(ranks, [&](std::shared_ptr<Communicator> comm) {
      SessionOptions options;
      options.reproducible = 4;
      UseDataParallel(comm, {.batch = "x:0"}, &options);
      const int64_t part = kSamples / ranks, begin = comm->rank() * part;
      const Network own(train, resource);
      const auto got = TrainNetwork(*Open(own.graph, std::move(options)), own,
                                    begin, begin + part);
      ExpectNear(got, one, own);
      if (comm->rank() > 0) return;
      if (bits.empty()) bits = got;
      EXPECT_EQ(got, bits);
    });
  }
}

INSTANTIATE_TEST_SUITE_P(
    Optimizers, ComposedUpdateTest,
    ::testing::Values(
        Case{"AmsgradOfReferences", Amsgrad, false},
        Case{"AmsgradOfResources", Amsgrad, true},
        Case{"AdamWithWeightDecayOfReferences", AdamWithWeightDecay, false},
        Case{"AdamWithWeightDecayOfResources", AdamWithWeightDecay, true},
        Case{"SlotsThenApply", SlotsThenApply, false},
        Case{"CubesOfReferences", CubesSubtracted, false},
        Case{"CubesOfResources", CubesSubtracted, true}),
    [](const auto& info) { return std::string(info.param.name); });

// What is no gradient stays what it was: a count of the rank's own samples, a
// running mean that is rank 0's.
TEST(ComposedUpdates, OtherUpdatesAreLeftAlone) {
  SpawnRanksShared(2, [&](std::shared_ptr<Communicator> comm) {
    const Network own([](Network& n, Output loss) {
      const Output count = n.Make("count", Tensor(0.0f));
      const Output mean = n.Make("mean", Tensor(0.0f));
      const Output sum = ops::Sum(n.root, n.x, {0, 1});
      ops::AssignAdd(n.root.WithName("add"), count, sum);
      n.root.WithName("track")
          .WithControlDependencies({Decayed(n, mean, 0.5f, sum)})
          .Op("NoOp")
          .Build();
      return CubesSubtracted(n, loss);
    });
    auto session = Open(own.graph, comm, {.batch = "x:0"});
    Status s = session->RunTargets({"init"});
    const auto first = comm->rank() * 6;
    const auto sum_of = [](int64_t begin) {
      const auto feeds = Data(0, begin, begin + 6);
      float sum = 0;
      for (const float v : feeds[0].second.flat<float>()) sum += v;
      return sum;
    };
    s.Update(session->RunTargets({"train", "add", "track"},
                                 Data(0, first, first + 6)));
    EXPECT_TRUE(s.ok()) << s.ToString();
    const auto now = session->Run({}, {own.all[3].name(), own.all[4].name()});
    ASSERT_TRUE(now.ok()) << now.status().ToString();
    EXPECT_NEAR((*now)[0].scalar<float>(), sum_of(first), 1e-5);
    EXPECT_NEAR((*now)[1].scalar<float>(), 0.5f * sum_of(0), 1e-5);
    // A metric is no reason to wait for other ranks.
    if (comm->rank() > 0) return;
    EXPECT_TRUE(session->RunTargets({"add"}, Data(0, 0, 6)).ok());
  });
}

// Nothing tells a gradient from samples here.
TEST(ComposedUpdates, AFixedNumberOfSamplesIsRefusedByName) {
  SpawnRanksShared(2, [&](std::shared_ptr<Communicator> comm) {
    const Network own(AdamWithWeightDecay, false, 6);
    auto session = Open(own.graph, comm, {.batch = "x:0"});
    Status s = session->RunTargets({"init"});
    EXPECT_TRUE(s.ok()) << s.ToString();
    s = session->RunTargets({"train"}, Data(0, 0, 6));
    EXPECT_EQ(s.code(), Code::kUnimplemented) << s.ToString();
    EXPECT_THAT(s.message(), HasSubstr("(Assign) trains variable 'w1'"));
    EXPECT_THAT(s.message(), HasSubstr("fixed in the graph"));
  });
}

}  // namespace
}  // namespace lockstep
