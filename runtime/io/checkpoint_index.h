// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a checkpoint's `.index` says, read and checked: where each tensor lies,
// its type, shape and checksum. For CheckpointReader; use that.
//
// Thread-compatible.
//
//   LS_ASSIGN_OR_RETURN(CheckpointIndex index,
//                       CheckpointIndex::Load(env, "model-100", ""));
//   for (const auto& [key, stored] : index.stored) Print(key, stored.shape);

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/core/env.h"
#include "runtime/core/status.h"
#include "runtime/core/tensor.h"
#include "runtime/io/tensor_slice.h"

namespace lockstep {

struct StoredTensor {
  DType dtype = kInvalidType;
  Shape shape;
  int shard = 0;
  uint64_t offset = 0;
  uint64_t size = 0;
  uint32_t crc = 0;  // masked
  // Not empty: a partitioned tensor, with these parts under their SliceKeys.
  std::vector<TensorSlice> slices;
};

struct CheckpointIndex {
  // All entries are consistent: parts exist and are no more than the whole
  // (fewer may be: a shard before it is merged has some of them), sizes are
  // those of type and shape, data files exist and are long enough.
  static Result<CheckpointIndex> Load(Env& env, const std::string& prefix,
                                      const std::string& temporary);

  std::string path() const { return prefix + ".index" + temporary; }
  std::string ShardPath(int shard) const;

  std::string prefix;
  std::string temporary;  // after each file's name
  int num_shards = 0;
  std::map<std::string, StoredTensor, std::less<>> stored;
};

// The key of a part, not a tensor's name.
inline bool IsSliceKey(std::string_view key) { return key.starts_with('\0'); }

// The number of shards that an index file declares.
Result<int> CheckpointShards(Env& env, const std::string& index_path);

// The bytes of an index file with these entries.
Result<std::string> EncodeIndex(
    const std::map<std::string, StoredTensor, std::less<>>& stored,
    int num_shards);
// The same into a new file, on the disk when it returns OK.
Status WriteIndexFile(
    Env& env, const std::string& path,
    const std::map<std::string, StoredTensor, std::less<>>& stored,
    int num_shards);

// The number of data files for a checkpoint of at least `wanted` that takes
// the place of the one at `prefix`: their names must differ from those that
// the old index counts on until the new one is there.
Result<int> FreeShardCount(Env& env, const std::string& prefix, int wanted);
// Deletes the data files of checkpoints that were at `prefix` before. Nothing
// refers to them, so errors are dropped.
void RemoveReplacedShards(Env& env, const std::string& prefix, int num_shards);

// "prefix.data-00002-of-00004".
std::string CheckpointShardPath(const std::string& prefix, int shard,
                                int num_shards);

// 4 for "model.data-00002-of-00004" and the base "model"; nothing for a name
// that is not one of a data file of `base`.
std::optional<int> ShardCountOf(std::string_view name, std::string_view base);

}  // namespace lockstep
