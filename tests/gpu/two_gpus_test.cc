// SPDX-License-Identifier: Apache-2.0
// What takes two GPUs; skipped where there are fewer.
#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "distributed/local_communicator.h"
#include "distributed/nccl_communicator.h"
#include "ops/ops.h"
#include "runtime/device/cuda/cuda_hardware.h"
#include "runtime/device/cuda/cuda_status.h"
#include "runtime/exec/session.h"

namespace lockstep {
namespace {

class TwoGpusTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (CudaGpus().size() < 2) GTEST_SKIP() << "fewer than two GPUs";
  }
};

TEST_F(TwoGpusTest, ValuesGoFromOneToTheOther) {
  Graph graph;
  const Scope s(&graph);
  const Output x = ops::Placeholder(s, kFloat, {3});
  const Output there = ops::Square(s.WithDevice("/gpu:0"), x);
  const Output back = ops::Square(s.WithDevice("/gpu:1"), there);
  auto session = Session::Create(graph, {});
  ASSERT_TRUE(session.ok()) << session.status().ToString();
  for (int run = 0; run < 3; ++run) {
    const auto got = (*session)->Run(
        {{x.name(), Tensor::Vector<float>({1, 2, 3})}}, {back.name()});
    ASSERT_TRUE(got.ok()) << got.status().ToString();
    const auto values = (*got)[0].flat<float>();
    EXPECT_EQ(std::vector<float>(values.begin(), values.end()),
              (std::vector<float>{1, 16, 81}));
  }
}

// The thread launches kernels after the sum as before it.
Status SumOnRank(std::unique_ptr<Communicator> host, int rank,
                 std::vector<float>* got) {
  Hardware& gpu = *CudaGpus()[static_cast<size_t>(rank)];
  LS_ASSIGN_OR_RETURN(auto comm, MakeNcclCommunicator(std::move(host), rank));
  LS_ASSIGN_OR_RETURN(auto queue, gpu.MakeQueue(QueueKind::kCompute));
  LS_RETURN_IF_ERROR(queue->Attach());
  LS_ASSIGN_OR_RETURN(void* const data, gpu.Allocate(16));
  const std::vector<float> mine(4, static_cast<float>(rank + 1));
  LS_RETURN_IF_ERROR(gpu.Copy(data, mine.data(), 16));
  LS_RETURN_IF_ERROR(comm->AllReduce(data, data, 4, kFloat));
  LS_RETURN_IF_ERROR(gpu.Copy(got->data(), data, 16));
  const cudaError_t left = cudaGetLastError();
  // Nobody leaves while others are at it.
  LS_RETURN_IF_ERROR(comm->Barrier());
  gpu.Free(data, 16);
  return CudaStatus(left, "what the sum left behind");
}

TEST_F(TwoGpusTest, RanksSumByNccl) {
  auto hosts = MakeLocalCommunicators(2);
  std::vector<std::vector<float>> got(2, std::vector<float>(4));
  std::vector<Status> status(2);
  std::vector<std::thread> ranks;
  for (size_t r = 0; r < 2; ++r) {
    ranks.emplace_back([&, r] {
      status[r] = SumOnRank(std::move(hosts[r]), static_cast<int>(r), &got[r]);
    });
  }
  for (std::thread& rank : ranks) rank.join();
  for (size_t r = 0; r < 2; ++r) {
    EXPECT_TRUE(status[r].ok()) << "rank " << r << ": " << status[r].ToString();
    EXPECT_EQ(got[r], std::vector<float>(4, 3)) << "rank " << r;
  }
}

}  // namespace
}  // namespace lockstep
