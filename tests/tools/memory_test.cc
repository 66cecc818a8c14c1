// SPDX-License-Identifier: Apache-2.0
// The memory contract on whole models: the planned peak of every device is what
// is used there, to the byte; as a limit it is enough, one byte less is not.
#include <gtest/gtest.h>

#include "runtime/exec/session.h"
#include "tools/lockstep/bench_models.h"

namespace lockstep {
namespace {

struct Case {
  std::string model;
  std::string device;  // of everything
};
void PrintTo(const Case& c, std::ostream* out) {
  *out << c.model << " on " << c.device;
}

class MemoryContractTest : public ::testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    auto model = MakeBenchModel(GetParam().model);
    ASSERT_TRUE(model.ok()) << model.status().ToString();
    model_ = *std::move(model);
    for (Node* n : model_.graph.nodes()) {
      n->set_requested_device(GetParam().device);
    }
  }

  // A session after its variables are initialised and one step was run.
  Result<std::unique_ptr<Session>> Step(const std::string& limited,
                                        size_t limit) {
    SessionOptions options;
    options.allow_soft_placement = true;
    options.gpu_options.virtual_gpus = {.count = 1, .bytes = size_t{1} << 30};
    if (limited == "/cpu:0") options.cpu_memory_limit = limit;
    if (limited == "/gpu:0") options.gpu_options.memory_limit = limit;
    LS_ASSIGN_OR_RETURN(std::unique_ptr<Session> session,
                        Session::Create(model_.graph, options));
    if (model_.init) {
      LS_RETURN_IF_ERROR(session->RunTargets({model_.init->name()}));
    }
    std::vector<Session::Feed> feeds;
    for (size_t i = 0; i < model_.feeds.size(); ++i) {
      feeds.emplace_back(model_.feeds[i].name(), model_.batches[0][i]);
    }
    std::vector<std::string> fetches, targets;
    for (const Output& f : model_.fetches) fetches.push_back(f.name());
    for (const Node* n : model_.targets) targets.push_back(n->name());
    LS_ASSIGN_OR_RETURN(planned_, session->Explain(feeds, fetches, targets));
    LS_RETURN_IF_ERROR(session->Run(feeds, fetches, targets).status());
    return session;
  }

  BenchModel model_;
  PlanInfo planned_;
};

TEST_P(MemoryContractTest, ThePlannedPeakIsWhatIsUsed) {
  auto session = Step("", 0);
  ASSERT_TRUE(session.ok()) << session.status().ToString();
  const std::vector<DeviceNeed> planned = planned_.devices;
  const std::vector<DeviceUse> used = (*session)->MemoryUse();
  ASSERT_FALSE(planned.empty());
  session->reset();
  for (const DeviceNeed& need : planned) {
    SCOPED_TRACE(need.device);
    for (const DeviceUse& use : used) {
      if (use.device == need.device) {
        EXPECT_EQ(need.total_bytes, use.peak_bytes);
      }
    }
    if (need.total_bytes == 0) continue;
    EXPECT_TRUE(Step(need.device, need.total_bytes).ok());
    if (need.total_bytes == 1) continue;
    const Status less = Step(need.device, need.total_bytes - 1).status();
    EXPECT_EQ(less.code(), Code::kResourceExhausted) << less.ToString();
  }
}

std::vector<Case> Cases() {
  std::vector<Case> cases;
  for (const std::string& model : BenchNames()) {
    for (const char* device : {"/cpu:0", "/gpu:0"}) {
      cases.push_back({model, device});
    }
  }
  return cases;
}

INSTANTIATE_TEST_SUITE_P(Models, MemoryContractTest,
                         ::testing::ValuesIn(Cases()), [](const auto& info) {
                           return info.param.model +
                                  (info.param.device == "/gpu:0" ? "OnGpu"
                                                                 : "OnCpu");
                         });

}  // namespace
}  // namespace lockstep
