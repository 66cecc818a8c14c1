// SPDX-License-Identifier: Apache-2.0
// Optimisers that are written as Assign, AssignAdd and AssignSub of arithmetic,
// and gradients that are clipped before Apply* ops: ranks follow one rank on
// the whole batch.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <mutex>

#include "ops/array/array.h"
#include "ops/math/math.h"
#include "ops/reduce/reduce.h"
#include "ops/state/state.h"
#include "ops/training/clip.h"
#include "ops/training/optimizer.h"
#include "ops/training/training.h"
#include "tests/distributed/linear_model.h"
#include "tests/distributed/two_layers.h"
#include "tests/testing/spawn_ranks.h"

namespace lockstep {
namespace {

using ::testing::HasSubstr;
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

// What clips gradients, for an optimiser of Apply* ops.
using Clip = std::function<std::vector<Output>(const Scope&,
                                               const std::vector<Output>&)>;
template <class Optimizer, class... Parameters>
Network::Train Clipped(const Clip& clip, Parameters... parameters) {
  return [=](Network& n, Output loss) {
    Optimizer optimizer(parameters...);
    auto pairs = optimizer.ComputeGradients(n.root, loss, n.trained);
    std::vector<Output> gradients;
    for (const auto& p : pairs) gradients.push_back(p.gradient);
    gradients = clip(n.root, gradients);
    for (size_t i = 0; i < pairs.size(); ++i) {
      pairs[i].gradient = gradients[i];
    }
    Node* train = optimizer.ApplyGradients(n.root.WithName("train"), pairs);
    for (const Output& slot : optimizer.variables()) n.all.push_back(slot);
    return train;
  };
}

Clip Each(const std::function<Output(const Scope&, Output)>& clip) {
  return [clip](const Scope& s, const std::vector<Output>& gradients) {
    std::vector<Output> clipped;
    for (const Output& g : gradients) clipped.push_back(clip(s, g));
    return clipped;
  };
}

Network::Train ClippedByGlobalNorm() {
  return Clipped<ops::AdamOptimizer>(
      [](const Scope& s, const std::vector<Output>& gradients) {
        return ops::ClipByGlobalNorm(s, gradients, 0.2f).clipped;
      },
      0.05f, 0.9f, 0.99f, 1e-3f);
}

Network::Train ClippedByNorm() {
  return Clipped<ops::MomentumOptimizer>(Each([](const Scope& s, Output g) {
                                           return ops::ClipByNorm(s, g, 0.1f);
                                         }),
                                         0.1f, 0.9f);
}

// The number of samples is known when the graph runs: sums by hand.
Network::Train ScaledThenClippedByValue() {
  return Clipped<ops::GradientDescentOptimizer>(
      Each([](const Scope& s, Output g) {
        const Output samples =
            ops::Cast(s, ops::Size(s, Output{s.graph()->Find("y"), 0}), kFloat);
        const Output sum = ops::Mul(s, g, samples);
        return ops::Mul(
            s,
            ops::ClipByValue(s, ops::RealDiv(s, sum, samples), -0.04f, 0.05f),
            2.0f);
      }),
      0.3f);
}

// A mean may be taken before or after it.
Node* WeightDecayThenApply(Network& n, Output loss) {
  const Scope& s = n.root;
  std::vector<Output> done;
  const std::vector<Output> gradients = n.Gradients(loss);
  for (size_t i = 0; i < gradients.size(); ++i) {
    const Output decayed =
        ops::Add(s, ops::Mul(s, gradients[i], 0.5f),
                 ops::Mul(s, ops::ReadVariable(s, n.trained[i]), 0.1f));
    done.push_back(
        ops::ApplyGradientDescent(s, n.trained[i], 0.2f, decayed)->output(0));
  }
  return n.Group(done);
}

// One of the gradients is used as it is; the rate of the others falls with it.
Node* SomeClipped(Network& n, Output loss) {
  const Scope& s = n.root;
  const std::vector<Output> g = n.Gradients(loss);
  const Output norm = ops::GlobalNorm(s, {g[0], g[1]});
  const Output scale = ops::RealDiv(s, 0.1f, ops::Add(s, norm, 0.1f));
  return n.Group(
      {ops::ApplyGradientDescent(s, n.w1, 0.2f, ops::Mul(s, g[0], scale))
           ->output(0),
       ops::ApplyGradientDescent(s, n.b1, 0.2f, g[1])->output(0),
       ops::ApplyGradientDescent(s, n.w2, 0.2f, g[2])->output(0)});
}

struct Case {
  const char* name;
  Network::Train train;
  bool resource;
};
void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }

class ComposedUpdateTest : public ::testing::TestWithParam<Case> {};

TEST_P(ComposedUpdateTest, RanksFollowOneRankOnTheWholeBatch) {
  const auto& [name, train, resource] = GetParam();
  const Network model(train, resource);
  const auto want = TrainNetwork(*Open(model.graph), model, 0, kSamples);
  EXPECT_NE(want[0], (std::vector<float>{.3f, -.2f, .1f, .5f, .2f, .4f, -.3f,
                                         .1f, .2f, -.1f, .3f, -.4f}));
  ExpectRanksBecome(want, train, resource, TrainNetwork);
}

TEST_P(ComposedUpdateTest, ReplicasGiveTheSameBitsOnAnyNumberOfRanks) {
  const auto& [name, train, resource] = GetParam();
  ExpectReplicasKeepBits(train, resource, TrainNetwork);
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
        Case{"CubesOfResources", CubesSubtracted, true},
        Case{"ClippedByGlobalNorm", ClippedByGlobalNorm(), false},
        Case{"ClippedByGlobalNormOfResources", ClippedByGlobalNorm(), true},
        Case{"ClippedByNorm", ClippedByNorm(), false},
        Case{"ScaledThenClippedByValue", ScaledThenClippedByValue(), false},
        Case{"WeightDecayThenApply", WeightDecayThenApply, false},
        Case{"SomeClipped", SomeClipped, false}),
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

// The elements of a gradient tell it from samples, but not where it is clipped.
TEST(ComposedUpdates, ClippingWithAFixedNumberOfSamplesIsRefusedByName) {
  const auto status_of = [](const Network::Train& train) {
    Status first;
    SpawnRanksShared(2, [&](std::shared_ptr<Communicator> comm) {
      const Network own(train, false, 6);
      auto session = Open(own.graph, comm, {.batch = "x:0"});
      Status s = session->RunTargets({"init"});
      EXPECT_TRUE(s.ok()) << s.ToString();
      s = session->RunTargets({own.step->name()}, Data(0, 0, 6));
      if (comm->rank() == 0) first = s;
    });
    return first;
  };
  const Status s = status_of(ClippedByNorm());
  EXPECT_EQ(s.code(), Code::kUnimplemented) << s.ToString();
  EXPECT_THAT(s.message(), HasSubstr("(ApplyMomentum) trains variable"));
  EXPECT_THAT(s.message(), HasSubstr("was clipped or the like"));
  EXPECT_TRUE(status_of(WeightDecayThenApply).ok());
}

// What trains without clipping is one exchange with divided updates, as ever.
TEST(ComposedUpdates, AffineArithmeticKeepsDividedUpdates) {
  SpawnRanksShared(2, [&](std::shared_ptr<Communicator> comm) {
    const auto nodes_of = [&](const Network::Train& train) {
      const Network own(train);
      SessionOptions options = CpuOptions();
      UseDataParallel(comm, {.batch = "x:0"}, &options);
      auto session = Open(own.graph, std::move(options));
      EXPECT_TRUE(session->RunTargets({"init"}).ok());
      const auto count = [&](const char* op) {
        return CountSteps(*session, Data(0, 0, 6), own.step->name(), op);
      };
      return std::pair(count("_GradientUpdate"), count("_GradientExchange"));
    };
    EXPECT_EQ(nodes_of(WeightDecayThenApply), std::pair(1, 0));
    EXPECT_EQ(nodes_of(ClippedByNorm()), std::pair(0, 1));
  });
}

}  // namespace
}  // namespace lockstep
