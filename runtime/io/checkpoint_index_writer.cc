// SPDX-License-Identifier: Apache-2.0
#include <utility>

#include "proto/tensor_bundle.pb.h"
#include "runtime/io/checkpoint_index.h"
#include "runtime/io/table_file.h"
#include "runtime/io/tensor_proto.h"

namespace lockstep {
namespace {

proto::BundleEntryProto ToEntry(const StoredTensor& s) {
  proto::BundleEntryProto entry;
  entry.set_dtype(static_cast<proto::DataType>(s.dtype));
  ToProto(s.shape, entry.mutable_shape());
  entry.set_shard_id(s.shard);
  entry.set_offset(static_cast<int64_t>(s.offset));
  entry.set_size(static_cast<int64_t>(s.size));
  entry.set_crc32c(s.crc);
  for (const TensorSlice& slice : s.slices) {
    proto::TensorSliceProto* added = entry.add_slices();
    for (const TensorSlice::Extent& e : slice.extents) {
      auto* extent = added->add_extent();
      if (e.length == TensorSlice::kAll) continue;
      extent->set_start(e.start);
      extent->set_length(e.length);
    }
  }
  return entry;
}

}  // namespace

Result<std::string> EncodeIndex(
    const std::map<std::string, StoredTensor, std::less<>>& stored,
    int num_shards) {
  proto::BundleHeaderProto header;
  header.set_num_shards(num_shards);
  header.mutable_version()->set_producer(1);
  std::map<std::string, std::string> rows;
  rows[""] = header.SerializeAsString();
  for (const auto& [key, s] : stored) {
    rows[key] = ToEntry(s).SerializeAsString();
  }
  return BuildTable(rows);
}

Status WriteIndexFile(
    Env& env, const std::string& path,
    const std::map<std::string, StoredTensor, std::less<>>& stored,
    int num_shards) {
  LS_ASSIGN_OR_RETURN(const std::string table, EncodeIndex(stored, num_shards));
  LS_ASSIGN_OR_RETURN(auto index, env.NewWritableFile(path));
  LS_RETURN_IF_ERROR(index->Append(table));
  LS_RETURN_IF_ERROR(index->Sync());
  return index->Close();
}

Result<int> FreeShardCount(Env& env, const std::string& prefix, int wanted) {
  const std::string index = prefix + ".index";
  auto existing = CheckpointShards(env, index);
  if (existing.ok()) return *existing == wanted ? wanted + 1 : wanted;
  if (existing.code() == Code::kNotFound) return wanted;
  // Unreadable: it may be repaired one day, so its data is left alone too.
  if (existing.code() == Code::kDataLoss ||
      existing.code() == Code::kOutOfRange) {
    return wanted + 1;
  }
  return existing.status();
}

void RemoveReplacedShards(Env& env, const std::string& prefix, int num_shards) {
  auto names = env.ListDir(DirName(prefix));
  if (!names.ok()) return;
  for (const std::string& name : *names) {
    const auto shards = ShardCountOf(name, BaseName(prefix));
    if (shards.has_value() && *shards != num_shards) {
      (void)env.DeleteFile(JoinPath(DirName(prefix), name));
    }
  }
}

}  // namespace lockstep
