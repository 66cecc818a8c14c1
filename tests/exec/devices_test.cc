// SPDX-License-Identifier: Apache-2.0
// Sessions on virtual GPUs: lanes and copies.
#include <gmock/gmock.h>

#include <atomic>
#include <chrono>
#include <random>
#include <thread>

#include "ops/ops.h"
#include "runtime/exec/session.h"
#include "runtime/op/gpu_kernel.h"
#include "runtime/op/kernel.h"
#include "tests/exec/devices_testing.h"

namespace lockstep {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// y = x, once two of these ops run at the same time.
std::atomic<int> meeting = 0;
Status Meet(KernelContext& k) {
  ++meeting;
  for (int i = 0; i < 5000 && meeting < 2; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  if (meeting < 2) return DeadlineExceeded("nobody came");
  k.output(0).CopyFrom(k.input(0));
  return Ok();
}
LOCKSTEP_OP("TestMeet")
    .Input("x: float")
    .Output("y: float")
    .Shape(UnchangedShape)
    .Stateful()
    .Kernel(kCpu, {Meet});
const GpuKernels kMeet = GpuKernels({"TestMeet"}).Always();

TEST_F(DevicesTest, AnOpOnAGpuReadsWhatIsCopiedThere) {
  Output x = X({3});
  Output y = ops::Neg(On("/gpu:0"), x);
  Output z = ops::Exp(On("/gpu:1"), y);
  Output w = ops::Add(On("/gpu:1"), z, x);
  auto session = Open(graph_, Gpus(2));
  const Tensor feed = Tensor::Of<float>({3}, {0, 1, 2});
  for (int i = 0; i < 3; ++i) {
    auto out = session->Run({{"x:0", feed}}, {y.name(), w.name()});
    ASSERT_TRUE(out.ok()) << out.status().ToString();
    EXPECT_EQ((*out)[0].flat<float>()[2], -2);
    EXPECT_NEAR((*out)[1].flat<float>()[1], std::exp(-1.0f) + 1, 1e-6);
  }
  auto info = session->Explain({{"x:0", feed}}, {w.name()});
  ASSERT_TRUE(info.ok());
  const std::string steps = Join(info->steps, "\n");
  EXPECT_THAT(steps, HasSubstr("on /gpu:0\n"));
  EXPECT_THAT(steps, HasSubstr("on /gpu:1 copy\n"));
}

TEST_F(DevicesTest, ATensorIsCopiedOnceHoweverManyReadIt) {
  Output x = X({3});
  Output a = ops::Neg(On("/gpu:0"), x);
  Output b = ops::Exp(On("/gpu:0"), x);
  Output c = ops::Add(On("/gpu:0"), a, b);
  auto session = Open(graph_, Gpus(1));
  auto info = session->Explain({{"x:0", Tensor(kFloat, Shape{3})}}, {c.name()});
  ASSERT_TRUE(info.ok()) << info.status().ToString();
  int copies = 0;
  for (const std::string& s : info->steps) {
    copies += s.find("_Recv(") != std::string::npos;
  }
  EXPECT_EQ(copies, 1) << Join(info->steps, "\n");
}

TEST_F(DevicesTest, ShapesStayInHostMemory) {
  Output x = X({4});
  Output shape = ops::Placeholder(On("/cpu:0").WithName("shape"), kInt32, {2});
  Output y = ops::Reshape(On("/gpu:0"), ops::Neg(On("/gpu:0"), x), shape);
  Output z = ops::Exp(On("/gpu:0"), y);
  auto session = Open(graph_, Gpus(1));
  const std::vector<Session::Feed> feeds = {
      {"x:0", Tensor::Of<float>({4}, {0, 0, 0, 0})},
      {"shape:0", Tensor::Of<int32_t>({2}, {2, 2})}};
  auto out = session->RunOne(feeds, z.name());
  ASSERT_TRUE(out.ok()) << out.status().ToString();
  EXPECT_EQ(out->shape(), (Shape{2, 2}));
  auto info = session->Explain(feeds, {z.name()});
  ASSERT_TRUE(info.ok());
  EXPECT_THAT(Join(info->steps, "\n"), Not(HasSubstr("shape/_recv")));
}

TEST_F(DevicesTest, AVariableOnAGpuIsTrainedThereAndFetched) {
  const Scope gpu = On("/gpu:0");
  Output v = ops::Variable(gpu.WithName("v"), kFloat, {4});
  ops::Assign(gpu.WithName("init"), v, ops::Fill(gpu, {4}, 1.0f));
  ops::AssignAdd(gpu.WithName("add"), v, X({4}));
  auto session = Open(graph_, Gpus(1));
  ASSERT_TRUE(session->RunTargets({"init"}).ok());
  const Tensor x = Tensor::Of<float>({4}, {1, 2, 3, 4});
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(session->RunTargets({"add"}, {{"x:0", x}}).ok());
  }
  auto out = session->RunOne({}, "v:0");
  ASSERT_TRUE(out.ok()) << out.status().ToString();
  EXPECT_EQ(out->flat<float>()[3], 13);
  for (const DeviceUse& use : session->MemoryUse()) {
    if (use.device != "/gpu:0") continue;
    EXPECT_GT(use.used_bytes, 0u);
  }
}

TEST_F(DevicesTest, StringsAreTheHosts) {
  Output s = root_.WithDevice("/gpu:0")
                 .Op("StringJoin")
                 .In(std::vector<Output>{ops::Const(On("/cpu:0"), Tensor("a")),
                                         ops::Const(On("/cpu:0"), Tensor("b"))})
                 .Out();
  EXPECT_EQ(Open(graph_, Gpus(1))->RunOne({}, s.name()).code(),
            Code::kInvalidArgument);
  SessionOptions soft = Gpus(1);
  soft.allow_soft_placement = true;
  auto out = Open(graph_, soft)->RunOne({}, s.name());
  ASSERT_TRUE(out.ok()) << out.status().ToString();
  EXPECT_EQ(out->scalar<std::string>(), "ab");
}

TEST_F(DevicesTest, AFailureOnOneLaneStopsTheOthers) {
  Output x = X({-1, -1});
  Output bad = On("/gpu:0")
                   .WithName("bad")
                   .Op("Gather")
                   .In(x)
                   .In(Input(Tensor::Of<int32_t>({1}, {7})))
                   .Out();
  Output y = ops::Neg(On("/gpu:1"), bad);
  Output z = ops::Exp(On("/cpu:0"), y);
  auto session = Open(graph_, Gpus(2));
  for (int i = 0; i < 20; ++i) {
    const Status s =
        session->RunOne({{"x:0", Tensor::Of<float>({2, 1}, {1, 2})}}, z.name())
            .status();
    EXPECT_EQ(s.code(), Code::kInvalidArgument) << s.ToString();
    EXPECT_THAT(s.message(), HasSubstr("/gpu:0 node 'bad' (Gather)"));
    auto out =
        session->RunOne({{"x:0", Tensor(kFloat, Shape{8, 1})}}, z.name());
    EXPECT_TRUE(out.ok()) << out.status().ToString();
  }
}

// What a function asks for is not heard: it runs beside its call, on the CPU.
TEST_F(DevicesTest, LoopsOfOpsThatAskForAGpuRunOnTheCpu) {
  Output x = X({});
  const auto below = [](const Scope& s, const std::vector<Output>& v) {
    return std::vector<Output>{ops::Less(s.WithDevice("/gpu:0"), v[0], 100.0f)};
  };
  const auto twice = [](const Scope& s, const std::vector<Output>& v) {
    return std::vector<Output>{ops::Mul(s.WithDevice("/gpu:0"), v[0], 2.0f)};
  };
  const std::vector<Output> y =
      ops::While(On("/cpu:0"), {ops::Neg(On("/gpu:0"), x)}, below, twice);
  const Output z = ops::Exp(On("/gpu:0"), ops::Sub(On("/gpu:0"), y[0], 127.0f));
  auto session = Open(graph_, Gpus(1));
  auto out = session->RunOne({{"x:0", Tensor(-1.0f)}}, z.name());
  ASSERT_TRUE(out.ok()) << out.status().ToString();
  EXPECT_NEAR(out->scalar<float>(), std::exp(1.0f), 1e-5);
}

TEST_F(DevicesTest, ConditionsHoldForStepsOnOtherLanes) {
  Output x = X({3});
  Output wanted = ops::Placeholder(On("/cpu:0").WithName("p"), kBool, Shape{});
  NodeBuilder split = On("/cpu:0").Op("Switch");
  const std::vector<Output> sides = split.In(x).In(wanted).Outs();
  const Output no = ops::Neg(On("/gpu:0"), sides[0]);
  const Output yes = ops::Exp(On("/gpu:1"), sides[1]);
  const Output merged =
      On("/cpu:0").Op("Merge").In(std::vector<Output>{no, yes}).Out();
  const Output y = ops::Add(On("/gpu:0"), merged, x);
  auto session = Open(graph_, Gpus(2));
  const Tensor feed = Tensor::Of<float>({3}, {0, 1, 2});
  for (int i = 0; i < 20; ++i) {
    const bool p = i % 3 == 0;
    auto out = session->RunOne({{"x:0", feed}, {"p:0", Tensor(p)}}, y.name());
    ASSERT_TRUE(out.ok()) << out.status().ToString();
    EXPECT_NEAR(out->flat<float>()[2], p ? std::exp(2.0f) + 2 : 0, 1e-5);
  }
}

// A graph of random ops over random devices computes what it does on the CPU,
// run after run: no copy is missed, no memory is reused too early.
TEST_F(DevicesTest, RandomGraphsComputeTheSameOnManyDevices) {
  for (unsigned seed = 0; seed < 12; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    Graph graph, host_graph;
    std::vector<Output> values, host;
    const Scope on_gpus(&graph), on_host(&host_graph);
    for (auto [scope, out] :
         {std::pair(&on_gpus, &values), std::pair(&on_host, &host)}) {
      out->push_back(ops::Placeholder(scope->WithName("x").WithDevice("/cpu:0"),
                                      kFloat, {257}));
    }
    for (int i = 0; i < 150; ++i) {
      const unsigned device = random() % 4;
      const Scope at = on_gpus.WithDevice(
          device == 3 ? std::string("/cpu:0") : StrCat("/gpu:", device));
      const size_t a =
          values.size() - 1 - random() % std::min<size_t>(values.size(), 12);
      const size_t b = random() % values.size();
      const unsigned kind = random() % 3;
      for (auto [scope, out] :
           {std::pair(&at, &values), std::pair(&on_host, &host)}) {
        if (kind == 0) {
          out->push_back(ops::Tanh(*scope, (*out)[a]));
        } else if (kind == 1) {
          out->push_back(ops::Sub(*scope, (*out)[a], (*out)[b]));
        } else {
          out->push_back(
              ops::Mul(*scope, ops::Sigmoid(*scope, (*out)[a]), (*out)[b]));
        }
      }
    }
    auto gpus = Open(graph, Gpus(3));
    SessionOptions plain;
    plain.optimize = false;
    auto cpu = Open(host_graph, plain);
    std::vector<std::string> names, host_names;
    for (size_t i = 100; i < values.size(); i += 7) {
      names.push_back(values[i].name());
      host_names.push_back(host[i].name());
    }
    for (int run = 0; run < 10; ++run) {
      Tensor x(kFloat, Shape{257});
      for (float& v : x.flat<float>()) {
        v = static_cast<float>(random() % 1000) / 500.0f - 1.0f;
      }
      auto got = gpus->Run({{"x:0", x}}, names);
      auto want = cpu->Run({{"x:0", x}}, host_names);
      ASSERT_TRUE(got.ok()) << got.status().ToString();
      ASSERT_TRUE(want.ok()) << want.status().ToString();
      for (size_t i = 0; i < names.size(); ++i) {
        ASSERT_TRUE(BitwiseEqual((*got)[i], (*want)[i])) << names[i];
      }
    }
  }
}

TEST_F(DevicesTest, LanesRunSideBySide) {
  Output x = X({3});
  const Output a = On("/gpu:0").Op("TestMeet").In(x).Out();
  const Output b = On("/cpu:0").Op("TestMeet").In(x).Out();
  const Output y = ops::Add(On("/cpu:0"), a, b);
  auto session = Open(graph_, Gpus(1));
  for (int i = 0; i < 5; ++i) {
    meeting = 0;
    auto out =
        session->RunOne({{"x:0", Tensor::Of<float>({3}, {1, 2, 3})}}, y.name());
    ASSERT_TRUE(out.ok()) << out.status().ToString();
    EXPECT_EQ(out->flat<float>()[2], 6);
  }
}

// What leaves the GPU is copied while the GPU is busy with the next op.
TEST_F(DevicesTest, CopiesAreMadeWhileTheGpuComputes) {
  const Output v = ops::Neg(On("/gpu:0"), X({3}));
  const Output busy = On("/gpu:0").Op("TestMeet").In(v).Out();
  const Output there = On("/cpu:0").Op("TestMeet").In(v).Out();
  const Output y = ops::Add(On("/cpu:0"), busy, there);
  auto session = Open(graph_, Gpus(1));
  meeting = 0;
  auto out =
      session->RunOne({{"x:0", Tensor::Of<float>({3}, {1, 2, 3})}}, y.name());
  ASSERT_TRUE(out.ok()) << out.status().ToString();
  EXPECT_EQ(out->flat<float>()[2], -6);
}

TEST_F(DevicesTest, SessionsOnOneGpuAreSeparate) {
  const Scope gpu = On("/gpu:0");
  Output v = ops::Variable(gpu.WithName("v"), kFloat, {64});
  ops::Assign(gpu.WithName("init"), v, ops::Fill(gpu, {64}, 0.0f));
  ops::AssignAdd(gpu.WithName("add"), v, X({64}));
  const auto train = [&](float by, Status* status, float* got) {
    auto session = Session::Create(graph_, Gpus(1));
    Tensor x(kFloat, Shape{64});
    std::ranges::fill(x.flat<float>(), by);
    *status = session.status();
    if (status->ok()) *status = (*session)->RunTargets({"init"});
    for (int i = 0; i < 200 && status->ok(); ++i) {
      *status = (*session)->RunTargets({"add"}, {{"x:0", x}});
    }
    if (!status->ok()) return;
    auto out = (*session)->RunOne({}, "v:0");
    *status = out.status();
    if (out.ok()) *got = out->flat<float>()[63];
  };
  Status status[2];
  float got[2] = {0, 0};
  std::thread other([&] { train(1, &status[1], &got[1]); });
  train(2, &status[0], &got[0]);
  other.join();
  EXPECT_TRUE(status[0].ok()) << status[0].ToString();
  EXPECT_TRUE(status[1].ok()) << status[1].ToString();
  EXPECT_EQ(got[0], 400);
  EXPECT_EQ(got[1], 200);
}

}  // namespace
}  // namespace lockstep
