// SPDX-License-Identifier: Apache-2.0
#pragma once

// The command line of mnist, with every value checked.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "runtime/core/status.h"

namespace lockstep::mnist {

struct Options {
  bool help = false;
  std::string model = "mlp";       // linear, mlp, cnn
  std::string optimizer = "adam";  // sgd, momentum, adam
  int64_t batch = 100;             // of all ranks together
  int64_t epochs = 10;
  int64_t steps = 0;  // 0: as many as the epochs have
  double lr = 0;      // filled with the optimizer's own when not given
  double keep_prob = 0.5;
  int64_t seed = 1;
  std::string device;    // of the model; empty: where the session puts it
  int towers = 0;        // towers on as many GPUs; 0: one model
  int virtual_gpus = 0;  // GPUs to stand in where there are none
  // Stages of the model, each on its own rank; 1: every rank has all of it.
  int pipeline = 1;
  // Parts of a step's batch; filled with 4 for a pipeline, 1 otherwise.
  int micro_batches = 0;
  int threads = 0;  // 0: the rank's affinity mask
  // Virtual replicas: equal bits on any number of ranks that divides it; 0:
  // off.
  int reproducible = 0;
  std::string data;
  int64_t validation = -1;      // -1: 1/12 of the training examples
  std::optional<int> prefetch;  // none: 1 where a processor is left
  std::string checkpoint_dir;
  int64_t save_every = 0;  // steps; 0: after each epoch
  int max_to_keep = 5;
  bool resume = false;
  std::string log_dir;
  std::string trace;      // folder; empty: none
  int64_t log_every = 0;  // 0: no lines between epochs
};

// INVALID_ARGUMENT, in one line that names the option, for anything that is
// not as Usage says; never throws.
Result<Options> ParseOptions(const std::vector<std::string>& args);

// What --help prints.
std::string Usage();

}  // namespace lockstep::mnist
