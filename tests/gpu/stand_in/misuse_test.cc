// SPDX-License-Identifier: Apache-2.0
// The stand-in sees what a GPU would not forgive, and lets pass what it would.
#include <cublasLt.h>
#include <cuda_runtime_api.h>
#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "tests/gpu/stand_in/report.h"
#include "tests/gpu/stand_in/streams.h"

namespace lockstep::stand_in {
namespace {

class StandInTest : public ::testing::Test {
 protected:
  void SetUp() override {
    (void)cudaGetLastError();  // what tests before it left
    ASSERT_EQ(cudaSetDevice(0), cudaSuccess);
    ASSERT_EQ(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking),
              cudaSuccess);
    ASSERT_EQ(cudaStreamCreateWithFlags(&other_, cudaStreamNonBlocking),
              cudaSuccess);
    cudaMemPoolProps what{};
    what.allocType = cudaMemAllocationTypePinned;
    what.location.type = cudaMemLocationTypeDevice;
    ASSERT_EQ(cudaMemPoolCreate(&pool_, &what), cudaSuccess);
    ASSERT_EQ(cudaEventCreateWithFlags(&event_, cudaEventDisableTiming),
              cudaSuccess);
  }
  void TearDown() override {
    (void)cudaStreamSynchronize(stream_);
    EXPECT_EQ(cudaStreamDestroy(stream_), BrokenOr(cudaSuccess));
    (void)cudaStreamDestroy(other_);
    (void)cudaEventDestroy(event_);
    (void)cudaMemPoolDestroy(pool_);
    Mend();
  }
  static cudaError_t BrokenOr(cudaError_t otherwise) {
    return BrokenBy() != cudaSuccess ? BrokenBy() : otherwise;
  }
  char* Take(size_t bytes) {
    void* data = nullptr;
    EXPECT_EQ(cudaMallocFromPoolAsync(&data, bytes, pool_, stream_),
              cudaSuccess);
    return static_cast<char*>(data);
  }
  // As often as `misuses`, which is then taken for said.
  static void ExpectMisuses(int misuses) {
    EXPECT_EQ(Misuses(), misuses);
    ForgetMisuses();
  }

