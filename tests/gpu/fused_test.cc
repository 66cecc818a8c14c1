// SPDX-License-Identifier: Apache-2.0
// Fused element-wise ops on a GPU have the bits of ops that are launched one by
// one; skipped where there is no GPU, or no NVRTC.
#include <gtest/gtest.h>

#include "runtime/device/cuda/cuda_hardware.h"
#include "runtime/device/cuda/nvrtc.h"
#include "runtime/graph/passes/fuse_elements.h"
#include "tests/testing/random_elements.h"

namespace lockstep {
namespace {

using testing::FedGraph;
using testing::RandomElements;

std::unique_ptr<Session> Open(const FedGraph& p, bool fuse) {
  SessionOptions options;
  options.allow_soft_placement = true;
  options.services.push_back([fuse](SessionResources& resources) {
    resources.SetService(std::make_shared<Fusion>(Fusion{.on = fuse}));
  });
  auto session = Session::Create(p.graph, options);
  EXPECT_TRUE(session.ok()) << session.status().ToString();
  return session.ok() ? *std::move(session) : nullptr;
}

TEST(CudaFusedTest, HaveTheBitsOfOpsByThemselves) {
  if (CudaGpus().empty()) GTEST_SKIP() << "no GPU";
  if (const Status found = FindNvrtc(); !found.ok()) {
    GTEST_SKIP() << found.ToString();
  }
  int fused = 0;
  for (uint64_t seed = 0; seed < 30; ++seed) {
    SCOPED_TRACE(StrCat("seed ", seed));
    RandomElements graph(
        seed, {.ops = seed % 3 == 0 ? 10 : 60,
               .types = {kFloat, kDouble, kHalf, kBfloat16, kInt64}});
    FedGraph& p = graph.program();
    for (Node* n : p.graph.nodes()) n->set_requested_device("/gpu:0");
    auto one_by_one = Open(p, false), together = Open(p, true);
    ASSERT_TRUE(one_by_one && together);
    auto plan = together->Explain(p.feeds, p.fetches);
    ASSERT_TRUE(plan.ok()) << plan.status().ToString();
    for (const std::string& step : plan->steps) {
      fused += step.find("_Fused(") != step.npos;
    }
    const auto want = one_by_one->Run(p.feeds, p.fetches);
    ASSERT_TRUE(want.ok()) << want.status().ToString();
    // The third run is the first of what was recorded.
    for (int run = 0; run < 3; ++run) {
      const auto got = together->Run(p.feeds, p.fetches);
      ASSERT_TRUE(got.ok()) << got.status().ToString();
      for (size_t i = 0; i < want->size(); ++i) {
        EXPECT_TRUE(testing::SameBits((*got)[i], (*want)[i])) << p.fetches[i];
      }
    }
  }
  EXPECT_GT(fused, 50);
}

}  // namespace
}  // namespace lockstep
