// SPDX-License-Identifier: Apache-2.0
// The memory contract on the recorded cases: what a step's plan is said to need
// on each device is what the session holds there once it has run.
#include <gtest/gtest.h>

#include <filesystem>

#include "runtime/exec/session.h"
#include "runtime/graph/meta_graph.h"
#include "tests/testing/test_files.h"
#include "tools/lockstep/case_file.h"

namespace lockstep {
namespace {

namespace fs = std::filesystem;

// Whether sizes are known before the run: no step takes them from its data, and
// none runs functions, whose plans come later.
bool IsStatic(const PlanInfo& info) {
  if (info.num_dynamic_steps > 0) return false;
  for (const std::string& step : info.steps) {
    for (const char* op : {"= If(", "= StatelessIf(", "= Case(",
                           "= StatelessCase(", "= While(", "= StatelessWhile(",
                           "= _Loop("}) {
      if (step.find(op) != std::string::npos) return false;
    }
  }
  return true;
}

// Runs the case and returns how many plans were compared.
int CompareSteps(const Graph& graph, const Case& cases, int gpus) {
  SessionOptions options = cases.options;
  options.gpu_options.virtual_gpus = {.count = gpus, .bytes = size_t{1} << 30};
  auto session = Session::Create(graph, options);
  if (!session.ok()) return 0;
  int compared = 0;
  for (const CaseStep& step : cases.steps) {
    const auto info =
        (*session)->Explain(step.feeds, step.fetches, step.targets);
    const auto ran = (*session)->Run(step.feeds, step.fetches, step.targets);
    if (!info.ok() || !ran.ok() || !IsStatic(*info)) continue;
    ++compared;
    for (const DeviceUse& use : (*session)->MemoryUse()) {
      for (const DeviceNeed& need : info->devices) {
        if (need.device != use.device) continue;
        EXPECT_EQ(use.used_bytes, need.total_bytes) << use.device;
      }
    }
  }
  return compared;
}

TEST(FixtureMemoryTest, PlansTakeWhatTheySay) {
  LS_REQUIRE_FIXTURES();
  int compared = 0;
  for (const auto& entry : fs::directory_iterator(FixtureFile(""))) {
    const fs::path file = entry.path() / "case.json";
    if (!fs::exists(file)) continue;
    SCOPED_TRACE(entry.path().filename().string());
    const fs::path out = fs::path(::testing::TempDir()) / "fixture_memory" /
                         entry.path().filename();
    fs::create_directories(out);
    Env& env = *Env::Default();
    const auto cases = ReadCase(env, file.string(), out.string());
    if (!cases.ok()) continue;
    for (const char* name : {"graph.pb", "graph.meta", "saved_model"}) {
      const fs::path path = entry.path() / name;
      if (!fs::exists(path)) continue;
      const auto meta = ReadGraphFile(env, path.string());
      if (!meta.ok()) continue;
      for (int gpus : {0, 1}) {
        compared += CompareSteps(meta->graph, *cases, gpus);
      }
    }
  }
  EXPECT_GT(compared, 100);
}

}  // namespace
}  // namespace lockstep
