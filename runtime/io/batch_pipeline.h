// SPDX-License-Identifier: Apache-2.0
#pragma once

// BatchPipeline: shuffled minibatches of examples held in memory, this rank's
// part of each, filled into reused tensors - ahead, by a thread of its own, or
// as they are asked for.
//
// The examples are numbered globally. Position p of epoch e is example
// KeyedPermutation(n, seed, e)(p); batch b of an epoch is positions
// [b * batch, (b + 1) * batch), the last one perhaps fewer; and a rank takes a
// contiguous part of each batch (RankPart). So the data seen is a function of
// (seed, epoch, batch index) alone, whatever the number of ranks, and resuming
// takes two integers.
//
// Used from one thread at a time. Next may wait for the filling thread.
//
//   LS_ASSIGN_OR_RETURN(auto batches, BatchPipeline::Create(
//       images, labels, {.batch = 100, .seed = 1, .classes = 10}));
//   batches->SeekTo(epoch, 0);
//   for (int64_t b = 0; b < batches->batches_per_epoch(); ++b) {
//     LS_ASSIGN_OR_RETURN(const Batch* batch, batches->Next());
//     Train(batch->features, batch->labels);   // until the next Next()
//   }

#include <cstdint>
#include <memory>
#include <string>

#include "runtime/core/status.h"
#include "runtime/core/tensor.h"

namespace lockstep {

struct BatchPipelineOptions {
  int64_t batch = 100;  // examples of one batch on all ranks together
  uint64_t seed = 0;
  bool shuffle = true;  // false: the examples' own order in every epoch
  int rank = 0;
  int ranks = 1;
  // Of reproducible mode, on all ranks together; 0: none. See RankPart.
  int replicas = 0;
  // Batches that a thread of the pipeline fills ahead; 0: Next fills its batch
  // itself, with the caller's thread team.
  int depth = 0;
  // Above 0: labels become one-hot float [n,classes]; 0: int64 [n].
  int64_t classes = 0;
  // What uint8 features are multiplied by on their way to float; 0: they stay
  // uint8, for graphs that do so themselves.
  float scale = 1.0f / 255.0f;
};

struct Batch {
  Tensor features;  // float, or uint8 where that stays: [count, ...]
  Tensor labels;    // float [count,classes] or int64 [count]
  int64_t epoch = 0;
  int64_t index = 0;         // within the epoch
  int64_t count = 0;         // examples in these tensors; perhaps 0
  int64_t offset = 0;        // of the first of them in the global batch
  int64_t global_count = 0;  // examples of the batch on all ranks together
};

// The contiguous part of `count` items that `rank` of `ranks` takes: the first
// count % ranks ranks take one more than the others. With virtual replicas (a
// multiple of `ranks`) that holds for them, and a rank takes what its replicas
// do.
struct RowsOfRank {
  int64_t offset = 0;
  int64_t count = 0;
};
RowsOfRank RankPart(int64_t count, int rank, int ranks, int replicas = 0);

// What the caller's steps had to wait for.
struct InputWaits {
  int64_t batches = 0;  // handed out
  int64_t stalls = 0;   // of them were not ready: the caller waited
  int64_t nanos = 0;    // for those, all together

  // "5500 batches, waited for 3 of them, 0.2 ms, 0.0 % of 3.1 s".
  std::string ToString(double seconds) const;
};

class BatchPipeline {
 public:
  // `features` are uint8 or float [n, ...], `labels` uint8, int32 or int64
  // [n]; both are kept (shared, not copied). INVALID_ARGUMENT for other
  // dtypes, no examples, lengths that differ, a label outside [0, classes), or
  // options out of range. Starts at epoch 0, batch 0.
  static Result<std::unique_ptr<BatchPipeline>> Create(
      Tensor features, Tensor labels, const BatchPipelineOptions& options);
  ~BatchPipeline();  // stops at once, also while batches are being filled
  BatchPipeline(const BatchPipeline&) = delete;
  BatchPipeline& operator=(const BatchPipeline&) = delete;

  // The next batch: of the same epoch, or batch 0 of the next one. Borrowed
  // until the next call of Next or SeekTo.
  Result<const Batch*> Next();
  // The next batch will be batch `index` of `epoch`. INVALID_ARGUMENT when
  // there is no such batch.
  Status SeekTo(int64_t epoch, int64_t index);

  int64_t size() const;  // examples
  int64_t batches_per_epoch() const;
  // Of all calls of Next so far. Without a thread of its own every batch is
  // waited for, while it is filled.
  InputWaits waits() const;

 private:
  struct State;
  explicit BatchPipeline(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace lockstep
