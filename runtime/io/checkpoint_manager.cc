// SPDX-License-Identifier: Apache-2.0
#include "runtime/io/checkpoint_manager.h"

#include "runtime/io/checkpoint_state.h"
#include "runtime/io/checkpoint_writer.h"

namespace lockstep {

CheckpointManager::CheckpointManager(Env& env, std::string dir,
                                     CheckpointManagerOptions options)
    : env_(env), dir_(std::move(dir)), options_(std::move(options)) {}

Result<std::string> CheckpointManager::Save(
    std::span<const NamedTensor> tensors, int64_t global_step) {
  LS_RETURN_IF_ERROR(env_.CreateDirs(dir_));
  const std::string prefix =
      JoinPath(dir_, StrCat(options_.base, "-", global_step));
  LS_ASSIGN_OR_RETURN(
      auto writer,
      CheckpointWriter::Open(env_, prefix, {.verify = options_.verify}));
  for (const auto& [name, tensor] : tensors) {
    LS_RETURN_IF_ERROR(writer->Add(name, tensor));
  }
  LS_RETURN_IF_ERROR(writer->Finish());
  LS_RETURN_IF_ERROR(UpdateCheckpointState(
      env_, dir_, prefix,
      {.max_to_keep = options_.max_to_keep,
       .every_n_hours = options_.keep_checkpoint_every_n_hours}));
  return prefix;
}

Result<std::string> CheckpointManager::Latest() const {
  return LatestCheckpoint(env_, dir_);
}

}  // namespace lockstep
