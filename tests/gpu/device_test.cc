// SPDX-License-Identifier: Apache-2.0
// The GPUs that the machine has; skipped where it has none.
#include <gtest/gtest.h>

#include <numeric>
#include <vector>

#include "runtime/device/cuda/cuda_hardware.h"

namespace lockstep {
namespace {

class CudaDeviceTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (CudaGpus().empty()) GTEST_SKIP() << "no GPU";
    gpu_ = CudaGpus()[0];
  }
  std::shared_ptr<Hardware> gpu_;
};

std::vector<float> Numbers(size_t n) {
  std::vector<float> v(n);
  std::iota(v.begin(), v.end(), 0.5f);
  return v;
}

TEST_F(CudaDeviceTest, CopiesThereAndBack) {
  for (const size_t n : {1u, 100u, 5'000'000u}) {
    const size_t bytes = n * sizeof(float);
    const std::vector<float> sent = Numbers(n);
    std::vector<float> got(n);
    auto memory = gpu_->Allocate(bytes);
    ASSERT_TRUE(memory.ok()) << memory.status().ToString();
    auto queue = gpu_->MakeQueue(QueueKind::kCopy);
    ASSERT_TRUE(queue.ok()) << queue.status().ToString();
    ASSERT_TRUE((*queue)->Attach().ok());
    ASSERT_TRUE((*queue)->Copy(*memory, sent.data(), bytes).ok());
    ASSERT_TRUE((*queue)->Copy(got.data(), *memory, bytes).ok());
    const Status done = (*queue)->Finish();
    EXPECT_TRUE(done.ok()) << done.ToString();
    EXPECT_EQ(got, sent);
    queue->reset();
    gpu_->Free(*memory, bytes);
  }
}

TEST_F(CudaDeviceTest, AnArenaGrowsInPlace) {
  auto arena = gpu_->MakeArena(size_t{256} << 20);
  ASSERT_TRUE(arena.ok()) << arena.status().ToString();
  const std::vector<float> sent = Numbers(1000);
  std::vector<float> got(1000);
  const size_t bytes = sent.size() * sizeof(float);
  ASSERT_TRUE((*arena)->Grow(bytes).ok());
  char* const base = (*arena)->base();
  ASSERT_TRUE(gpu_->Copy(base, sent.data(), bytes).ok());
  ASSERT_TRUE((*arena)->Grow(size_t{64} << 20).ok());
  EXPECT_EQ((*arena)->base(), base);
  ASSERT_TRUE(gpu_->Copy(base + (size_t{64} << 20) - bytes, base, bytes).ok());
  ASSERT_TRUE(
      gpu_->Copy(got.data(), base + (size_t{64} << 20) - bytes, bytes).ok());
  EXPECT_EQ(got, sent);
  EXPECT_EQ((*arena)->Grow((size_t{256} << 20) + 1).code(),
            Code::kResourceExhausted);
}

TEST_F(CudaDeviceTest, MemoryThatIsNotThereIsRefused) {
  EXPECT_EQ(gpu_->Allocate(gpu_->memory_bytes() * 2).status().code(),
            Code::kResourceExhausted);
  auto after = gpu_->Allocate(64);
  ASSERT_TRUE(after.ok()) << after.status().ToString();
  gpu_->Free(*after, 64);
}

TEST_F(CudaDeviceTest, NothingCanBeAllocated) {
  auto memory = gpu_->Allocate(0);
  ASSERT_TRUE(memory.ok()) << memory.status().ToString();
  gpu_->Free(*memory, 0);
}

TEST_F(CudaDeviceTest, AQueueWaitsForAnothersEvent) {
  auto first = gpu_->MakeQueue(QueueKind::kCompute);
  auto second = gpu_->MakeQueue(QueueKind::kCopy);
  ASSERT_TRUE(first.ok() && second.ok());
  ASSERT_TRUE((*first)->Attach().ok());
  const size_t bytes = size_t{64} << 20;
  auto memory = gpu_->Allocate(bytes);
  ASSERT_TRUE(memory.ok());
  const std::vector<float> sent = Numbers(bytes / sizeof(float));
  float last = 0;
  ASSERT_TRUE((*first)->Copy(*memory, sent.data(), bytes).ok());
  ASSERT_TRUE((*first)->Mark(3).ok());
  ASSERT_TRUE((*second)->WaitFor(**first, 3).ok());
  const char* end = static_cast<const char*>(*memory) + bytes - sizeof(float);
  ASSERT_TRUE((*second)->Copy(&last, end, sizeof(float)).ok());
  ASSERT_TRUE((*second)->Finish().ok());
  EXPECT_EQ(last, sent.back());
  ASSERT_TRUE((*first)->Await(3).ok());
  EXPECT_FALSE((*first)->Await(7).ok());
  gpu_->Free(*memory, bytes);
}

TEST_F(CudaDeviceTest, WhatIsRecordedIsRepeated) {
  auto queue = gpu_->MakeQueue(QueueKind::kCompute);
  ASSERT_TRUE(queue.ok());
  ASSERT_TRUE((*queue)->Attach().ok());
  auto a = gpu_->Allocate(64);
  auto b = gpu_->Allocate(64);
  ASSERT_TRUE(a.ok() && b.ok());
  ASSERT_TRUE((*queue)->CanRecord());
  ASSERT_TRUE((*queue)->BeginRecord().ok());
  ASSERT_TRUE((*queue)->Copy(*b, *a, 64).ok());
  auto recording = (*queue)->EndRecord();
  ASSERT_TRUE(recording.ok()) << recording.status().ToString();
  for (const float value : {1.0f, 2.0f}) {
    const std::vector<float> sent(16, value);
    std::vector<float> got(16);
    ASSERT_TRUE(gpu_->Copy(*a, sent.data(), 64).ok());
    ASSERT_TRUE((*queue)->Replay(*recording).ok());
    ASSERT_TRUE((*queue)->Finish().ok());
    ASSERT_TRUE(gpu_->Copy(got.data(), *b, 64).ok());
    EXPECT_EQ(got, sent);
  }
  gpu_->Free(*a, 64);
  gpu_->Free(*b, 64);
}

}  // namespace
}  // namespace lockstep
