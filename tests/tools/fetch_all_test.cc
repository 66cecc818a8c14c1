// SPDX-License-Identifier: Apache-2.0
// Every value of a network, its gradients and updates, fetched in one run: each
// is what it is when it alone is fetched, and later runs leave it as it is.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <unordered_set>

#include "runtime/exec/session.h"
#include "tools/lockstep/bench_models.h"

namespace lockstep {
namespace {

constexpr int kBatch = 8;

// The roots and all that they need.
std::vector<Node*> Above(std::vector<Node*> roots) {
  std::unordered_set<Node*> seen;
  std::vector<Node*> found;
  while (!roots.empty()) {
    Node* n = roots.back();
    roots.pop_back();
    if (!seen.insert(n).second) continue;
    found.push_back(n);
    for (const Output& in : n->inputs()) roots.push_back(in.node);
    for (Node* in : n->control_inputs()) roots.push_back(in);
  }
  return found;
}

// What a step computes before its updates.
std::vector<Output> FloatsOf(const BenchModel& model) {
  std::vector<Node*> roots = {model.fetches[0].node};
  for (Node* n : Above(model.targets)) {
    const int gradient = n->traits().applies_gradient;
    if (gradient >= 0) roots.push_back(n->input(gradient).node);
  }
  std::vector<Output> all;
  for (Node* n : Above(roots)) {
    for (int i = 0; i < n->num_outputs(); ++i) {
      if (n->output_type(i) == kFloat) all.push_back(n->output(i));
    }
  }
  return all;
}

class FetchAllTest : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    auto model = MakeBenchModel(GetParam(), {.batch = kBatch});
    ASSERT_TRUE(model.ok()) << model.status().ToString();
    model_ = std::make_unique<BenchModel>(*std::move(model));
    // The same random numbers in each run.
    for (Node* n : Above({model_->fetches[0].node})) {
      if (!n->traits().random) continue;
      model_->feeds.push_back(n->output(0));
      Shape shape = n->output_shape(0);
      if (!shape.IsFullyKnown()) shape = Shape{kBatch, 512};
      for (auto& values : model_->batches) {
        values.push_back(UniformTensor(shape, 3));
      }
    }
  }

  // A session whose variables have their first values.
  std::unique_ptr<Session> Begin() {
    auto session = Session::Create(model_->graph);
    EXPECT_TRUE(session.ok()) << session.status().ToString();
    EXPECT_TRUE((*session)->RunTargets({model_->init->name()}).ok());
    return *std::move(session);
  }

  std::vector<Tensor> Run(Session& session, const std::vector<Output>& fetches,
                          size_t batch = 0) {
    std::vector<Tensor> out;
    auto call = session.MakeCallable(model_->feeds, fetches);
    EXPECT_TRUE(call.ok()) << call.status().ToString();
    const Status ran = (*call)->Run(model_->batches[batch], &out);
    EXPECT_TRUE(ran.ok()) << ran.ToString();
    return out;
  }

  std::unique_ptr<BenchModel> model_;
};

TEST_P(FetchAllTest, IsWhatItIsAlone) {
  const std::vector<Output> fetches = FloatsOf(*model_);
  auto session = Begin();
  const std::vector<Tensor> all = Run(*session, fetches);
  ASSERT_EQ(all.size(), fetches.size());
  int large = 0;
  for (size_t i = 0; i < fetches.size(); ++i) {
    const Tensor alone = Run(*session, {fetches[i]})[0];
    ASSERT_EQ(alone.shape(), all[i].shape()) << fetches[i].name();
    large += alone.bytes() >= 4096;
    float most = 0;
    float error = 0;
    for (int64_t k = 0; k < alone.NumElements(); ++k) {
      const auto at = static_cast<size_t>(k);
      most = std::max(most, std::abs(alone.flat<float>()[at]));
      error = std::max(
          error, std::abs(alone.flat<float>()[at] - all[i].flat<float>()[at]));
    }
    EXPECT_LE(error, 1e-5f * most) << fetches[i].name();
  }
  EXPECT_GT(large, 5);
}

TEST_P(FetchAllTest, StaysWhatItWas) {
  const std::vector<Output> fetches = FloatsOf(*model_);
  auto session = Begin();
  const std::vector<Tensor> first = Run(*session, fetches);
  std::vector<Tensor> copies;
  for (const Tensor& t : first) copies.push_back(t.Clone());
  for (size_t batch = 0; batch < 2; ++batch) {
    Run(*session, fetches, batch);
    Run(*session, model_->fetches, batch);
  }
  for (size_t i = 0; i < first.size(); ++i) {
    EXPECT_EQ(std::memcmp(first[i].data(), copies[i].data(), first[i].bytes()),
              0)
        << fetches[i].name();
  }
}

INSTANTIATE_TEST_SUITE_P(Models, FetchAllTest, ::testing::Values("mlp", "cnn"),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace lockstep
