// SPDX-License-Identifier: Apache-2.0

// Every optimizer against TensorFlow 2.21's of the same name: two steps of a
// variable [4,2], of which the gradient is what is fed or, sparse, of rows 1, 3
// and 1 of it.

#include <algorithm>
#include <cmath>
#include <limits>

#include "ops/array/array.h"
#include "ops/array/indexed_slices.h"
#include "ops/math/math.h"
#include "ops/reduce/reduce.h"
#include "ops/state/state.h"
#include "ops/training/clip.h"
#include "ops/training/optimizer.h"
#include "tests/testing/graph_run.h"

namespace lockstep::testing {
namespace {

using ::testing::ElementsAreArray;
using OptimizerPtr = std::unique_ptr<ops::Optimizer>;

template <class T, class... A>
OptimizerPtr Make(A... args) {
  return std::make_unique<T>(args...);
}

struct Recorded {
  const char* name;
  OptimizerPtr (*make)();
  std::vector<std::string> variables;
  std::vector<double> dense, sparse;
};
const Recorded kRecorded[] = {
    {"GradientDescentOptimizer",
     [] { return Make<ops::GradientDescentOptimizer>(0.1f); },
     {},
     {1.05, -1.975, 2.75, 0.52499998, -0.47500002, 3.9624999, 1.8, 1.2},
     {1, -2, 2.825, 0.48750004, -0.25, 4, 1.75, 1.025}},
    {"MomentumOptimizer",
     [] { return Make<ops::MomentumOptimizer>(0.1f, 0.9f); },
     {"w/Momentum"},
     {1.005, -1.885, 2.5699999, 0.5025, -0.4075, 3.9512498, 1.71, 1.29},
     {1, -2, 2.8475001, 0.56624997, -0.25, 4, 1.5699999, 1.0025001}},
    {"MomentumOptimizer",
     [] { return Make<ops::MomentumOptimizer>(0.1f, 0.9f, true); },
     {"w/Momentum"},
     {1.0545, -1.8714999, 2.3629999, 0.52724999, -0.61675006, 3.9186249,
      1.5389999, 1.4610001},
     {1, -2, 2.6877499, 0.54712498, -0.25, 4, 1.363, 1.0272499}},
    {"AdagradOptimizer",
     [] { return Make<ops::AdagradOptimizer>(0.1f); },
     {"w/Adagrad"},
     {1.0015508, -1.9628212, 2.8772538, 0.51583254, -0.25436667, 3.9040043,
      1.8356472, 1.1643528},
     {1, -2, 2.9639888, 0.52083367, -0.25, 4, 1.8772538, 1.0158325}},
    {"AdadeltaOptimizer",
     [] { return Make<ops::AdadeltaOptimizer>(0.5f, 0.9f, 0.001f); },
     {"w/Adadelta", "w/Adadelta_1"},
     {1.0139847, -1.9938436, 2.9320781, 0.51423901, -0.26890358, 3.907052,
      1.8992105, 1.1007895},
     {1, -2, 2.9787531, 0.49560422, -0.25, 4, 1.9320782, 1.014239}},
    {"RMSPropOptimizer",
     [] { return Make<ops::RMSPropOptimizer>(0.1f, 0.9f, 0.5f, 0.01f); },
     {"w/RMSProp", "w/RMSProp_1"},
     {1.0254421, -1.927043, 2.6923401, 0.51503628, -0.36100611, 3.9528816,
      1.7512407, 1.2487593},
     {1, -2, 2.8585207, 0.53158146, -0.25, 4, 1.69234, 1.0150363}},
    {"RMSPropOptimizer",
     [] { return Make<ops::RMSPropOptimizer>(0.1f, 0.9f, 0.5f, 0.01f, true); },
     {"w/RMSProp", "w/RMSProp_1", "w/RMSProp_2"},
     {1.0255039, -1.9263074, 2.6872103, 0.51504707, -0.36419389, 3.952858,
      1.7486689, 1.2513311},
     {1, -2, 2.8561664, 0.53207427, -0.25, 4, 1.6872103, 1.0150471}},
    {"FtrlOptimizer",
     [] { return Make<ops::FtrlOptimizer>(0.1f); },
     {"w/Ftrl", "w/Ftrl_1"},
     {0.46702841, -1.3597984, 2.4087324, 0.12360027, -0.15723808, 0.18408015,
      1.2326244, 0.86284137},
     {1, -2, 0.61059517, 0.35089001, -0.25, 4, 1.5649064, 0.23136802}},
    {"FtrlOptimizer",
     [] {
       return Make<ops::FtrlOptimizer>(
           0.1f, ops::FtrlOptimizer::Options{
                     .l1_regularization_strength = 0.05f,
                     .l2_regularization_strength = 0.25f,
                     .l2_shrinkage_regularization_strength = 0.125f});
     },
     {"w/Ftrl", "w/Ftrl_1"},
     {0.38075009, -1.226088, 2.2847733, 0.074232101, -0.13882419, -0.082738437,
      1.1057587, 0.78493452},
     {1, -2, 0.35276011, 0.30720481, -0.25, 4, 1.4828297, 0.14005481}},
    {"AdamOptimizer",
     [] { return Make<ops::AdamOptimizer>(0.1f, 0.9f, 0.99f, 0.001f); },
     {"beta1_power", "beta2_power", "w/Adam", "w/Adam_1"},
     {0.93819714, -1.8921231, 2.8176751, 0.43976372, -0.20697477, 3.8143528,
      1.801694, 1.198306},
     {1, -2, 3.0310872, 0.58705968, -0.25, 4, 1.8176751, 0.93976372}},
};

const Tensor kStart =
    Tensor::Of<float>({4, 2}, {1, -2, 3, 0.5, -0.25, 4, 2, 1});
const Tensor kFeeds[] = {
    Tensor::Of<float>({3, 2}, {0.5, -1, 2, 0.25, -0.75, 0.125}),
    Tensor::Of<float>({3, 2}, {-1, 0.75, 0.5, -0.5, 3, 0.25})};

struct Model {
  Graph graph;
  Scope s{&graph};
  Output w, loss;
  Node* train = nullptr;

