// SPDX-License-Identifier: Apache-2.0
#include "runtime/io/checkpoint_manager.h"

#include "runtime/io/checkpoint_state.h"
#include "runtime/io/checkpoint_writer.h"

namespace lockstep {
namespace {

// A file that a killed writer left: "<base>-7.index.tmp", "checkpoint.tmp-…".
bool IsLeftover(std::string_view name, std::string_view base) {
  if (name.starts_with("checkpoint.tmp-")) return true;
  if (!name.starts_with(base) || !name.ends_with(".tmp")) return false;
  name.remove_prefix(base.size());
  if (!name.starts_with('-')) return false;
  name.remove_prefix(1);
  const size_t digits = name.find_first_not_of("0123456789");
  if (digits == 0 || digits == std::string_view::npos) return false;
  name.remove_prefix(digits);
  return name == ".index.tmp" || name.starts_with(".data-");
}

}  // namespace

CheckpointManager::CheckpointManager(Env& env, std::string dir,
                                     CheckpointManagerOptions options)
    : env_(env), dir_(std::move(dir)), options_(std::move(options)) {}

void CheckpointManager::RemoveLeftovers() {
  auto names = env_.ListDir(dir_);
  if (!names.ok()) return;
  for (const std::string& name : *names) {
    if (IsLeftover(name, options_.base)) {
      (void)env_.DeleteFile(JoinPath(dir_, name));
    }
  }
}

Result<std::string> CheckpointManager::Save(
    std::span<const NamedTensor> tensors, int64_t global_step) {
  LS_RETURN_IF_ERROR(env_.CreateDirs(dir_));
  if (!swept_) RemoveLeftovers();
  swept_ = true;
  const std::string prefix =
      JoinPath(dir_, StrCat(options_.base, "-", global_step));
  LS_ASSIGN_OR_RETURN(
      auto writer,
      CheckpointWriter::Open(env_, prefix, {.verify = options_.verify}));
  for (const auto& [name, tensor] : tensors) {
    LS_RETURN_IF_ERROR(writer->Add(name, tensor));
  }
  LS_RETURN_IF_ERROR(writer->Finish());
  LS_RETURN_IF_ERROR(
      UpdateCheckpointState(env_, dir_, prefix, options_.max_to_keep));
  return prefix;
}

Result<std::string> CheckpointManager::Latest() const {
  return LatestCheckpoint(env_, dir_);
}

}  // namespace lockstep
