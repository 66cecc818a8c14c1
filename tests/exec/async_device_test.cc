// SPDX-License-Identifier: Apache-2.0
// Sessions on GPUs that work later and whose memory the host cannot reach, as
// CUDA's: what is missing is a wait, or a copy.
#include <gmock/gmock.h>

#include <numeric>
#include <random>

#include "ops/ops.h"
#include "runtime/exec/session.h"
#include "runtime/op/gpu_kernel.h"
#include "tests/testing/fake_gpu.h"

namespace lockstep {
namespace {

Status SubCpu(KernelContext& k) {
  const float *a = k.in<float>(0), *b = k.in<float>(1);
  float* y = k.out<float>(0);
  for (int64_t i = 0; i < k.output(0).NumElements(); ++i) {
    y[i] = 0.75f * a[i] - 0.5f * b[i] + 0.125f;
  }
  return Ok();
}
Status SubFake(KernelContext& k) {
  const float *a = k.in<float>(0), *b = k.in<float>(1);
  float* y = k.out<float>(0);
  FakeQueue::Of(k)->Enqueue([=, n = k.output(0).NumElements()] {
    const float *x0 = FakeGpu::Real(a), *x1 = FakeGpu::Real(b);
    float* out = FakeGpu::Real(y);
    for (int64_t i = 0; i < n; ++i) {
      out[i] = 0.75f * x0[i] - 0.5f * x1[i] + 0.125f;
    }
  });
  return Ok();
}
LOCKSTEP_OP("TestAsyncSub")
    .Input("a: float")
    .Input("b: float")
    .Output("y: float")
    .Shape(SameShapes)
    .InPlace(0, 0)
    .Kernel(kCpu, {SubCpu});
const GpuKernels kSub = GpuKernels({"TestAsyncSub"}).Always({SubFake});

// ref += x, from 0 at first
Status AccumulateCpu(KernelContext& k) {
  float* v = k.variable(0).data<float>();
  for (int64_t i = 0; i < k.input(1).NumElements(); ++i)
    v[i] += k.in<float>(1)[i];
  return Ok();
}
Status AccumulateFake(KernelContext& k) {
  float* v = k.variable(0).data<float>();
  const float* x = k.in<float>(1);
  const bool first = !k.variable(0).initialized();
  k.variable(0).set_initialized();
  FakeQueue::Of(k)->Enqueue([=, n = k.input(1).NumElements()] {
    if (first) std::fill_n(FakeGpu::Real(v), n, 0.0f);
    for (int64_t i = 0; i < n; ++i) FakeGpu::Real(v)[i] += FakeGpu::Real(x)[i];
  });
  return Ok();
}
LOCKSTEP_OP("TestAsyncAccumulate")
    .Input("ref: Ref(float)")
    .Input("x: float")
    .Output("out: Ref(float)")
    .Shape(UnchangedShape)
    .Stateful()
    .With([](OpTraits& t) { t.allows_uninitialized = true; })
    .Kernel(kCpu, {AccumulateCpu});
const GpuKernels kAccumulate =
    GpuKernels({"TestAsyncAccumulate"}).Always({AccumulateFake});

// y = x, by way of scratch memory
Status PrepareByScratch(PrepareContext& p) {
  p.RequestScratch(static_cast<size_t>(p.input_shape(0).NumElements()) *
                   sizeof(float));
  return Ok();
}
Status ByScratchCpu(KernelContext& k) {
  std::copy_n(k.in<float>(0), k.output(0).NumElements(), k.out<float>(0));
  return Ok();
}
Status ByScratchFake(KernelContext& k) {
  if (FakeGpu::Fake(k.scratch()) != k.scratch()) {
    return Internal("scratch memory of a GPU's kernel is the host's");
  }
  const float* x = k.in<float>(0);
  float *via = static_cast<float*>(k.scratch()), *y = k.out<float>(0);
  FakeQueue::Of(k)->Enqueue([=, n = k.output(0).NumElements()] {
    std::copy_n(FakeGpu::Real(x), n, FakeGpu::Real(via));
    std::copy_n(FakeGpu::Real(via), n, FakeGpu::Real(y));
  });
  return Ok();
}
LOCKSTEP_OP("TestAsyncByScratch")
    .Input("x: float")
    .Output("y: float")
    .Shape(UnchangedShape)
    .Kernel(kCpu, {ByScratchCpu});
const GpuKernels kByScratch = GpuKernels({"TestAsyncByScratch"})
                                  .Always({ByScratchFake, PrepareByScratch});

// y = x; its device cannot record it, and says so as it is enqueued.
Status UnrecordableFake(KernelContext& k) {
  if (FakeQueue::Of(k)->recording()) return Internal("not while recording");
  return FakeQueue::Of(k)->Copy(k.output(0).data(), k.input(0).data(),
                                k.input(0).bytes());
}
LOCKSTEP_OP("TestAsyncUnrecordable")
    .Input("x: float")
    .Output("y: float")
    .Shape(UnchangedShape)
    .Kernel(kCpu, {ByScratchCpu});
const GpuKernels kUnrecordable =
    GpuKernels({"TestAsyncUnrecordable"}).Always({UnrecordableFake});

class AsyncDeviceTest : public ::testing::Test {
 protected:
  static SessionOptions Fakes(int count) {
    SessionOptions options;
    for (int i = 0; i < count; ++i) {
      options.gpu_options.hardware.push_back(
          std::make_shared<FakeGpu>(StrCat("fake ", i)));
    }
    return options;
  }
  static Output Sub(const Scope& s, Output a, Output b) {
    return s.Op("TestAsyncSub").In(a).In(b).Out();
  }
};

TEST_F(AsyncDeviceTest, ResultsAreWaitedFor) {
  Graph graph;
  const Scope root(&graph), gpu = root.WithDevice("/gpu:0");
  Output x =
      ops::Placeholder(root.WithName("x").WithDevice("/cpu:0"), kFloat, {1000});
  Output y = Sub(gpu, x, x);
  for (int i = 0; i < 20; ++i) y = Sub(gpu, y, x);
  const Output z = Sub(root.WithDevice("/cpu:0"), y, x);
  auto session = Session::Create(graph, Fakes(1));
  ASSERT_TRUE(session.ok()) << session.status().ToString();
  Tensor feed(kFloat, Shape{1000});
  for (int run = 0; run < 20; ++run) {
    const float value = static_cast<float>(run);
    std::ranges::fill(feed.flat<float>(), value);
    float want = 0.25f * value + 0.125f;
    for (int i = 0; i < 20; ++i) want = 0.75f * want - 0.5f * value + 0.125f;
    auto out = (*session)->Run({{"x:0", feed}}, {y.name(), z.name()});
    ASSERT_TRUE(out.ok()) << out.status().ToString();
    EXPECT_EQ((*out)[0].flat<float>()[999], want);
    EXPECT_EQ((*out)[1].flat<float>()[999],
              0.75f * want - 0.5f * value + 0.125f);
  }
}

TEST_F(AsyncDeviceTest, RandomGraphsComputeTheSame) {
  for (unsigned seed = 0; seed < 10; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    Graph graph, host_graph;
    const Scope on_gpus(&graph), on_host(&host_graph);
    std::vector<Output> values, host;
    for (auto [scope, out] :
         {std::pair(&on_gpus, &values), std::pair(&on_host, &host)}) {
      out->push_back(ops::Placeholder(scope->WithName("x").WithDevice("/cpu:0"),
                                      kFloat, {257}));
    }
    for (int i = 0; i < 80; ++i) {
      const unsigned device = random() % 4;
      const Scope at = on_gpus.WithDevice(
          device == 3 ? std::string("/cpu:0") : StrCat("/gpu:", device));
      const size_t a =
          values.size() - 1 - random() % std::min<size_t>(values.size(), 8);
      const size_t b = random() % values.size();
      values.push_back(Sub(at, values[a], values[b]));
      host.push_back(Sub(on_host.WithDevice("/cpu:0"), host[a], host[b]));
    }
    auto gpus = Session::Create(graph, Fakes(3));
    auto cpu = Session::Create(host_graph);
    ASSERT_TRUE(gpus.ok() && cpu.ok());
    std::vector<std::string> names, host_names;
    for (size_t i = 40; i < values.size(); i += 9) {
      names.push_back(values[i].name());
      host_names.push_back(host[i].name());
    }
    for (int run = 0; run < 4; ++run) {
      Tensor x(kFloat, Shape{257});
      for (float& v : x.flat<float>()) {
        v = static_cast<float>(random() % 1000) / 500.0f - 1.0f;
      }
      auto got = (*gpus)->Run({{"x:0", x}}, names);
      auto want = (*cpu)->Run({{"x:0", x}}, host_names);
      ASSERT_TRUE(got.ok()) << got.status().ToString();
      ASSERT_TRUE(want.ok()) << want.status().ToString();
      for (size_t i = 0; i < names.size(); ++i) {
        ASSERT_TRUE(BitwiseEqual((*got)[i], (*want)[i])) << names[i];
      }
    }
  }
}

// Steps are enqueued one by one once, recorded in the second run, and replayed
// from then on; a queue that cannot record them enqueues them.
TEST_F(AsyncDeviceTest, RowsOfStepsAreRecordedAndReplayed) {
  for (const bool refuse : {false, true}) {
    Graph graph;
    const Scope root(&graph), gpu = root.WithDevice("/gpu:0");
    Output x =
        ops::Placeholder(root.WithName("x").WithDevice("/cpu:0"), kFloat, {50});
    Output y = Sub(gpu, x, x);
    for (int i = 0; i < 10; ++i) y = Sub(gpu, y, x);
    auto session = Session::Create(graph, Fakes(1));
    ASSERT_TRUE(session.ok()) << session.status().ToString();
    FakeQueue::refuse_recordings = refuse;
    FakeQueue::replays = 0;
    Tensor feed(kFloat, Shape{50});
    for (int run = 0; run < 6; ++run) {
      const float value = static_cast<float>(run);
      std::ranges::fill(feed.flat<float>(), value);
      float want = 0.25f * value + 0.125f;
      for (int i = 0; i < 10; ++i) want = 0.75f * want - 0.5f * value + 0.125f;
      auto out = (*session)->RunOne({{"x:0", feed}}, y.name());
      ASSERT_TRUE(out.ok()) << out.status().ToString();
      EXPECT_EQ(out->flat<float>()[49], want) << "run " << run;
    }
    EXPECT_EQ(FakeQueue::replays, refuse ? 0 : 5);
  }
  FakeQueue::refuse_recordings = false;
}

TEST_F(AsyncDeviceTest, WhatCannotBeRecordedIsEnqueuedInEachRun) {
  Graph graph;
  const Scope root(&graph), gpu = root.WithDevice("/gpu:0");
  const Output x =
      ops::Placeholder(root.WithName("x").WithDevice("/cpu:0"), kFloat, {50});
  const Output y = Sub(gpu, x, x);
  const Output z = Sub(gpu, gpu.Op("TestAsyncUnrecordable").In(y).Out(), x);
  auto session = Session::Create(graph, Fakes(1));
  ASSERT_TRUE(session.ok()) << session.status().ToString();
  FakeQueue::replays = 0;
  Tensor feed(kFloat, Shape{50});
  for (int run = 0; run < 4; ++run) {
    const float value = static_cast<float>(run);
    std::ranges::fill(feed.flat<float>(), value);
    auto out = (*session)->RunOne({{"x:0", feed}}, z.name());
    ASSERT_TRUE(out.ok()) << out.status().ToString();
    EXPECT_EQ(out->flat<float>()[49],
              0.75f * (0.25f * value + 0.125f) - 0.5f * value + 0.125f);
  }
  EXPECT_EQ(FakeQueue::replays, 0);
}

// The first elements of what is fed, as many as is fed too: of a size that is
// known as it runs.
Output SomeOf(const Scope& host, Output x, Output count) {
  const Output begin = ops::Const(host, Tensor::Vector<int32_t>({0}));
  return host.Op("Slice").In(x).In(begin).In(count).Out();
}

// A value whose size is known only as it is made is elsewhere in each run:
// steps that read it are not repeated as they were recorded.
TEST_F(AsyncDeviceTest, WhatIsElsewhereInEachRunIsNotRecorded) {
  Graph graph;
  const Scope root(&graph), gpu = root.WithDevice("/gpu:0");
  const Scope host = root.WithDevice("/cpu:0");
  const Output x = ops::Placeholder(host.WithName("x"), kFloat, {60});
  const Output count = ops::Placeholder(host.WithName("count"), kInt32, {1});
  const Output some =
      gpu.Op("TestAsyncByScratch").In(SomeOf(host, x, count)).Out();
  Output y = ops::Reshape(gpu, some,
                          ops::Const(host, Tensor::Vector<int32_t>({5, 10})));
  for (int i = 0; i < 4; ++i) y = Sub(gpu, y, y);
  auto session = Session::Create(graph, Fakes(1));
  ASSERT_TRUE(session.ok()) << session.status().ToString();
  Tensor feed(kFloat, Shape{60});
  for (int run = 0; run < 8; ++run) {
    const float value = static_cast<float>(run);
    std::ranges::fill(feed.flat<float>(), value);
    float want = value;
    for (int i = 0; i < 4; ++i) want = 0.25f * want + 0.125f;
    auto out = (*session)->RunOne(
        {{"x:0", feed}, {"count:0", Tensor::Vector<int32_t>({50})}}, y.name());
    ASSERT_TRUE(out.ok()) << out.status().ToString();
    EXPECT_EQ(out->flat<float>()[49], want) << "run " << run;
  }
}

TEST_F(AsyncDeviceTest, ScratchOfStepsOfUnknownSizeIsTheDevices) {
  Graph graph;
  const Scope root(&graph), gpu = root.WithDevice("/gpu:0");
  const Scope host = root.WithDevice("/cpu:0");
  const Output x = ops::Placeholder(host.WithName("x"), kFloat, {60});
  const Output count = ops::Placeholder(host.WithName("count"), kInt32, {1});
  const Output y =
      gpu.Op("TestAsyncByScratch").In(SomeOf(host, x, count)).Out();
  auto session = Session::Create(graph, Fakes(1));
  ASSERT_TRUE(session.ok()) << session.status().ToString();
  Tensor feed(kFloat, Shape{60});
  std::iota(feed.flat<float>().begin(), feed.flat<float>().end(), 0.0f);
  for (const int32_t n : {50, 7, 60}) {
    auto out = (*session)->RunOne(
        {{"x:0", feed}, {"count:0", Tensor::Vector<int32_t>({n})}}, y.name());
    ASSERT_TRUE(out.ok()) << out.status().ToString();
    ASSERT_EQ(out->shape(), Shape{n});
    EXPECT_EQ(out->flat<float>()[static_cast<size_t>(n) - 1],
              static_cast<float>(n - 1));
  }
}

// What is read before an update is from before it, also where the reader is
// another device and comes late.
TEST_F(AsyncDeviceTest, AnUpdateWaitsForThoseThatReadTheOldValue) {
  Graph graph;
  const Scope root(&graph), gpu = root.WithDevice("/gpu:0");
  const Output x =
      ops::Placeholder(root.WithName("x").WithDevice("/cpu:0"), kFloat, {100});
  const Output v = ops::Variable(gpu.WithName("v"), kFloat, {100});
  const Output far = Sub(root.WithDevice("/gpu:1").WithName("far"), v, v);
  Node* add = gpu.WithName("add").Op("TestAsyncAccumulate").In(v).In(x).Build();
  ASSERT_NE(add, nullptr) << graph.status().ToString();
  auto session = Session::Create(graph, Fakes(2));
  ASSERT_TRUE(session.ok()) << session.status().ToString();
  Tensor ones(kFloat, Shape{100});
  std::ranges::fill(ones.flat<float>(), 1.0f);
  ASSERT_TRUE((*session)->Run({{"x:0", ones}}, {}, {"add"}).ok());
  auto first = (*session)->RunOne({}, "v:0");
  ASSERT_TRUE(first.ok()) << first.status().ToString();
  float value = first->flat<float>()[7];
  for (int run = 0; run < 20; ++run) {
    auto out = (*session)->Run({{"x:0", ones}}, {far.name()}, {"add"});
    ASSERT_TRUE(out.ok()) << out.status().ToString();
    EXPECT_EQ((*out)[0].flat<float>()[7], 0.25f * value + 0.125f);
    value += 1.0f;
  }
}

}  // namespace
}  // namespace lockstep
