// SPDX-License-Identifier: Apache-2.0
// The memory contract on the recorded cases: what a step's plan is said to need
// on each device is what the session holds there once it has run; the most of
// it is enough as a limit, and one byte less is not.
#include <gtest/gtest.h>

#include <algorithm>
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
    for (const char* op :
         {"= If(", "= StatelessIf(", "= Case(", "= StatelessCase(", "= While(",
          "= StatelessWhile(", "= _Loop("}) {
      if (step.find(op) != std::string::npos) return false;
    }
  }
  return true;
}

struct Compared {
  int plans = 0;
  size_t cpu_peak = 0;
  size_t gpu_peak = 0;  // of the GPU that has most
  bool all = true;      // every step that ran was compared
};

Result<std::unique_ptr<Session>> Open(const Graph& graph, const Case& cases,
                                      int gpus, size_t cpu_limit = 0,
                                      size_t gpu_limit = 0) {
  SessionOptions options = cases.options;
  options.gpu_options.virtual_gpus = {.count = gpus, .bytes = size_t{1} << 30};
  options.cpu_memory_limit = cpu_limit;
  options.gpu_options.memory_limit = gpu_limit;
  return Session::Create(graph, options);
}

// Runs the case and compares each static plan with what is used.
Compared CompareSteps(const Graph& graph, const Case& cases, int gpus) {
  Compared compared;
  auto session = Open(graph, cases, gpus);
  if (!session.ok()) return compared;
  for (const CaseStep& step : cases.steps) {
    const auto info =
        (*session)->Explain(step.feeds, step.fetches, step.targets);
    const auto ran = (*session)->Run(step.feeds, step.fetches, step.targets);
    if (!ran.ok()) continue;
    if (!info.ok() || !IsStatic(*info)) {
      compared.all = false;
      continue;
    }
    ++compared.plans;
    for (const DeviceUse& use : (*session)->MemoryUse()) {
      for (const DeviceNeed& need : info->devices) {
        if (need.device != use.device) continue;
        EXPECT_EQ(use.used_bytes, need.total_bytes) << use.device;
        size_t& peak =
            need.device == "/cpu:0" ? compared.cpu_peak : compared.gpu_peak;
        peak = std::max(peak, need.total_bytes);
      }
    }
  }
  return compared;
}

// How many steps a session of these limits refuses for want of memory.
int Refused(const Graph& graph, const Case& cases, int gpus, size_t cpu_limit,
            size_t gpu_limit) {
  auto session = Open(graph, cases, gpus, cpu_limit, gpu_limit);
  if (!session.ok()) return -1;
  int refused = 0;
  for (const CaseStep& step : cases.steps) {
    refused += (*session)
                   ->Run(step.feeds, step.fetches, step.targets)
                   .status()
                   .code() == Code::kResourceExhausted;
  }
  return refused;
}

// The peaks are enough, a byte less is not.
void CheckLimits(const Graph& graph, const Case& cases, int gpus,
                 const Compared& c) {
  if (!c.all) return;
  SCOPED_TRACE(StrCat(c.cpu_peak, " and ", c.gpu_peak));
  EXPECT_EQ(Refused(graph, cases, gpus, c.cpu_peak, c.gpu_peak), 0);
  // 0 is no limit.
  if (c.cpu_peak > 1) {
    EXPECT_GT(Refused(graph, cases, gpus, c.cpu_peak - 1, 0), 0);
  }
  if (c.gpu_peak > 1) {
    EXPECT_GT(Refused(graph, cases, gpus, 0, c.gpu_peak - 1), 0);
  }
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
      for (int gpus : {0, 1, 2}) {
        const Compared c = CompareSteps(meta->graph, *cases, gpus);
        compared += c.plans;
        CheckLimits(meta->graph, *cases, gpus, c);
      }
    }
  }
  EXPECT_GT(compared, 100);
}

}  // namespace
}  // namespace lockstep
