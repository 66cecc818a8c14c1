// SPDX-License-Identifier: Apache-2.0
#pragma once

// Keeps the newest checkpoints of a job in a folder: `<dir>/<base>-<step>`.
//
// One manager for a folder at a time (in a job of many ranks: rank 0's);
// thread-compatible.
//
//   CheckpointManager manager(env, dir, {.max_to_keep = 3});
//   LS_ASSIGN_OR_RETURN(std::string prefix, manager.Save(tensors, step));
//   LS_ASSIGN_OR_RETURN(std::string newest, manager.Latest());

#include <cstdint>
#include <span>
#include <string>
#include <utility>

#include "runtime/core/env.h"
#include "runtime/core/status.h"
#include "runtime/core/tensor.h"

namespace lockstep {

struct CheckpointManagerOptions {
  int max_to_keep = 5;  // 0: all
  // See KeepPolicy.
  double keep_checkpoint_every_n_hours = 0;
  std::string base = "model.ckpt";
  bool verify = false;  // read each checkpoint back before it counts
};

using NamedTensor = std::pair<std::string, Tensor>;

class CheckpointManager {
 public:
  CheckpointManager(Env& env, std::string dir,
                    CheckpointManagerOptions options = {});

  // Writes a checkpoint, makes it the newest, deletes the oldest. Returns its
  // prefix. After an error the checkpoints from before are whole and the newest
  // of them is still the newest, unless the new one is already in its place.
  Result<std::string> Save(std::span<const NamedTensor> tensors,
                           int64_t global_step);
  // NOT_FOUND when there is none.
  Result<std::string> Latest() const;

  const std::string& dir() const { return dir_; }

 private:
  Env& env_;
  const std::string dir_;
  const CheckpointManagerOptions options_;
};

}  // namespace lockstep
