// SPDX-License-Identifier: Apache-2.0
// The memory of sessions on virtual GPUs: planned, limited, shared, given back.
#include <fstream>

#include "runtime/graph/passes/fuse_elements.h"
#include "tests/exec/devices_testing.h"

namespace lockstep {
namespace {

using ::testing::HasSubstr;

using DeviceMemoryTest = DevicesTest;

TEST_F(DeviceMemoryTest, APlanOverTheLimitOfAGpuIsRefusedWithWhatWouldFit) {
  Output x = ops::Placeholder(On("/cpu:0").WithName("x"), kFloat, {-1, 1024});
  ops::Neg(On("/gpu:0").WithName("y"), x);
  auto session = Open(graph_, Gpus(1, 1 << 20));
  const Status s =
      session->RunOne({{"x:0", Tensor(kFloat, Shape{1000, 1024})}}, "y:0")
          .status();
  EXPECT_EQ(s.code(), Code::kResourceExhausted) << s.ToString();
  EXPECT_THAT(s.message(), HasSubstr("/gpu:0: the plan needs"));
  EXPECT_THAT(s.message(), HasSubstr("the limit is 1.0 MiB (1048576 bytes)"));
  EXPECT_THAT(s.message(), HasSubstr("x/_recv:0 3.9 MiB"));
  EXPECT_THAT(s.message(), HasSubstr("a batch of 256 fits"));
  EXPECT_TRUE(
      session->RunOne({{"x:0", Tensor(kFloat, Shape{256, 1024})}}, "y:0").ok());
  EXPECT_FALSE(
      session->RunOne({{"x:0", Tensor(kFloat, Shape{257, 1024})}}, "y:0").ok());
}

Status RunOnGpu(Session& session, int64_t floats) {
  return session.RunOne({{"x:0", Tensor(kFloat, Shape{floats})}}, "y:0")
      .status();
}

TEST_F(DeviceMemoryTest, EachSessionStopsAtItsOwnFraction) {
  Output x = X({-1});
  ops::Neg(On("/gpu:0").WithName("y"), x);
  constexpr size_t kGpuBytes = 1000 << 10;
  std::vector<std::unique_ptr<Session>> sessions;
  for (const double fraction : {0.3, 0.5}) {
    SessionOptions options = Gpus(1, kGpuBytes);
    options.gpu_options.per_process_gpu_memory_fraction = fraction;
    options.session_name = StrCat("of ", fraction);
    sessions.push_back(Open(graph_, options));
  }
  // The copy of x is overwritten by y: one array of floats.
  EXPECT_TRUE(RunOnGpu(*sessions[0], 300 << 8).ok());
  EXPECT_EQ(RunOnGpu(*sessions[0], (300 << 8) + 1).code(),
            Code::kResourceExhausted);
  EXPECT_TRUE(RunOnGpu(*sessions[1], 500 << 8).ok());
  EXPECT_EQ(RunOnGpu(*sessions[1], (500 << 8) + 1).code(),
            Code::kResourceExhausted);

  SessionOptions third = Gpus(1, kGpuBytes);
  third.gpu_options.per_process_gpu_memory_fraction = 0.25;
  third.session_name = "third";
  auto refused = Session::Create(graph_, third);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.status().code(), Code::kResourceExhausted);
  EXPECT_THAT(refused.status().message(), HasSubstr("session 'third'"));
  EXPECT_THAT(refused.status().message(), HasSubstr("session 'of 0.3' holds"));
  EXPECT_THAT(refused.status().message(), HasSubstr("session 'of 0.5' holds"));
  // It may come later and grow into what is left.
  third.gpu_options.allow_growth = true;
  auto grows = Open(graph_, third);
  EXPECT_TRUE(RunOnGpu(*grows, 100 << 8).ok());
  const Status over = RunOnGpu(*grows, 210 << 8);
  EXPECT_EQ(over.code(), Code::kResourceExhausted) << over.ToString();
  EXPECT_THAT(over.message(), HasSubstr("session 'of 0.5' holds"));
  sessions.clear();
  EXPECT_TRUE(RunOnGpu(*grows, 210 << 8).ok());
}

TEST_F(DeviceMemoryTest, ThePlannedPeakIsWhatIsUsedToTheByte) {
  const Scope gpu = On("/gpu:0");
  Output x = X({-1, 100});
  Output w = ops::Variable(gpu.WithName("w"), kFloat, {100, 33});
  ops::Assign(gpu.WithName("init"), w, ops::Fill(gpu, {100, 33}, 0.5f));
  Output y = ops::MatMul(gpu, x, w);
  ops::Mean(gpu.WithName("loss"), ops::Square(gpu, y), Input({0, 1}));
  ops::AssignAdd(gpu.WithName("train"), w, ops::MatMul(gpu, x, y, true));
  const std::vector<Session::Feed> feeds = {
      {"x:0", Tensor(kFloat, Shape{64, 100})}};
  const auto needs = [&](Session& session) {
    auto a = session.Explain({}, {}, {"init"});
    auto b = session.Explain(feeds, {"loss:0"}, {"train"});
    EXPECT_TRUE(a.ok() && b.ok());
    return std::pair(*a, *b);
  };
  auto session = Open(graph_, Gpus(1));
  ASSERT_TRUE(session->RunTargets({"init"}).ok());
  const PlanInfo planned = needs(*session).second;
  ASSERT_TRUE(session->Run(feeds, {"loss:0"}, {"train"}).ok());
  size_t peak = 0;
  for (const DeviceUse& use : session->MemoryUse()) {
    bool found = false;
    for (const DeviceNeed& need : planned.devices) {
      if (need.device != use.device) continue;
      found = true;
      EXPECT_EQ(need.total_bytes, use.peak_bytes) << need.device;
      if (need.device == "/gpu:0") peak = use.peak_bytes;
    }
    EXPECT_TRUE(found) << use.device;
  }
  ASSERT_GT(peak, size_t{100 * 33 * 4});
  for (const size_t limit : {peak, peak - 1}) {
    SessionOptions options = Gpus(1);
    options.gpu_options.memory_limit = limit;
    auto limited = Open(graph_, options);
    ASSERT_TRUE(limited->RunTargets({"init"}).ok());
    EXPECT_EQ(limited->Run(feeds, {"loss:0"}, {"train"}).ok(), limit == peak);
  }
}

// Each is received for its reader: no more than two are there at a time. Fused,
// all readers would be one.
TEST_F(DeviceMemoryTest, WhatIsReceivedTakesMemoryFromItsFirstReaderOn) {
  constexpr int kMany = 20;
  constexpr int64_t kFloats = 1 << 16;
  Output sum;
  std::vector<Session::Feed> feeds;
  for (int i = 0; i < kMany; ++i) {
    const std::string name = StrCat("x", i);
    Output x = ops::Placeholder(On("/cpu:0").WithName(name), kFloat, {kFloats});
    Tensor value(kFloat, Shape{kFloats});
    std::ranges::fill(value.flat<float>(), 1.0f);
    feeds.emplace_back(name + ":0", value);
    Output y = ops::Neg(On("/gpu:0"), x);
    sum = i == 0 ? y : ops::Add(On("/gpu:0"), sum, y);
  }
  SessionOptions options = Gpus(1);
  options.services.push_back([](SessionResources& resources) {
    resources.SetService(std::make_shared<Fusion>(Fusion{.on = false}));
  });
  auto session = Open(graph_, options);
  auto out = session->RunOne(feeds, sum.name());
  ASSERT_TRUE(out.ok()) << out.status().ToString();
  EXPECT_EQ(out->flat<float>()[77], -kMany);
  auto info = session->Explain(feeds, {sum.name()});
  ASSERT_TRUE(info.ok());
  for (const DeviceNeed& need : info->devices) {
    if (need.device != "/gpu:0") continue;
    EXPECT_LE(need.arena_bytes, size_t{3 * kFloats * 4});
  }
}

size_t ResidentBytes() {
  std::ifstream statm("/proc/self/statm");
  size_t pages = 0, resident = 0;
  statm >> pages >> resident;
  return resident * 4096;
}

TEST_F(DeviceMemoryTest, ClosingSessionsGivesEverythingBack) {
  Output x = X({-1});
  Output v = ops::Variable(On("/gpu:0").WithName("v"), kFloat, {1000});
  ops::Assign(On("/gpu:0").WithName("set"), v, x);
  const Tensor thousand(kFloat, Shape{1000});
  const auto cycle = [&] {
    auto session = Open(graph_, Gpus(1));
    ASSERT_TRUE(session->RunTargets({"set"}, {{"x:0", thousand}}).ok());
  };
  for (int i = 0; i < 500; ++i) cycle();
  [[maybe_unused]] const size_t before = ResidentBytes();
  for (int i = 0; i < 10'000; ++i) cycle();
#ifndef __SANITIZE_ADDRESS__  // keeps what is freed for a while
  EXPECT_LT(ResidentBytes(), before + (size_t{2} << 20));
#endif
  for (const auto& gpu : VirtualGpus({.count = 1, .bytes = size_t{64} << 20})) {
    EXPECT_EQ(gpu->TotalShares(), 0u);
  }
}

}  // namespace
}  // namespace lockstep
