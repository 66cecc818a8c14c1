// SPDX-License-Identifier: Apache-2.0
// Which way gradients on GPUs take between the ranks: from GPU to GPU where
// each rank has one of its own, else over the host. A communicator of the host
// stands for NCCL's, virtual GPUs for CUDA's.
#include "distributed/gpu_exchange.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <mutex>

#include "distributed/data_parallel.h"
#include "ops/ops.h"
#include "runtime/exec/session.h"
#include "tests/testing/graph_run.h"
#include "tests/testing/spawn_ranks.h"

namespace lockstep {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

// Sums arrays that the host reaches, and counts them.
class CountingCommunicator final : public GpuCommunicator {
 public:
  CountingCommunicator(std::unique_ptr<Communicator> host,
                       std::atomic<int>* reduced)
      : GpuCommunicator(host->rank(), host->size()),
        host_(std::move(host)),
        reduced_(*reduced) {}
  std::string_view backend() const override { return "counting"; }
  void FollowStream(void* stream) override {
    EXPECT_EQ(stream, nullptr);  // of a virtual GPU
    ++followed_;
  }

 protected:
  Status DoAllReduce(const CollectiveCall& call, std::span<const Piece> pieces,
                     double factor, const ElementUpdate* update) override {
    EXPECT_EQ(update, nullptr);
    EXPECT_EQ(followed_, 1) << "once before each call";
    followed_ = 0;
    reduced_ += static_cast<int>(pieces.size());
    return host_->AllReduce(pieces, static_cast<DType>(call.header.dtype),
                            call.header.op, factor);
  }
  Status DoReduceScatter(const CollectiveCall&, const void*, void*) override {
    return Unimplemented("ReduceScatter");
  }
  Status DoAllGather(const CollectiveCall&, const void*, void*) override {
    return Unimplemented("AllGather");
  }
  Status DoBroadcast(const CollectiveCall&, void*) override {
    return Unimplemented("Broadcast");
  }
  Status DoSend(const CollectiveCall&, const void*) override {
    return Unimplemented("Send");
  }
  Status DoRecv(const CollectiveCall&, void*) override {
    return Unimplemented("Recv");
  }
  Status DoBarrier(const CollectiveCall&) override {
    return Unimplemented("Barrier");
  }
  Result<std::unique_ptr<Communicator>> DoSplit(const std::vector<int>&,
                                                int) override {
    return Unimplemented("Split");
  }
  void Announce(const Status& why) override { host_->Abort(why); }

 private:
  std::unique_ptr<Communicator> host_;
  std::atomic<int>& reduced_;
  int followed_ = 0;
};

struct Ways {
  // What the GPU of a rank is called; empty: the library does not know it.
  std::function<std::string(int rank)> identity;
  Status connects = Ok();
  int gpus = 1;  // of each rank
  DataParallelOptions parallel = {};
};

struct Trained {
  std::vector<Tensor> variables;
  std::vector<std::string> steps;
  Status created;
};

// Two layers on /gpu:0 trained for some steps by two ranks, and what else of
// the program is on the CPU.
class GpuExchangeTest : public ::testing::Test {
 protected:
  std::vector<Trained> Train(const Ways& ways) {
    reduced_ = 0;
    std::vector<Trained> all(2);
    SpawnRanksShared(2, [&](std::shared_ptr<Communicator> comm) {
      const int rank = comm->rank();
      const GpuLinks links{
          .identity = [&,
                       rank](const Hardware&) { return ways.identity(rank); },
          .connect = [&](std::unique_ptr<Communicator> host, const Hardware&)
              -> Result<std::unique_ptr<GpuCommunicator>> {
            LS_RETURN_IF_ERROR(ways.connects);
            return std::unique_ptr<GpuCommunicator>(
                std::make_unique<CountingCommunicator>(std::move(host),
                                                       &reduced_));
          }};
      all[static_cast<size_t>(rank)] = TrainRank(comm, ways, &links);
    });
    return all;
  }