  cudaStream_t stream_ = nullptr, other_ = nullptr;
  cudaMemPool_t pool_ = nullptr;
  cudaEvent_t event_ = nullptr;
};

TEST_F(StandInTest, FreshMemoryHoldsNoNumbers) {
  float* const data = reinterpret_cast<float*>(Take(sizeof(float)));
  float got = 0;
  ASSERT_EQ(cudaMemcpy(&got, data, sizeof(got), cudaMemcpyDefault),
            cudaSuccess);
  EXPECT_NE(got, got);
  ASSERT_EQ(cudaFreeAsync(data, stream_), cudaSuccess);
}

TEST_F(StandInTest, WritingBehindTheEndBreaksTheGpu) {
  char* const data = Take(100);
  EXPECT_EQ(cudaMemsetAsync(data, 0, 100, stream_), cudaSuccess);
  EXPECT_EQ(cudaMemsetAsync(data, 0, 101, stream_), cudaErrorIllegalAddress);
  EXPECT_EQ(cudaStreamSynchronize(stream_), cudaErrorIllegalAddress);
  EXPECT_EQ(cudaGetLastError(), cudaErrorIllegalAddress);
  ExpectMisuses(1);
}

TEST_F(StandInTest, WhatIsFreedInUseIsSeenWhenItIsUsed) {
  char* const data = Take(64);
  // The other stream waits for nothing.
  ASSERT_EQ(cudaEventRecord(event_, stream_), cudaSuccess);
  ASSERT_EQ(cudaFreeAsync(data, stream_), cudaSuccess);
  ASSERT_EQ(cudaStreamSynchronize(stream_), cudaSuccess);
  EXPECT_EQ(cudaMemsetAsync(data, 0, 64, other_), cudaErrorIllegalAddress);
  ExpectMisuses(1);
}

TEST_F(StandInTest, MemoryIsOneGpusAlone) {
  char* const data = Take(64);
  ASSERT_EQ(cudaSetDevice(1), cudaSuccess);
  cudaStream_t far = nullptr;
  ASSERT_EQ(cudaStreamCreateWithFlags(&far, cudaStreamNonBlocking),
            cudaSuccess);
  EXPECT_EQ(cudaMemsetAsync(data, 0, 64, far), cudaErrorIllegalAddress);
  ExpectMisuses(1);
  (void)cudaStreamDestroy(far);
  ASSERT_EQ(cudaSetDevice(0), cudaErrorIllegalAddress);
}

TEST_F(StandInTest, AKernelNeedsItsStreamsGpu) {
  char* const data = Take(64);
  ASSERT_EQ(cudaSetDevice(1), cudaSuccess);
  EXPECT_EQ(cudaMemsetAsync(data, 0, 64, stream_),
            cudaErrorInvalidResourceHandle);
  ExpectMisuses(1);
  ASSERT_EQ(cudaSetDevice(0), cudaSuccess);
}

TEST_F(StandInTest, AnEventThatIsNotThereYetIsAnErrorOfTheThread) {
  const std::vector<char> sent(1 << 22);
  char* const data = Take(sent.size());
  ASSERT_EQ(cudaMemcpyAsync(data, sent.data(), sent.size(), cudaMemcpyDefault,
                            stream_),
            cudaSuccess);
  ASSERT_EQ(cudaEventRecord(event_, stream_), cudaSuccess);
  cudaError_t first = cudaEventQuery(event_);
  if (first == cudaErrorNotReady) {
    EXPECT_EQ(cudaGetLastError(), cudaErrorNotReady);
  }
  EXPECT_EQ(cudaEventSynchronize(event_), cudaSuccess);
  EXPECT_EQ(cudaEventQuery(event_), cudaSuccess);
  EXPECT_EQ(cudaGetLastError(), cudaSuccess);
  ASSERT_EQ(cudaFreeAsync(data, stream_), cudaSuccess);
}

TEST_F(StandInTest, AStreamThatIsWaitedForWhileItCapturesLosesTheCapture) {
  char* const data = Take(64);
  ASSERT_EQ(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeRelaxed),
            cudaSuccess);
  ASSERT_EQ(cudaMemsetAsync(data, 0, 64, stream_), cudaSuccess);
  EXPECT_EQ(cudaStreamSynchronize(stream_), cudaErrorStreamCaptureUnsupported);
  cudaGraph_t graph = nullptr;
  EXPECT_EQ(cudaStreamEndCapture(stream_, &graph),
            cudaErrorStreamCaptureInvalidated);
  (void)cudaGetLastError();
  ASSERT_EQ(cudaFreeAsync(data, stream_), cudaSuccess);
}

TEST_F(StandInTest, AStreamThatWaitsForACaptureIsDrawnIn) {
  char* const data = Take(64);
  ASSERT_EQ(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeRelaxed),
            cudaSuccess);
  ASSERT_EQ(cudaEventRecord(event_, stream_), cudaSuccess);
  ASSERT_EQ(cudaStreamWaitEvent(other_, event_, 0), cudaSuccess);
  ASSERT_EQ(cudaMemsetAsync(data, 0, 64, other_), cudaSuccess);
  cudaGraph_t graph = nullptr;
  EXPECT_EQ(cudaStreamEndCapture(stream_, &graph),
            cudaErrorStreamCaptureUnjoined);
  (void)cudaGetLastError();
  ASSERT_EQ(cudaFreeAsync(data, stream_), cudaSuccess);
}

TEST_F(StandInTest, AddressesAloneDoNotLeadFromOneGpusPoolToAnothers) {
  char* const near = Take(64);
  cudaMemPoolProps what{};
  what.allocType = cudaMemAllocationTypePinned;
  what.location.type = cudaMemLocationTypeDevice;
  what.location.id = 1;
  cudaMemPool_t pool = nullptr;
  ASSERT_EQ(cudaMemPoolCreate(&pool, &what), cudaSuccess);
  ASSERT_EQ(cudaSetDevice(1), cudaSuccess);
  cudaStream_t stream = nullptr;
  ASSERT_EQ(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking),
            cudaSuccess);
  void* far = nullptr;
  ASSERT_EQ(cudaMallocFromPoolAsync(&far, 64, pool, stream), cudaSuccess);
  EXPECT_EQ(cudaMemcpyAsync(far, near, 64, cudaMemcpyDefault, stream),
            cudaErrorInvalidValue);
  (void)cudaGetLastError();
  EXPECT_EQ(cudaMemcpyPeerAsync(far, 1, near, 0, 64, stream), cudaSuccess);
  EXPECT_EQ(cudaStreamSynchronize(stream), cudaSuccess);
  ASSERT_EQ(cudaFreeAsync(far, stream), cudaSuccess);
  ASSERT_EQ(cudaStreamDestroy(stream), cudaSuccess);
  ASSERT_EQ(cudaMemPoolDestroy(pool), cudaSuccess);
  ASSERT_EQ(cudaSetDevice(0), cudaSuccess);
  ASSERT_EQ(cudaFreeAsync(near, stream_), cudaSuccess);
}