  Model(bool resource, bool sparse) {
    w = (resource ? ops::InitializedResource : ops::InitializedVariable)(
        s.WithName("w"), kStart);
    const Output g = ops::Placeholder(s.WithName("g"), kFloat, Shape{3, 2});
    const Output last = ops::Const(s, Tensor::Of<float>({1, 2}, {1, -1}));
    const Output product =
        !sparse
            ? ops::Mul(s, ops::ReadVariable(s, w), ops::Concat(s, {g, last}, 0))
        : resource ? ops::Mul(s, ops::ResourceGather(s, w, {1, 3, 1}), g)
                   : ops::Mul(s, ops::Gather(s, w, {1, 3, 1}, 0), g);
    loss = ops::Sum(s, product, {0, 1});
  }
  // w after both steps.
  std::vector<double> Train(ops::Optimizer& optimizer) {
    train = optimizer.Minimize(s, loss, {w});
    Node* init = ops::VariablesInitializer(s);
    const Output read = ops::ReadVariable(s, w);
    EXPECT_TRUE(s.ok()) << s.status().ToString();
    if (!s.ok()) return {};
    auto session = Session::Create(graph).value();
    EXPECT_TRUE(session->RunTargets({init->name()}).ok());
    for (const Tensor& g : kFeeds) {
      const Status status = session->RunTargets({train->name()}, {{"g:0", g}});
      EXPECT_TRUE(status.ok()) << status.ToString();
    }
    return Values(session->Run({}, read).value());
  }
  bool Has(const std::string& op) const {
    return std::ranges::any_of(graph.nodes(),
                               [&](const Node* n) { return n->op() == op; });
  }
};

void ExpectNear(const std::vector<double>& got,
                const std::vector<double>& want) {
  ASSERT_EQ(got.size(), want.size());
  for (size_t i = 0; i < want.size(); ++i) {
    EXPECT_NEAR(got[i], want[i], 2e-6 * (1 + std::abs(want[i]))) << i;
  }
}

TEST(OptimizersTest, TrainAsTensorFlows) {
  for (const Recorded& r : kRecorded) {
    for (const bool resource : {false, true}) {
      for (const bool sparse : {false, true}) {
        SCOPED_TRACE(StrCat(r.name, resource ? " resource" : " reference",
                            sparse ? " sparse" : " dense"));
        Model m(resource, sparse);
        const OptimizerPtr optimizer = r.make();
        ExpectNear(m.Train(*optimizer), sparse ? r.sparse : r.dense);
        std::vector<std::string> names;
        for (const Output& v : optimizer->variables()) {
          names.push_back(v.node->name());
          EXPECT_EQ(v.dtype() == kResource, resource);
        }
        EXPECT_THAT(names, ElementsAreArray(r.variables));
      }
    }
  }
}

TEST(OptimizersTest, RowsAreUpdatedByTheSparseOps) {
  Model m(false, true);
  ops::MomentumOptimizer momentum(0.1f, 0.9f);
  m.Train(momentum);
  EXPECT_TRUE(m.Has("SparseApplyMomentum"));
  EXPECT_FALSE(m.Has("ApplyMomentum"));
  Model r(true, true);
  ops::RMSPropOptimizer rms(0.1f);
  r.Train(rms);
  EXPECT_TRUE(r.Has("ResourceSparseApplyRMSProp"));
}

// Two look-ups of one table are one update of all their rows.
TEST(OptimizersTest, SumsOfRowsAreRows) {
  Graph graph;
  const Scope s(&graph);
  const Output w = ops::InitializedVariable(s.WithName("w"), kStart);
  const Output sum =
      ops::Add(s, ops::Sum(s, ops::Gather(s, w, {0, 1}, 0), {0, 1}),
               ops::Sum(s, ops::Gather(s, w, {1, 2}, 0), {0, 1}));
  ops::AdagradOptimizer adagrad(0.1f, 1.0f);
  Node* train = adagrad.Minimize(s, sum, {w});
  Node* init = ops::VariablesInitializer(s);
  ASSERT_TRUE(s.ok()) << s.status().ToString();
  auto session = Session::Create(graph).value();
  ASSERT_TRUE(session->RunTargets({init->name()}).ok());
  ASSERT_TRUE(session->RunTargets({train->name()}).ok());
  // Row 1 has gradient 2 once, not 1 twice.
  const double one = 0.1 / std::sqrt(2.0), two = 0.2 / std::sqrt(5.0);
  ExpectNear(
      Values(session->RunOne({}, "w:0").value()),
      {1 - one, -2 - one, 3 - two, 0.5 - two, -0.25 - one, 4 - one, 2, 1});
}

TEST(OptimizersTest, AmsgradOfBothKinds) {
  for (const bool sparse : {false, true}) {
    std::vector<std::vector<double>> w;
    for (const bool resource : {false, true}) {
      Model m(resource, sparse);
      ops::AdamOptimizer adam(0.1f, 0.5f, 0.6f, 1e-3f, "Adam", true);
      w.push_back(m.Train(adam));
      EXPECT_EQ(m.Has("ResourceApplyAdamWithAmsgrad"), resource && !sparse);
      EXPECT_TRUE(adam.Slot(m.w, "vhat").defined());
    }
    ExpectNear(w[0], w[1]);
    if (sparse) continue;
    // The first element by hand: gradients 0.5 and -1, v is 0.1 and 0.46.
    const double first =
        0.1 * std::sqrt(0.4) / 0.5 * 0.25 / (std::sqrt(0.1) + 1e-3);
    const double second =
        0.1 * std::sqrt(0.64) / 0.75 * -0.375 / (std::sqrt(0.46) + 1e-3);
    EXPECT_NEAR(w[0][0], 1 - first - second, 1e-5);
  }
}

TEST(OptimizersTest, GlobalStepMayBeAResource) {
  Model m(true, false);
  const Output step =
      ops::InitializedResource(m.s.WithName("step"), int64_t{0});
  ops::GradientDescentOptimizer sgd(0.1f);
  m.train = sgd.Minimize(m.s, m.loss, {m.w}, step);
  ASSERT_TRUE(m.s.ok()) << m.s.status().ToString();
  EXPECT_EQ(m.train->op(), "AssignAddVariableOp");
}

std::vector<double> Clipped(
    const Tensor& t, const std::function<Output(const Scope&, Output)>& f) {
  return Values(
      EvaluateOne({t}, [&](const Scope& s, const std::vector<Output>& in) {
        return std::vector<Output>{f(s, in[0])};
      }));
}

TEST(ClipTest, ByValueAndByNorm) {
  const Tensor t = Tensor::Of<double>({2, 2}, {3, 4, 0, 0});
  const auto value = [](const Scope& s, Output x) {
    return ops::ClipByValue(s, x, 0.5f, 3.5f);
  };
  ExpectNear(Clipped(t, value), {3, 3.5, 0.5, 0.5});
  const auto norm = [](double limit, std::vector<int32_t> axes) {
    return [=](const Scope& s, Output x) {
      return ops::ClipByNorm(s, x, limit, axes);
    };
  };
  ExpectNear(Clipped(t, norm(1, {})), {0.6, 0.8, 0, 0});
  ExpectNear(Clipped(t, norm(10, {})), {3, 4, 0, 0});
  ExpectNear(Clipped(t, norm(2, {0})), {2, 2, 0, 0});
  ExpectGradients({Tensor::Of<double>({2, 2}, {3, 4, 0, -1})},
                  [&](const Scope& s, const std::vector<Output>& in) {
                    return std::vector<Output>{norm(1, {})(s, in[0])};
                  });
}

TEST(ClipTest, ByGlobalNormKeepsRowsAndGaps) {
  Graph graph;
  const Scope s(&graph);
  const Output a = Input({3.0f, 0.0f}).Resolve(s);
  const Output rows =
      ops::IndexedSlicesToDense(s, Tensor::Of<float>({1, 2}, {0, 4}), {2}, 3);
  const auto r = ops::ClipByGlobalNorm(s, {a, {}, rows}, 1.0f);
  ASSERT_TRUE(s.ok()) << s.status().ToString();
  EXPECT_FALSE(r.clipped[1].defined());
  EXPECT_TRUE(ops::AsIndexedSlices(s, r.clipped[2]).sparse());
  auto session = Session::Create(graph).value();
  const auto get = [&](Output o) {
    return Values(session->Run({}, o).value());
  };
  ExpectNear(get(r.norm), {5});
  ExpectNear(get(r.clipped[0]), {0.6, 0});
  ExpectNear(get(r.clipped[2]), {0, 0, 0, 0, 0, 0.8});
  const float inf = std::numeric_limits<float>::infinity();
  const auto not_finite = Clipped(
      Tensor::Of<float>({2}, {inf, 1}), [](const Scope& scope, Output x) {
        return ops::ClipByGlobalNorm(scope, {x}, 1.0f).clipped[0];
      });
  EXPECT_TRUE(std::isnan(not_finite[1]));
}

}  // namespace
}  // namespace lockstep::testing
