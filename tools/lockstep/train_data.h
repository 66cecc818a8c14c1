// SPDX-License-Identifier: Apache-2.0
#pragma once

// The examples that lockstep train feeds: one array for each tensor, all with
// as many rows, cut into batches in a shuffled order of which each rank takes
// its part. What a batch has depends on (seed, epoch, index) alone, as in
// BatchPipeline, which is for images and labels.
//
//   LS_ASSIGN_OR_RETURN(TrainData data, TrainData::Load(env, graph, feeds, o));
//   LS_RETURN_IF_ERROR(data.Fill(epoch, b, rank, ranks, &tensors));

#include <string>
#include <vector>

#include "runtime/core/env.h"
#include "runtime/graph/graph.h"
#include "tools/lockstep/train_options.h"

namespace lockstep {

class TrainData {
 public:
  // Reads the files and fits them to the placeholders: dtype, scale, shape of
  // a row, one-hot. Errors name the tensor and the file.
  static Result<TrainData> Load(Env& env, const Graph& graph,
                                const std::vector<NamedFeed>& feeds,
                                const TrainOptions& options);

  int64_t size() const { return rows_; }
  // In the order of the feeds.
  const std::vector<Tensor>& arrays() const { return arrays_; }
  int64_t batches() const { return (rows_ + batch_ - 1) / batch_; }
  // Examples of batch `index` on all ranks together.
  int64_t BatchSize(int64_t index) const {
    return std::min(batch_, rows_ - index * batch_);
  }
  // This rank's rows of batch `index`, a tensor for each feed in order;
  // returns how many rows that are, perhaps none. Tensors of the right shape
  // are overwritten. `replicas`: see RankPart.
  Result<int64_t> Fill(int64_t epoch, int64_t index, int rank, int ranks,
                       int replicas, std::vector<Tensor>* tensors) const;

 private:
  std::vector<Tensor> arrays_;
  int64_t rows_ = 0;
  int64_t batch_ = 1;
  uint64_t seed_ = 0;
  bool shuffle_ = true;
};

// The text as a scalar of the tensor's dtype.
Result<Tensor> ScalarFeed(const Graph& graph, const NamedFeed& feed);

}  // namespace lockstep
