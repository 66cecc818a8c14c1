// SPDX-License-Identifier: Apache-2.0
#pragma once

// The command line of lockstep train, with every value checked.

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "runtime/core/status.h"
#include "tools/lockstep/session_flags.h"

namespace lockstep {

// "x:0=images.idx": a tensor and what it is fed with.
struct NamedFeed {
  std::string tensor;
  std::string value;  // a file's path, or the text of a number
};

struct TrainOptions {
  std::string graph;
  // Names in the graph; empty: found by its collections and customary names.
  std::string init, train, loss, summary;
  std::vector<std::string> metrics;

  std::vector<NamedFeed> data;           // files with a row for each example
  std::vector<NamedFeed> eval_data;      // the same tensors, other files
  std::vector<NamedFeed> values;         // numbers, fed in training
  std::vector<NamedFeed> eval_values;    // the same, instead, in evaluation
  std::map<std::string, double> scales;  // of data, by tensor
  std::vector<std::string> one_hot;      // tensors whose data are labels

  int64_t batch = 100;  // of all ranks together
  int64_t epochs = 1;
  int64_t steps = 0;  // 0: as many as the epochs have
  int64_t seed = 1;
  bool shuffle = true;
  int threads = 0;
  int reproducible = 0;  // virtual replicas; 0: off

  std::string checkpoint_dir;
  int64_t save_every = 0;  // steps; 0: after each epoch
  int max_to_keep = 5;
  bool resume = false;
  std::string log_dir;
  int64_t summary_every = 100;
  int64_t log_every = 0;
  SessionFlags session;
  bool help = false;
};

// INVALID_ARGUMENT, in one line that names the option; never throws.
Result<TrainOptions> ParseTrainOptions(const std::vector<std::string>& args);
// What --help prints.
std::string TrainUsage();

}  // namespace lockstep
