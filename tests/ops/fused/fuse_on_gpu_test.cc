// SPDX-License-Identifier: Apache-2.0
// Element-wise ops on GPUs that can compile them, as virtual ones stand for
// them: fused as on the CPU, with the same bits.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/graph/passes/fuse_elements.h"
#include "tests/testing/random_elements.h"

namespace lockstep {
namespace {

using ::testing::Contains;
using testing::FedGraph;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::RandomElements;

SessionOptions Options(bool fuse) {
  SessionOptions options;
  options.gpu_options.virtual_gpus = {.count = 2, .bytes = size_t{64} << 20};
  options.allow_soft_placement = true;
  options.services.push_back([fuse](SessionResources& resources) {
    resources.SetService(std::make_shared<Fusion>(Fusion{.on = fuse}));
  });
  return options;
}

std::vector<std::string> Steps(const FedGraph& p, bool fuse = true) {
  auto session = Session::Create(p.graph, Options(fuse));
  EXPECT_TRUE(session.ok()) << session.status().ToString();
  auto plan = (*session)->Explain(p.feeds, p.fetches);
  EXPECT_TRUE(plan.ok()) << plan.status().ToString();
  return plan.ok() ? plan->steps : std::vector<std::string>();
}

std::vector<Tensor> Run(const FedGraph& p, bool fuse) {
  auto session = Session::Create(p.graph, Options(fuse));
  EXPECT_TRUE(session.ok()) << session.status().ToString();
  auto values = (*session)->Run(p.feeds, p.fetches);
  EXPECT_TRUE(values.ok()) << values.status().ToString();
  return values.ok() ? *values : std::vector<Tensor>(p.fetches.size());
}

void ExpectEqualBits(const FedGraph& p) {
  const std::vector<Tensor> want = Run(p, false), got = Run(p, true);
  for (size_t i = 0; i < want.size(); ++i) {
    EXPECT_TRUE(want[i].defined() && testing::SameBits(got[i], want[i]))
        << p.fetches[i];
  }
}

class FuseOnGpu : public ::testing::Test {
 protected:
  Output Feed(const char* name, const Shape& shape, DType dtype = kFloat) {
    p_.feeds.emplace_back(StrCat(name, ":0"),
                          testing::Numbers(dtype, shape, 1, 9));
    return ops::Placeholder(s_.WithName(name), dtype, shape);
  }
  void Fetch(Output o) { p_.fetches.push_back(o.name()); }

  FedGraph p_;
  const Scope s_{&p_.graph};
  const Scope gpu_ = s_.WithDevice("/gpu:0");
};

// Each step is a launch, so that few ops on few elements are one, too.
TEST_F(FuseOnGpu, AShortChainIsOneStep) {
  const Output x = Feed("x", {10});
  Fetch(ops::Relu(gpu_, ops::Mul(gpu_, x, 2.0f)));
  EXPECT_THAT(Steps(p_), Contains(HasSubstr("_Fused(")));
  EXPECT_THAT(Steps(p_), Not(Contains(HasSubstr(" = Relu("))));
  EXPECT_THAT(Steps(p_, false), Contains(HasSubstr(" = Relu(")));
  ExpectEqualBits(p_);
}

TEST_F(FuseOnGpu, DevicesStayApart) {
  const Scope other = s_.WithDevice("/gpu:1");
  const Output x = Feed("x", {10000});
  const Output a = ops::Exp(gpu_, ops::Neg(gpu_, x));
  const Output b = ops::Square(other, ops::Neg(other, a));
  Fetch(ops::Sub(s_, ops::Neg(s_, b), 1.0f));
  int fused = 0;
  for (const std::string& step : Steps(p_)) {
    fused += step.find("_Fused(") != step.npos;
  }
  EXPECT_EQ(fused, 3);
  ExpectEqualBits(p_);
}

// Whose elements are in host memory.
TEST_F(FuseOnGpu, IntegersOfTheHostAreLeftToIt) {
  const Output x = Feed("x", {10000}, kInt32);
  Fetch(ops::Neg(gpu_, ops::AddN(gpu_, {x, x})));
  EXPECT_THAT(Steps(p_), Not(Contains(HasSubstr("_Fused("))));
  ExpectEqualBits(p_);
}

TEST(FuseOnGpuTest, GraphsOfNoPatternKeepTheirBits) {
  int fused = 0;
  for (uint64_t seed = 0; seed < 20; ++seed) {
    SCOPED_TRACE(StrCat("seed ", seed));
    RandomElements graph(
        seed, {.ops = 60,
               .types = {kFloat, kDouble, kHalf, kBfloat16, kInt64, kInt32}});
    int i = 0;
    for (Node* n : graph.program().graph.nodes()) {
      // Runs of neighbours on each.
      const int place = ++i / 8 % 4;
      if (place > 0) n->set_requested_device(StrCat("/gpu:", place % 2));
    }
    for (const std::string& step : Steps(graph.program())) {
      fused += step.find("_Fused(") != step.npos &&
               step.find(" on /gpu:") != step.npos;
    }
    ExpectEqualBits(graph.program());
    if (HasFailure()) return;
  }
  EXPECT_GT(fused, 20);
}

}  // namespace
}  // namespace lockstep
