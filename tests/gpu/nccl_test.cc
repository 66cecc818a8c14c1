// SPDX-License-Identifier: Apache-2.0
// NCCL's communicator with one rank; skipped where there is no GPU.
#include <gtest/gtest.h>

#include <vector>

#include "distributed/local_communicator.h"
#include "distributed/nccl_communicator.h"
#include "runtime/device/cuda/cuda_hardware.h"

namespace lockstep {
namespace {

TEST(NcclCommunicatorTest, ReducesAndMovesWhatOneRankHas) {
  if (CudaGpus().empty()) GTEST_SKIP() << "no GPU";
  Hardware& gpu = *CudaGpus()[0];
  auto host = MakeLocalCommunicators(1);
  auto comm = MakeNcclCommunicator(std::move(host[0]), 0);
  ASSERT_TRUE(comm.ok()) << comm.status().ToString();
  const std::vector<float> sent = {1, 2, 3, 4};
  std::vector<float> got(4);
  auto in = gpu.Allocate(16);
  auto out = gpu.Allocate(16);
  ASSERT_TRUE(in.ok() && out.ok());
  ASSERT_TRUE(gpu.Copy(*in, sent.data(), 16).ok());
  const Piece piece{*in, *out, 4};
  Status s = (*comm)->AllReduce({&piece, 1}, kFloat, ReduceOp::kSum, 0.5);
  ASSERT_TRUE(s.ok()) << s.ToString();
  ASSERT_TRUE(gpu.Copy(got.data(), *out, 16).ok());
  EXPECT_EQ(got, (std::vector<float>{0.5, 1, 1.5, 2}));
  ASSERT_TRUE((*comm)->AllGather(*in, *out, 4, kFloat).ok());
  ASSERT_TRUE(gpu.Copy(got.data(), *out, 16).ok());
  EXPECT_EQ(got, sent);
  ASSERT_TRUE((*comm)->Broadcast(*in, 4, kFloat, 0).ok());
  // Arrays of the host are the host's communicator's.
  double sum = 3;
  ASSERT_TRUE((*comm)->AllReduce(&sum, &sum, 1, kDouble).ok());
  EXPECT_EQ(sum, 3);
  gpu.Free(*in, 16);
  gpu.Free(*out, 16);
}

}  // namespace
}  // namespace lockstep
