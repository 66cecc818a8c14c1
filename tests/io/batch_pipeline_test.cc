// SPDX-License-Identifier: Apache-2.0
#include "runtime/io/batch_pipeline.h"

#include <gtest/gtest.h>

#include <chrono>
#include <map>
#include <thread>
#include <vector>

#include "runtime/core/threads.h"
#include "runtime/io/permutation.h"

namespace lockstep {
namespace {

// Example i is the two pixels {i, 255 - i} with label i % 10.
Tensor Features(int64_t n) {
  Tensor t(kUint8, Shape{n, 2});
  for (int64_t i = 0; i < n; ++i) {
    t.flat<uint8_t>()[static_cast<size_t>(2 * i)] = static_cast<uint8_t>(i);
    t.flat<uint8_t>()[static_cast<size_t>(2 * i + 1)] =
        static_cast<uint8_t>(255 - i);
  }
  return t;
}

Tensor Labels(int64_t n) {
  Tensor t(kUint8, Shape{n});
  for (int64_t i = 0; i < n; ++i) {
    t.flat<uint8_t>()[static_cast<size_t>(i)] = static_cast<uint8_t>(i % 10);
  }
  return t;
}

std::unique_ptr<BatchPipeline> Make(int64_t n, BatchPipelineOptions options) {
  options.scale = 1;  // features show the example's number
  return BatchPipeline::Create(Features(n), Labels(n), options).value();
}

std::vector<int64_t> Examples(const Batch& batch) {
  std::vector<int64_t> out;
  for (int64_t i = 0; i < batch.count; ++i) {
    out.push_back(static_cast<int64_t>(
        batch.features.flat<float>()[static_cast<size_t>(2 * i)]));
  }
  return out;
}

// The examples of one global batch, put together from all ranks' parts.
std::vector<int64_t> Global(int64_t n, BatchPipelineOptions options, int ranks,
                            int64_t epoch, int64_t index) {
  std::vector<int64_t> out;
  options.ranks = ranks;
  for (options.rank = 0; options.rank < ranks; ++options.rank) {
    auto pipeline = Make(n, options);
    EXPECT_TRUE(pipeline->SeekTo(epoch, index).ok());
    const Batch* batch = pipeline->Next().value();
    EXPECT_EQ(batch->offset, static_cast<int64_t>(out.size()));
    for (const int64_t e : Examples(*batch)) out.push_back(e);
    EXPECT_LE(static_cast<int64_t>(out.size()), batch->global_count);
  }
  return out;
}

TEST(RankPartTest, FirstRanksTakeOneMore) {
  EXPECT_EQ(RankPart(10, 0, 4).count, 3);
  EXPECT_EQ(RankPart(10, 1, 4).count, 3);
  EXPECT_EQ(RankPart(10, 2, 4).count, 2);
  EXPECT_EQ(RankPart(10, 2, 4).offset, 6);
  EXPECT_EQ(RankPart(10, 3, 4).offset, 8);
  EXPECT_EQ(RankPart(1, 0, 3).count, 1);
  EXPECT_EQ(RankPart(1, 2, 3).count, 0);
  EXPECT_EQ(RankPart(0, 1, 2).count, 0);
}

TEST(RankPartTest, RanksTakeWhatTheirReplicasDo) {
  for (int64_t count = 0; count < 40; ++count) {
    for (const int ranks : {1, 2, 4, 8}) {
      for (int rank = 0; rank < ranks; ++rank) {
        const int each = 8 / ranks;
        const RowsOfRank part = RankPart(count, rank, ranks, 8);
        int64_t sum = 0;
        for (int r = rank * each; r < (rank + 1) * each; ++r) {
          sum += RankPart(count, r, 8).count;
        }
        EXPECT_EQ(part.offset, RankPart(count, rank * each, 8).offset);
        EXPECT_EQ(part.count, sum) << count << " on " << ranks;
      }
    }
  }
}

// Depth: filled by the caller, or ahead by the pipeline's thread.
class BatchPipelineTest : public testing::TestWithParam<int> {
 protected:
  BatchPipelineOptions Options(int64_t batch) const {
    return {.batch = batch, .seed = 7, .depth = GetParam()};
  }
};

TEST_P(BatchPipelineTest, EpochIsThePermutationInBatches) {
  auto pipeline = Make(53, Options(10));
  EXPECT_EQ(pipeline->batches_per_epoch(), 6);
  for (int64_t epoch = 0; epoch < 3; ++epoch) {
    const KeyedPermutation order(53, 7, static_cast<uint64_t>(epoch));
    int64_t position = 0;
    for (int64_t b = 0; b < 6; ++b) {
      const Batch* batch = pipeline->Next().value();
      EXPECT_EQ(batch->epoch, epoch);
      EXPECT_EQ(batch->index, b);
      EXPECT_EQ(batch->count, b == 5 ? 3 : 10);
      EXPECT_EQ(batch->global_count, batch->count);
      EXPECT_EQ(batch->features.shape(), (Shape{batch->count, 2}));
      EXPECT_EQ(batch->labels.shape(), Shape{batch->count});
      for (int64_t i = 0; i < batch->count; ++i) {
        const int64_t example = order(position++);
        const auto at = static_cast<size_t>(i);
        EXPECT_EQ(batch->features.flat<float>()[2 * at], example);
        EXPECT_EQ(batch->features.flat<float>()[2 * at + 1], 255 - example);
        EXPECT_EQ(batch->labels.flat<int64_t>()[at], example % 10);
      }
    }
    EXPECT_EQ(position, 53);
  }
}

TEST_P(BatchPipelineTest, RanksTogetherReadWhatOneRankReads) {
  for (const int64_t index : {0, 4}) {  // the last batch has 5 of 12
    const auto one = Global(53, Options(12), 1, 2, index);
    for (const int ranks : {2, 3, 4, 7}) {
      EXPECT_EQ(Global(53, Options(12), ranks, 2, index), one) << ranks;
    }
  }
}

TEST_P(BatchPipelineTest, SeekGivesTheBatchThatAStraightRunReaches) {
  auto straight = Make(53, Options(10));
  for (int i = 0; i < 9; ++i) ASSERT_TRUE(straight->Next().ok());
  const Batch expected_batch = *straight->Next().value();
  const auto expected = Examples(expected_batch);

  auto pipeline = Make(53, Options(10));
  ASSERT_TRUE(pipeline->Next().ok());
  ASSERT_TRUE(pipeline->SeekTo(1, 3).ok());
  const Batch* batch = pipeline->Next().value();
  EXPECT_EQ(batch->epoch, 1);
  EXPECT_EQ(batch->index, 3);
  EXPECT_EQ(Examples(*batch), expected);
  EXPECT_EQ(pipeline->Next().value()->index, 4);
  // Back again, many times over: nothing of the old order comes through.
  for (int64_t i = 0; i < 200; ++i) {
    ASSERT_TRUE(pipeline->SeekTo(i % 5, i % 6).ok());
    const Batch* b = pipeline->Next().value();
    ASSERT_EQ(b->epoch, i % 5);
    ASSERT_EQ(b->index, i % 6);
  }
}

TEST_P(BatchPipelineTest, BorrowedBatchStaysUntouched) {
  auto pipeline = Make(100, Options(10));
  for (int i = 0; i < 50; ++i) {
    const Batch* batch = pipeline->Next().value();
    const auto before = Examples(*batch);
    // Gives the filling thread time to run into the borrowed slot if it would.
    if (i % 10 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(2));
    ASSERT_EQ(Examples(*batch), before);
  }
}

TEST_P(BatchPipelineTest, OneHotLabelsAndScaledPixels) {
  BatchPipelineOptions options = Options(4);
  options.shuffle = false;
  options.classes = 10;
  auto pipeline =
      BatchPipeline::Create(Features(4), Labels(4), options).value();
  const Batch* batch = pipeline->Next().value();
  EXPECT_EQ(batch->labels.shape(), (Shape{4, 10}));
  for (size_t i = 0; i < 4; ++i) {
    for (size_t c = 0; c < 10; ++c) {
      EXPECT_EQ(batch->labels.flat<float>()[10 * i + c], i == c ? 1.0f : 0.0f);
    }
  }
  EXPECT_EQ(batch->features.flat<float>()[1], 1.0f);  // 255 / 255
  EXPECT_FLOAT_EQ(batch->features.flat<float>()[3], 254.0f / 255.0f);
}

TEST_P(BatchPipelineTest, FloatFeaturesAreTakenAsTheyAre) {
  const Tensor x = Tensor::Of<float>({3, 1}, {-1.5f, 1e9f, 0.25f});
  BatchPipelineOptions options = Options(2);
  options.shuffle = false;
  auto pipeline =
      BatchPipeline::Create(x, Tensor::Vector<int64_t>({5, -7, 900}), options)
          .value();
  EXPECT_EQ(pipeline->Next().value()->features.flat<float>()[1], 1e9f);
  const Batch* last = pipeline->Next().value();
  EXPECT_EQ(last->count, 1);
  EXPECT_EQ(last->features.flat<float>()[0], 0.25f);
  EXPECT_EQ(last->labels.flat<int64_t>()[0], 900);
}

TEST_P(BatchPipelineTest, BatchLargerThanTheDataIsAllOfIt) {
  auto pipeline = Make(7, Options(1000));
  EXPECT_EQ(pipeline->batches_per_epoch(), 1);
  EXPECT_EQ(pipeline->Next().value()->count, 7);
  EXPECT_EQ(pipeline->Next().value()->epoch, 1);
}

TEST_P(BatchPipelineTest, RankWithoutExamplesGetsAnEmptyBatch) {
  BatchPipelineOptions options = Options(10);
  options.rank = 2;
  options.ranks = 3;
  auto pipeline = Make(11, options);
  ASSERT_TRUE(pipeline->SeekTo(0, 1).ok());
  const Batch* batch = pipeline->Next().value();
  EXPECT_EQ(batch->count, 0);
  EXPECT_EQ(batch->global_count, 1);
  EXPECT_EQ(batch->features.shape(), (Shape{0, 2}));
}

TEST_P(BatchPipelineTest, TensorsAreAlignedAndReused) {
  auto pipeline = Make(100, Options(10));
  std::map<const void*, int> seen;
  for (int i = 0; i < 40; ++i) {
    const void* data = pipeline->Next().value()->features.data();
    EXPECT_EQ(reinterpret_cast<uintptr_t>(data) % kTensorAlignment, 0u);
    ++seen[data];
  }
  EXPECT_EQ(seen.size(), static_cast<size_t>(GetParam()) + 1);
}

TEST_P(BatchPipelineTest, SeekOutsideIsRefused) {
  auto pipeline = Make(53, Options(10));
  EXPECT_EQ(pipeline->SeekTo(0, 6).code(), Code::kInvalidArgument);
  EXPECT_EQ(pipeline->SeekTo(0, -1).code(), Code::kInvalidArgument);
  EXPECT_EQ(pipeline->SeekTo(-1, 0).code(), Code::kInvalidArgument);
  EXPECT_EQ(pipeline->Next().value()->index, 0);
}

TEST_P(BatchPipelineTest, StopsAtAnyMoment) {
  for (int i = 0; i < 100; ++i) {
    auto pipeline = Make(200, Options(50));
    for (int k = 0; k < i % 4; ++k) ASSERT_TRUE(pipeline->Next().ok());
  }
}

TEST_P(BatchPipelineTest, SameBatchOnAnyNumberOfThreads) {
  Tensor x(kUint8, Shape{500, 97});
  for (size_t i = 0; i < x.bytes(); ++i) {
    x.flat<uint8_t>()[i] = static_cast<uint8_t>(i * 31);
  }
  std::vector<Tensor> got;
  const int before = Threads();
  for (const int threads : {1, 3}) {
    SetThreads(threads);
    auto p = BatchPipeline::Create(x, Labels(500), Options(333)).value();
    got.push_back(p->Next().value()->features.Clone());
  }
  SetThreads(before);
  EXPECT_TRUE(BitwiseEqual(got[0], got[1]));
}

INSTANTIATE_TEST_SUITE_P(Depth, BatchPipelineTest, testing::Values(0, 1, 3));

TEST(BatchPipelineErrors, NameWhatIsWrong) {
  const auto create = [](Tensor x, Tensor y, BatchPipelineOptions options) {
    return BatchPipeline::Create(x, y, options).status().ToString();
  };
  EXPECT_EQ(create(Features(5), Labels(4), {}),
            "INVALID_ARGUMENT: features of shape [5,2] do not go with labels "
            "of shape [4]");
  EXPECT_EQ(create(Features(0), Labels(0), {}),
            "INVALID_ARGUMENT: no examples");
  EXPECT_EQ(create(Features(12), Labels(12), {.classes = 9}),
            "INVALID_ARGUMENT: label 9 of example 9 is not in [0,9)");
  EXPECT_EQ(create(Tensor(kInt32, Shape{5, 2}), Labels(5), {}),
            "INVALID_ARGUMENT: features must be uint8 or float, got int32");
  EXPECT_EQ(
      create(Features(5), Tensor(kFloat, Shape{5}), {}),
      "INVALID_ARGUMENT: labels must be uint8, int32 or int64, got float");
  EXPECT_EQ(create(Features(5), Labels(5), {.batch = 0}),
            "INVALID_ARGUMENT: batch must be >= 1, got 0");
  EXPECT_EQ(create(Features(5), Labels(5), {.rank = 2, .ranks = 2}),
            "INVALID_ARGUMENT: rank 2 of 2 does not exist");
  EXPECT_EQ(create(Features(5), Labels(5), {.depth = -1}),
            "INVALID_ARGUMENT: depth must be 0 to 1024, got -1");
}

TEST(BatchPipelineWaits, EveryBatchThatIsFilledWhenAskedForIsWaitedFor) {
  auto direct = Make(100, {.batch = 10});
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(direct->Next().ok());
  EXPECT_EQ(direct->waits().batches, 20);
  EXPECT_EQ(direct->waits().stalls, 20);
  EXPECT_GT(direct->waits().nanos, 0);
}

// The thread fills the ring by itself, sooner or later before it is asked.
TEST(BatchPipelineWaits, ABatchThatIsReadyIsNot) {
  auto ahead = Make(100, {.batch = 10, .depth = 4});
  bool ready = false;
  for (int64_t i = 1; i < 10'000 && !ready; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    const InputWaits before = ahead->waits();
    ASSERT_TRUE(ahead->Next().ok());
    EXPECT_EQ(ahead->waits().batches, i);
    ready = ahead->waits().stalls == before.stalls;
    if (ready) {
      EXPECT_EQ(ahead->waits().nanos, before.nanos);
    }
  }
  EXPECT_TRUE(ready);
}

TEST(BatchPipelineWaits, AreToldInWords) {
  const InputWaits waits{.batches = 5500, .stalls = 3, .nanos = 31'000'000};
  EXPECT_EQ(waits.ToString(3.1),
            "5500 batches, waited for 3 of them, 31.0 ms, 1.0 % of 3.10 s");
}

TEST(BatchPipelineTest, WithoutAScaleBytesStayBytes) {
  auto pipeline =
      BatchPipeline::Create(Features(7), Labels(7),
                            {.batch = 3, .seed = 5, .depth = 1, .scale = 0})
          .value();
  auto scaled = Make(7, {.batch = 3, .seed = 5});
  for (int b = 0; b < 3; ++b) {
    const Batch* bytes = pipeline->Next().value();
    const Batch* floats = scaled->Next().value();
    ASSERT_EQ(bytes->features.dtype(), kUint8);
    ASSERT_EQ(bytes->features.shape(), floats->features.shape());
    for (size_t i = 0; i < bytes->features.flat<uint8_t>().size(); ++i) {
      EXPECT_EQ(bytes->features.flat<uint8_t>()[i],
                floats->features.flat<float>()[i]);
    }
  }
}

}  // namespace
}  // namespace lockstep
