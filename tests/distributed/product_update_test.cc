// SPDX-License-Identifier: Apache-2.0
// Updates by the factors of large gradients over every communicator: the values
// are those of gradients that are exchanged. rank_runner.h says which run it.
#include <algorithm>

#include "ops/linalg/linalg.h"
#include "ops/math/math.h"
#include "ops/nn/nn.h"
#include "ops/reduce/reduce.h"
#include "ops/state/state.h"
#include "ops/training/optimizer.h"
#include "tests/distributed/communicator_suite.h"
#include "tests/distributed/linear_model.h"

namespace lockstep {
namespace {

class ProductUpdateTest : public CommunicatorTestBase {};
INSTANTIATE_TEST_SUITE_P(Backends, ProductUpdateTest,
                         ::testing::ValuesIn(RankSetups()), SetupName);

// No multiples of a block's rows, nor of a slice's elements.
constexpr int64_t kIn = 1031, kOut = 1021;

Tensor Pattern(const Shape& shape, int seed) {
  Tensor t(kFloat, shape);
  int i = seed;
  for (float& v : t.flat<float>()) {
    v = static_cast<float>((i++ * 13 + 5) % 29) / 58.0f - 0.2f;
  }
  return t;
}

// One layer y = tanh(x w + b) (or of x w', or its Relu), trained by Adam;
// targets "init", "train".
struct Layer {
  explicit Layer(bool transposed = false, bool relu = false) {
    const Output x =
        ops::Placeholder(root.WithName("x"), kFloat, Shape{-1, kIn});
    w = ops::InitializedVariable(
        root.WithName("w"),
        Pattern(transposed ? Shape{kOut, kIn} : Shape{kIn, kOut}, 0));
    const Output b =
        ops::InitializedVariable(root.WithName("b"), Pattern({kOut}, 7));
    const Output sum =
        ops::Add(root, ops::MatMul(root, x, w, false, transposed), b);
    const Output y = relu ? ops::Relu(root, sum) : ops::Tanh(root, sum);
    loss = ops::Mean(root.WithName("loss"), ops::Square(root, y), {0, 1});
    ops::AdamOptimizer adam(0.01f);
    gradients = adam.ComputeGradients(root, loss, {w, b});
    train = adam.ApplyGradients(root, gradients)->name();
    names = {w.name(), b.name(), adam.Slot(w, "m").name(),
             adam.Slot(w, "v").name()};
    ops::VariablesInitializer(root.WithName("init"));
    EXPECT_TRUE(root.ok()) << root.status().ToString();
  }

  Graph graph;
  Scope root{&graph};
  Output w, loss;
  std::vector<ops::Optimizer::GradientAndVariable> gradients;
  std::vector<std::string> names;
  std::string train;
};

// Ranks with unlike numbers of samples; many zeros; one without samples; one
// with so many that it has the gradient whole.
constexpr int kSteps = 5;
std::vector<Session::Feed> Samples(int rank, int step) {
  const int64_t samples[kSteps] = {3, 3 + rank, 40, rank == 1 ? 0 : 5,
                                   rank == 0 ? 300 : 256};
  Tensor x = Pattern({samples[step], kIn}, rank * 11 + step * 3);
  if (step == 2) {
    for (float& v : x.flat<float>()) v = v < 0.2f ? 0 : v;
  }
  return {{"x:0", x}};
}

using Values = std::vector<std::vector<float>>;

Values Train(Communicator& comm, const Layer& layer, bool factors,
             const std::vector<std::string>& fetches) {
  const std::shared_ptr<Communicator> borrowed(&comm, [](Communicator*) {});
  auto session = Open(layer.graph, borrowed,
                      {.batch = "x:0", .exchange_factors = factors});
  EXPECT_OK(session->RunTargets({"init"}));
  for (int step = 0; step < kSteps; ++step) {
    const auto run =
        session->Run(Samples(comm.rank(), step), fetches, {layer.train});
    EXPECT_OK(run.status());
  }
  Values all;
  const auto values = session->Run({}, layer.names);
  EXPECT_OK(values.status());
  for (size_t i = 0; values.ok() && i < values->size(); ++i) {
    all.push_back(Floats((*values)[i]));
  }
  return all;
}

void ExpectTheSameBothWays(Communicator& comm, const Layer& layer,
                           const std::vector<std::string>& fetches = {}) {
  // Elsewhere there is one way.
  if (comm.size() == 1 || !comm.works_together()) return;
  EXPECT_EQ(Train(comm, layer, true, fetches),
            Train(comm, layer, false, fetches));
}

TEST_P(ProductUpdateTest, VariablesAndSlotsHaveTheBitsOfExchangedGradients) {
  Run([&](Communicator& comm) { ExpectTheSameBothWays(comm, Layer()); });
}

TEST_P(ProductUpdateTest, TransposedWeightsToo) {
  Run([&](Communicator& comm) {
    ExpectTheSameBothWays(comm, Layer(/*transposed=*/true));
  });
}

// Zeros of the right factor, as Relu leaves in its gradient.
TEST_P(ProductUpdateTest, BehindARelu) {
  Run([&](Communicator& comm) {
    ExpectTheSameBothWays(comm, Layer(/*transposed=*/false, /*relu=*/true));
  });
}

// Only rank 0 looks at the gradient, so it alone has to make it.
TEST_P(ProductUpdateTest, ARankThatFetchesTheGradientShowsIt) {
  Run([&](Communicator& comm) {
    const Layer layer;
    std::vector<std::string> fetches;
    if (comm.rank() == 0) {
      fetches.push_back(layer.gradients[0].gradient.name());
    }
    ExpectTheSameBothWays(comm, layer, fetches);
  });
}

TEST_P(ProductUpdateTest, IsMadeWhereRanksSeeEachOthersArrays) {
  Run([&](Communicator& comm) {
    const Layer layer;
    const std::shared_ptr<Communicator> borrowed(&comm, [](Communicator*) {});
    auto session = Open(layer.graph, borrowed);
    const bool made = comm.size() > 1 && comm.works_together();
    EXPECT_EQ(CountSteps(*session, Samples(comm.rank(), 0), layer.train,
                         "_ProductUpdate"),
              made ? 1 : 0);
  });
}

}  // namespace
}  // namespace lockstep
