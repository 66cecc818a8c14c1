// SPDX-License-Identifier: Apache-2.0
#include "runtime/io/checkpoint_merge.h"

#include <set>
#include <utility>
#include <vector>

#include "runtime/core/logging.h"
#include "runtime/io/checkpoint_index.h"

namespace lockstep {
namespace {

constexpr std::string_view kTemporary = ".tmp";

// Adds `part` to the whole's entry for a partitioned tensor.
Status AddParts(const std::string& name, const StoredTensor& part,
                StoredTensor& whole) {
  if (whole.slices.empty() || part.slices.empty()) {
    return InvalidArgument("tensor '", name, "' is in two shards");
  }
  if (whole.dtype != part.dtype || whole.shape != part.shape) {
    return InvalidArgument("tensor '", name, "' is ", DTypeName(whole.dtype),
                           " ", whole.shape, " in one shard, ",
                           DTypeName(part.dtype), " ", part.shape,
                           " in another");
  }
  whole.slices.insert(whole.slices.end(), part.slices.begin(),
                      part.slices.end());
  return Ok();
}

class Merger {
 public:
  Merger(Env& env, const std::string& destination,
         const MergeCheckpointsOptions& options)
      : env_(env), destination_(destination), options_(options) {}

  // Reads what a shard has.
  Status Add(const std::string& prefix) {
    auto index = CheckpointIndex::Load(env_, prefix, "");
    // An index without its data is damaged, not missing.
    if (options_.allow_missing_files && index.code() == Code::kNotFound &&
        !env_.FileExists(prefix + ".index")) {
      return Ok();
    }
    if (!index.ok()) return index.status();
    const int first = static_cast<int>(data_files_.size());
    for (int i = 0; i < index->num_shards; ++i) {
      data_files_.push_back(index->ShardPath(i));
    }
    for (auto& [key, stored] : index->stored) {
      stored.shard += first;
      const auto [at, is_new] = stored_.try_emplace(key, stored);
      if (is_new) continue;
      if (IsSliceKey(key)) {
        return InvalidArgument("a part of a tensor is in two shards, one is '",
                               prefix, "'");
      }
      const Status added = AddParts(key, stored, at->second);
      if (!added.ok()) return added.WithContext(StrCat("'", prefix, "'"));
    }
    indexes_.push_back(index->path());
    return Ok();
  }

  // The index is on the disk, under its temporary name, before the first data
  // file moves; its rename is what makes the checkpoint exist.
  Status Write() {
    if (indexes_.empty()) return NotFound("none of the shards exists");
    LS_ASSIGN_OR_RETURN(const int shards,
                        FreeShardCount(env_, destination_,
                                       static_cast<int>(data_files_.size())));
    const std::string dir = DirName(destination_);
    LS_RETURN_IF_ERROR(env_.CreateDirs(dir));
    const std::string index = destination_ + ".index";
    LS_RETURN_IF_ERROR(
        WriteIndexFile(env_, StrCat(index, kTemporary), stored_, shards));
    for (int i = 0; i < shards; ++i) {
      LS_RETURN_IF_ERROR(Move(i, CheckpointShardPath(destination_, i, shards)));
    }
    LS_RETURN_IF_ERROR(env_.SyncDir(dir));
    LS_RETURN_IF_ERROR(env_.RenameFile(StrCat(index, kTemporary), index));
    LS_RETURN_IF_ERROR(env_.SyncDir(dir));
    RemoveReplacedShards(env_, destination_, shards);
    return Ok();
  }

  // Failing to tidy up does no harm.
  void RemoveOld() {
    std::set<std::string> dirs;
    for (const std::string& index : indexes_) {
      (void)env_.DeleteFile(index);
      dirs.insert(DirName(index));
    }
    if (!options_.delete_old_dirs) return;
    dirs.erase(DirName(destination_));
    for (const std::string& dir : dirs) {
      const Status gone = env_.DeleteDir(dir);
      if (!gone.ok()) LogWarning("merged checkpoint: ", gone.message());
    }
  }

 private:
  Status Move(int shard, const std::string& to) {
    if (static_cast<size_t>(shard) < data_files_.size()) {
      return env_.RenameFile(data_files_[static_cast<size_t>(shard)], to);
    }
    LS_ASSIGN_OR_RETURN(auto empty, env_.NewWritableFile(to));
    LS_RETURN_IF_ERROR(empty->Sync());
    return empty->Close();
  }

  Env& env_;
  const std::string& destination_;
  const MergeCheckpointsOptions& options_;
  std::map<std::string, StoredTensor, std::less<>> stored_;
  std::vector<std::string> data_files_;  // in the order of their new numbers
  std::vector<std::string> indexes_;
};

}  // namespace

Status MergeCheckpoints(Env& env, std::span<const std::string> shards,
                        const std::string& destination,
                        const MergeCheckpointsOptions& options) {
  Merger merger(env, destination, options);
  Status status;
  for (const std::string& shard : shards) {
    if (shard == destination) {
      status = InvalidArgument("'", shard, "' is a shard of itself");
    }
    if (status.ok()) status = merger.Add(shard);
  }
  if (status.ok()) status = merger.Write();
  if (!status.ok()) {
    return status.WithContext(StrCat("checkpoint '", destination, "'"));
  }
  merger.RemoveOld();
  return Ok();
}

}  // namespace lockstep