// Column by column: [1 3; 2 4] [1; 1] = [4; 6], of which the bias makes [3; 8].
TEST_F(StandInTest, CublasLtMultipliesColumnByColumn) {
  cublasLtHandle_t handle = nullptr;
  cublasLtMatmulDesc_t product = nullptr;
  cublasLtMatrixLayout_t a = nullptr, b = nullptr;
  cublasLtMatmulPreference_t wishes = nullptr;
  ASSERT_EQ(cublasLtCreate(&handle), CUBLAS_STATUS_SUCCESS);
  ASSERT_EQ(cublasLtMatmulDescCreate(&product, CUBLAS_COMPUTE_32F, CUDA_R_32F),
            CUBLAS_STATUS_SUCCESS);
  ASSERT_EQ(cublasLtMatrixLayoutCreate(&a, CUDA_R_32F, 2, 2, 2),
            CUBLAS_STATUS_SUCCESS);
  ASSERT_EQ(cublasLtMatrixLayoutCreate(&b, CUDA_R_32F, 2, 1, 2),
            CUBLAS_STATUS_SUCCESS);
  ASSERT_EQ(cublasLtMatmulPreferenceCreate(&wishes), CUBLAS_STATUS_SUCCESS);
  const cublasLtEpilogue_t epilogue = CUBLASLT_EPILOGUE_BIAS;
  ASSERT_EQ(
      cublasLtMatmulDescSetAttribute(product, CUBLASLT_MATMUL_DESC_EPILOGUE,
                                     &epilogue, sizeof(epilogue)),
      CUBLAS_STATUS_SUCCESS);
  cublasLtMatmulHeuristicResult_t found;
  int count = 0;
  ASSERT_EQ(cublasLtMatmulAlgoGetHeuristic(handle, product, a, b, b, b, wishes,
                                           1, &found, &count),
            CUBLAS_STATUS_SUCCESS);
  ASSERT_EQ(count, 1);
  const float numbers[] = {1, 2, 3, 4, 1, 1, -1, 2};
  char* const matrix = Take(16);
  char* const vector = Take(8);
  char* const bias = Take(8);
  char* const made = Take(8);
  const auto copy = [&](void* to, const void* from, size_t bytes) {
    ASSERT_EQ(cudaMemcpy(to, from, bytes, cudaMemcpyDefault), cudaSuccess);
  };
  copy(matrix, numbers, 16);
  copy(vector, numbers + 4, 8);
  copy(bias, numbers + 6, 8);
  ASSERT_EQ(
      cublasLtMatmulDescSetAttribute(product, CUBLASLT_MATMUL_DESC_BIAS_POINTER,
                                     &bias, sizeof(bias)),
      CUBLAS_STATUS_SUCCESS);
  const float one = 1, zero = 0;
  ASSERT_EQ(cublasLtMatmul(handle, product, &one, matrix, a, vector, b, &zero,
                           made, b, made, b, &found.algo, nullptr, 0, stream_),
            CUBLAS_STATUS_SUCCESS);
  ASSERT_EQ(cudaStreamSynchronize(stream_), cudaSuccess);
  float got[2];
  copy(got, made, 8);
  EXPECT_EQ(got[0], 3);
  EXPECT_EQ(got[1], 8);
  for (char* data : {matrix, vector, bias, made}) {
    ASSERT_EQ(cudaFreeAsync(data, stream_), cudaSuccess);
  }
  EXPECT_EQ(cublasLtMatmulPreferenceDestroy(wishes), CUBLAS_STATUS_SUCCESS);
  EXPECT_EQ(cublasLtMatrixLayoutDestroy(a), CUBLAS_STATUS_SUCCESS);
  EXPECT_EQ(cublasLtMatrixLayoutDestroy(b), CUBLAS_STATUS_SUCCESS);
  EXPECT_EQ(cublasLtMatmulDescDestroy(product), CUBLAS_STATUS_SUCCESS);
  EXPECT_EQ(cublasLtDestroy(handle), CUBLAS_STATUS_SUCCESS);
}

}  // namespace
}  // namespace lockstep::stand_in
