// SPDX-License-Identifier: Apache-2.0
// Models train on /gpu:0 as they do on the CPU; skipped where there is no GPU.
#include <gtest/gtest.h>

#include <vector>

#include "ops/ops.h"
#include "runtime/device/cuda/cuda_hardware.h"
#include "runtime/exec/session.h"
#include "tests/testing/graph_run.h"

namespace lockstep {
namespace {

using testing::Numbers;

struct Model {
  Graph graph;
  Node* train = nullptr;
  Node* init = nullptr;
  Output x, y, loss;
};

Output Dense(const Scope& s, Output x, int64_t in, int64_t out, uint64_t seed,
             std::vector<Output>* variables) {
  Output w =
      ops::InitializedVariable(s, Numbers(kFloat, {in, out}, -0.1, 0.1, seed));
  Output b = ops::InitializedVariable(s, Numbers(kFloat, {out}, 0, 0.1, seed));
  variables->insert(variables->end(), {w, b});
  return ops::BiasAdd(s, ops::MatMul(s, x, w), b);
}

// Labels by class, as a program reads them.
void Finish(const Scope& s, Output logits, const std::vector<Output>& variables,
            Model* m) {
  m->loss =
      ops::Mean(s, ops::SoftmaxCrossEntropyWithLogits(s, logits, m->y), {0});
  ops::AdamOptimizer adam(0.01f);
  m->train = adam.Minimize(s, m->loss, variables);
  m->init = ops::VariablesInitializer(s);
}

void Perceptron(const std::string& device, Model* m) {
  const Scope s = Scope(&m->graph).WithDevice(device);
  m->x = ops::Placeholder(s, kFloat, {-1, 64});
  m->y = ops::Placeholder(s, kFloat, {-1, 10});
  std::vector<Output> variables;
  Output h = ops::Relu(s, Dense(s, m->x, 64, 32, 1, &variables));
  Finish(s, Dense(s, h, 32, 10, 2, &variables), variables, m);
}

void Convolutional(const std::string& device, Model* m) {
  const Scope s = Scope(&m->graph).WithDevice(device);
  m->x = ops::Placeholder(s, kFloat, {-1, 64});
  m->y = ops::Placeholder(s, kFloat, {-1, 10});
  Output w =
      ops::InitializedVariable(s, Numbers(kFloat, {3, 3, 1, 4}, -0.3, 0.3, 3));
  Output h = ops::Reshape(s, m->x, {-1, 8, 8, 1});
  h = ops::Relu(s, ops::Conv2D(s, h, w, {1, 1, 1, 1}, "SAME"));
  h = ops::MaxPool(s, h, {1, 2, 2, 1}, {1, 2, 2, 1}, "SAME");
  std::vector<Output> variables = {w};
  h = ops::Reshape(s, h, {-1, 64});
  Finish(s, Dense(s, h, 64, 10, 2, &variables), variables, m);
}

std::vector<double> Losses(void (*build)(const std::string&, Model*),
                           const std::string& device) {
  Model m;
  build(device, &m);
  EXPECT_TRUE(m.graph.status().ok()) << m.graph.status().ToString();
  SessionOptions options;
  options.allow_soft_placement = true;
  auto session = Session::Create(m.graph, options);
  EXPECT_TRUE(session.ok()) << session.status().ToString();
  if (!session.ok()) return {};
  Status init = (*session)->Run({}, {}, {m.init->name()}).status();
  EXPECT_TRUE(init.ok()) << init.ToString();
  std::vector<double> losses;
  for (uint64_t step = 0; step < 20; ++step) {
    Tensor labels(kFloat, {16, 10});
    std::ranges::fill(labels.flat<float>(), 0.0f);
    for (size_t i = 0; i < 16; ++i) {
      labels.flat<float>()[i * 10 + (i * 7 + step) % 10] = 1;
    }
    auto loss = (*session)->Run(
        {{m.x.name(), Numbers(kFloat, {16, 64}, 0, 1, step % 4)},
         {m.y.name(), labels}},
        {m.loss.name()}, {m.train->name()});
    EXPECT_TRUE(loss.ok()) << loss.status().ToString();
    if (!loss.ok()) return losses;
    losses.push_back(static_cast<double>((*loss)[0].scalar<float>()));
  }
  return losses;
}

class CudaTrainingTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (CudaGpus().empty()) GTEST_SKIP() << "no GPU";
  }
  static void ExpectLikeCpu(void (*build)(const std::string&, Model*)) {
    const std::vector<double> want = Losses(build, "/cpu:0");
    const std::vector<double> got = Losses(build, "/gpu:0");
    ASSERT_EQ(got.size(), want.size());
    for (size_t i = 0; i < want.size(); ++i) {
      EXPECT_NEAR(got[i], want[i], 1e-3 * want[i]) << "step " << i;
    }
    // The same bits each time.
    EXPECT_EQ(Losses(build, "/gpu:0"), got);
  }
};

TEST_F(CudaTrainingTest, APerceptronHasTheCpusLosses) {
  ExpectLikeCpu(Perceptron);
}
TEST_F(CudaTrainingTest, AConvolutionalModelHasTheCpusLosses) {
  ExpectLikeCpu(Convolutional);
}

}  // namespace
}  // namespace lockstep
