// SPDX-License-Identifier: Apache-2.0
#include "tests/distributed/two_layers.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <mutex>

#include "ops/array/array.h"
#include "ops/linalg/linalg.h"
#include "ops/math/math.h"
#include "ops/nn/nn.h"
#include "ops/reduce/reduce.h"
#include "ops/state/state.h"
#include "runtime/graph/gradients.h"
#include "tests/distributed/linear_model.h"
#include "tests/testing/spawn_ranks.h"

namespace lockstep {

Network::Network(const Train& train, bool resource, int64_t samples)
    : resource(resource) {
  x = ops::Placeholder(root.WithName("x"), kFloat, Shape{samples, 3});
  y = ops::Placeholder(root.WithName("y"), kFloat, Shape{samples, 1});
  w1 = Make("w1", Tensor::Of<float>({3, 4}, {.3f, -.2f, .1f, .5f, .2f, .4f,
                                             -.3f, .1f, .2f, -.1f, .3f, -.4f}));
  b1 = Make("b1", Tensor::Of<float>({4}, {.1f, .2f, .3f, .1f}));
  w2 = Make("w2", Tensor::Of<float>({4, 1}, {.5f, -.3f, .2f, .4f}));
  trained = {w1, b1, w2};
  const auto read = [&](Output v) { return ops::ReadVariable(root, v); };
  const Output hidden = ops::Tanh(
      root, ops::BiasAdd(root, ops::MatMul(root, x, read(w1)), read(b1)));
  const Output error = ops::Sub(root, ops::MatMul(root, hidden, read(w2)), y);
  const Output loss =
      ops::Mean(root.WithName("loss"), ops::Square(root, error), {0, 1});
  step = train(*this, loss);
  ops::VariablesInitializer(root.WithName("init"));
  EXPECT_TRUE(root.ok()) << root.status().ToString();
}

Output Network::Make(const std::string& name, const Tensor& value) {
  const Scope s = root.WithName(name);
  const Output v = resource ? ops::InitializedResource(s, value)
                            : ops::InitializedVariable(s, value);
  all.push_back(ops::ReadVariable(root.WithName(name + "_now"), v));
  return v;
}

Output Network::Slot(Output variable, const std::string& name) {
  const Shape& shape = variable == w1   ? Shape{3, 4}
                       : variable == b1 ? Shape{4}
                                        : Shape{4, 1};
  Tensor zeros(kFloat, shape);
  std::ranges::fill(zeros.flat<float>(), 0.0f);
  return Make(StrCat(variable.node->name(), "_", name), zeros);
}

Output Network::Set(Output variable, Output value) {
  if (!resource) return ops::Assign(root, variable, value);
  return ops::AfterUpdate(root, ops::AssignVariableOp(root, variable, value),
                          variable);
}

std::vector<Output> Network::Gradients(Output loss) {
  std::vector<Output> values;
  root.graph()->UpdateStatus(AddGradients(root, {loss}, trained, &values));
  return values;
}

Node* Network::Group(const std::vector<Output>& after,
                     const std::string& name) {
  return root.WithName(name).WithControlDependencies(after).Op("NoOp").Build();
}

std::vector<Session::Feed> Data(int step, int64_t begin, int64_t end) {
  std::vector<Session::Feed> feeds = Batch(begin, end);
  for (float& v : feeds[0].second.flat<float>()) {
    v += 0.1f * static_cast<float>(step % 3);
  }
  return feeds;
}

VariableValues ValuesOf(Session& session, const Network& n) {
  std::vector<std::string> names;
  for (const Output& v : n.all) names.push_back(v.name());
  const auto values = session.Run({}, names);
  EXPECT_TRUE(values.ok()) << values.status().ToString();
  VariableValues all;
  if (values.ok()) {
    for (const Tensor& t : *values) all.push_back(Floats(t));
  }
  return all;
}

VariableValues TrainNetwork(Session& session, const Network& n, int64_t begin,
                            int64_t end) {
  Status s = session.RunTargets({"init"});
  for (int i = 0; i < 8; ++i) {
    s.Update(session.RunTargets({n.step->name()}, Data(i, begin, end)));
  }
  EXPECT_TRUE(s.ok()) << s.ToString();
  return s.ok() ? ValuesOf(session, n) : VariableValues();
}

void ExpectNear(const VariableValues& got, const VariableValues& want,
                const Network& n) {
  ASSERT_EQ(got.size(), want.size());
  for (size_t v = 0; v < want.size(); ++v) {
    ASSERT_EQ(got[v].size(), want[v].size());
    for (size_t i = 0; i < want[v].size(); ++i) {
      EXPECT_NEAR(got[v][i], want[v][i], 2e-5) << n.all[v].name() << " " << i;
    }
  }
}

void ExpectRanksBecome(const VariableValues& want, const Network::Train& train,
                       bool resource, const TrainSession& run) {
  const std::vector<int64_t> borders = {0, 5, 5, 12};
  std::mutex mu;
  std::vector<VariableValues> all(3);
  SpawnRanksShared(3, [&](std::shared_ptr<Communicator> comm) {
    const auto r = static_cast<size_t>(comm->rank());
    const Network own(train, resource);
    auto session = Open(own.graph, comm, {.batch = "x:0"});
    VariableValues got = run(*session, own, borders[r], borders[r + 1]);
    ExpectNear(got, want, own);
    const std::lock_guard<std::mutex> lock(mu);
    all[r] = std::move(got);
  });
  EXPECT_EQ(all[1], all[0]);  // bit for bit
  EXPECT_EQ(all[2], all[0]);
}

void ExpectReplicasKeepBits(const Network::Train& train, bool resource,
                            const TrainSession& run) {
  const Network model(train, resource);
  const VariableValues one = run(*Open(model.graph), model, 0, kSamples);
  VariableValues bits;
  for (const int ranks : {1, 2, 4}) {
    SpawnRanksShared(ranks, [&](std::shared_ptr<Communicator> comm) {
      SessionOptions options = CpuOptions();
      options.reproducible = 4;
      UseDataParallel(comm, {.batch = "x:0"}, &options);
      const int64_t part = kSamples / ranks, begin = comm->rank() * part;
      const Network own(train, resource);
      const VariableValues got =
          run(*Open(own.graph, std::move(options)), own, begin, begin + part);
      ExpectNear(got, one, own);
      if (comm->rank() > 0) return;
      if (bits.empty()) bits = got;
      EXPECT_EQ(got, bits);
    });
  }
}

}  // namespace lockstep