  static Trained TrainRank(std::shared_ptr<Communicator> comm, const Ways& ways,
                           const GpuLinks* links) {
    Graph graph;
    const Scope gpu = Scope(&graph).WithDevice("/gpu:0");
    const Scope cpu = Scope(&graph).WithDevice("/cpu:0");
    const Output x = ops::Placeholder(gpu.WithName("x"), kFloat, {4, 6});
    std::vector<Output> v;
    const auto variable = [&](const Scope& s, const Shape& shape) {
      v.push_back(ops::InitializedVariable(
          s.WithName(StrCat("v", v.size())),
          testing::Numbers(kFloat, shape, -0.5, 0.5, v.size() + 1)));
      return v.back();
    };
    Output h = ops::MatMul(gpu, x, variable(gpu, {6, 5}));
    h = ops::Tanh(gpu, ops::BiasAdd(gpu, h, variable(gpu, {5})));
    h = ops::MatMul(cpu, h, variable(cpu, {5, 2}));
    const Output loss = ops::Mean(cpu, ops::Square(cpu, h), {0, 1});
    ops::MomentumOptimizer momentum(0.1f, 0.9f);
    const Node* train = momentum.Minimize(gpu, loss, v);
    for (const Output& slot : momentum.variables()) v.push_back(slot);
    const Node* init = ops::VariablesInitializer(cpu.WithName("init"));
    SessionOptions options;
    options.allow_soft_placement = true;
    options.intra_op_threads = 1;
    options.gpu_options.virtual_gpus = {.count = ways.gpus,
                                        .bytes = size_t{16} << 20};
    DataParallelOptions parallel = ways.parallel;
    parallel.gpu_links = links;
    const int rank = comm->rank();
    UseDataParallel(std::move(comm), std::move(parallel), &options);
    Trained trained;
    auto session = Session::Create(graph, options);
    trained.created = session.status();
    if (!session.ok()) return trained;
    const auto feeds = [&](int step) {
      return std::vector<Session::Feed>{
          {"x:0", testing::Numbers(kFloat, {4, 6}, -1, 1,
                                   static_cast<uint64_t>(2 * step + rank))}};
    };
    auto plan = (*session)->Explain(feeds(0), {}, {train->name()});
    EXPECT_TRUE(plan.ok()) << plan.status().ToString();
    if (plan.ok()) trained.steps = plan->steps;
    Status run = (*session)->RunTargets({init->name()});
    for (int step = 0; step < 3; ++step) {
      run.Update((*session)->RunTargets({train->name()}, feeds(step)));
    }
    EXPECT_TRUE(run.ok()) << run.ToString();
    for (const Output& o : v) {
      trained.variables.push_back((*session)->RunOne({}, o.name()).value());
    }
    return trained;
  }

  static void ExpectEqual(const std::vector<Trained>& a,
                          const std::vector<Trained>& b) {
    for (size_t r = 0; r < 2; ++r) {
      ASSERT_EQ(a[r].variables.size(), 6u);  // slots behind the others
      for (size_t i = 0; i < 6; ++i) {
        EXPECT_TRUE(BitwiseEqual(a[r].variables[i], b[0].variables[i])) << i;
      }
    }
  }
  static auto ExchangeOn(const char* device) {
    return Contains(::testing::AllOf(HasSubstr("_GradientExchange("),
                                     ::testing::EndsWith(device)));
  }
  std::vector<Trained> OverTheHost() {
    return Train({.identity = [](int) { return ""; }});
  }

  std::atomic<int> reduced_ = 0;
};

std::string OwnGpu(int rank) { return StrCat("gpu of rank ", rank); }

TEST_F(GpuExchangeTest, GoesFromGpuToGpuWhereEachRankHasOne) {
  const std::vector<Trained> host = OverTheHost();
  EXPECT_EQ(reduced_, 0);
  EXPECT_THAT(host[0].steps, Not(ExchangeOn(" on /gpu:0")));
  const std::vector<Trained> gpu = Train({.identity = OwnGpu});
  // The CPU's variable goes over the host; two of 3 runs and 2 ranks do not.
  EXPECT_EQ(reduced_, 2 * 3 * 2);
  EXPECT_THAT(gpu[0].steps, ExchangeOn(" on /gpu:0"));
  EXPECT_THAT(gpu[0].steps, ExchangeOn(" on /cpu:0"));
  EXPECT_LT(gpu[0].steps.size(), host[0].steps.size());  // no copies
  ExpectEqual(gpu, host);
}

TEST_F(GpuExchangeTest, RanksThatShareAGpuExchangeOverTheHost) {
  const auto trained = Train({.identity = [](int) { return "the one"; }});
  EXPECT_EQ(reduced_, 0);
  ExpectEqual(trained, OverTheHost());
}

TEST_F(GpuExchangeTest, OneRankWithoutIsEnoughToGoOverTheHost) {
  const auto trained =
      Train({.identity = [](int rank) { return rank == 0 ? "a" : ""; }});
  EXPECT_EQ(reduced_, 0);
  ExpectEqual(trained, OverTheHost());
}

TEST_F(GpuExchangeTest, WhatFailsToConnectIsTheSessionsError) {
  const auto trained =
      Train({.identity = OwnGpu, .connects = Unavailable("the link is down")});
  for (const Trained& t : trained) {
    EXPECT_EQ(t.created.code(), Code::kUnavailable);
    EXPECT_THAT(t.created.message(), HasSubstr("the link is down"));
  }
}

TEST_F(GpuExchangeTest, AnIdentityThatIsTooLongIsAnErrorNotCut) {
  const auto trained =
      Train({.identity = [](int) { return std::string(100, 'x'); }});
  for (const Trained& t : trained) {
    EXPECT_EQ(t.created.code(), Code::kInternal);
  }
}

TEST_F(GpuExchangeTest, CompressedGradientsGoOverTheHost) {
  const auto trained =
      Train({.identity = OwnGpu, .parallel = {.compress = true}});
  EXPECT_EQ(reduced_, 0);
  EXPECT_THAT(trained[0].steps, Not(ExchangeOn(" on /gpu:0")));
}

TEST_F(GpuExchangeTest, OverlappedItIsOnTheLaneOfCommunication) {
  const auto trained =
      Train({.identity = OwnGpu,
             .parallel = {.bucket_bytes = 1,
                          .overlap = DataParallelOptions::Overlap::kOn}});
  EXPECT_EQ(reduced_, 2 * 3 * 2);
  EXPECT_THAT(trained[0].steps, ExchangeOn(" on communication"));
  ExpectEqual(trained, OverTheHost());
}

}  // namespace
}  // namespace lockstep
