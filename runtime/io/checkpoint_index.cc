// SPDX-License-Identifier: Apache-2.0
#include "runtime/io/checkpoint_index.h"

#include <cstdio>
#include <set>
#include <utility>

#include "proto/tensor_bundle.pb.h"
#include "runtime/io/parse_proto.h"
#include "runtime/io/table_file.h"

namespace lockstep {
namespace {

// For messages: a name, or what it says of a part's key.
std::string Shown(std::string_view key) {
  return IsSliceKey(key) ? "a part of a tensor" : StrCat("tensor '", key, "'");
}

Result<int> ParseHeader(std::string_view value, const std::string& path) {
  proto::BundleHeaderProto header;
  if (!ParseProto(value, header).ok()) {
    return DataLoss("'", path, "': malformed header");
  }
  if (header.endianness() != proto::BundleHeaderProto::LITTLE) {
    return Unimplemented("'", path, "': written on a big-endian machine");
  }
  if (header.version().min_consumer() > 1) {
    return Unimplemented("'", path, "': needs a reader of version ",
                         header.version().min_consumer(), ", this is 1");
  }
  if (header.num_shards() < 1 || header.num_shards() > 99999) {
    return DataLoss("'", path, "': header declares ", header.num_shards(),
                    " data files");
  }
  return int{header.num_shards()};
}

// A caller may give the name of a file, or of a folder, which TensorFlow opens
// and finds damaged.
Status ExplainMissing(Env& env, const std::string& prefix, Status missing) {
  for (const std::string_view part : {".index", ".data-", ".meta"}) {
    const size_t at = prefix.rfind(part);
    if (at == std::string::npos || prefix.find('/', at) != std::string::npos) {
      continue;
    }
    if (part != ".data-" && at + part.size() != prefix.size()) continue;
    return DataLoss("'", prefix, "' is the name of one file of a checkpoint; ",
                    "give their prefix, '", prefix.substr(0, at), "'");
  }
  if (env.FileExists(JoinPath(prefix, "checkpoint"))) {
    return DataLoss("'", prefix, "' is a folder; give the prefix of a ",
                    "checkpoint in it, as its file 'checkpoint' does");
  }
  return missing.WithContext(StrCat("no checkpoint '", prefix, "'"));
}

Result<TensorSlice> SliceFromProto(const proto::TensorSliceProto& p, int rank) {
  if (p.extent_size() == 0) return TensorSlice::Whole(rank);
  TensorSlice slice;
  for (const auto& e : p.extent()) {
    const bool all = e.has_length_case() ==
                     proto::TensorSliceProto::Extent::HAS_LENGTH_NOT_SET;
    if (!all && e.length() < 0) {
      return InvalidArgument("a part has the length ", e.length());
    }
    slice.extents.push_back({e.start(), all ? TensorSlice::kAll : e.length()});
  }
  return slice;
}

Result<Shape> ShapeFromProto(const proto::TensorShapeProto& p) {
  if (p.unknown_rank()) return InvalidArgument("its shape is unknown");
  std::vector<int64_t> dims;
  for (const auto& d : p.dim()) {
    if (d.size() < 0) return InvalidArgument("a dimension is ", d.size());
    dims.push_back(d.size());
  }
  return Shape::Make(dims);
}

Result<StoredTensor> ParseEntry(std::string_view value) {
  proto::BundleEntryProto p;
  if (!ParseProto(value, p).ok()) {
    return DataLoss("malformed entry");
  }
  if (p.offset() < 0 || p.size() < 0) {
    return DataLoss("negative offset or size");
  }
  StoredTensor s;
  s.dtype = static_cast<DType>(p.dtype());
  LS_ASSIGN_OR_RETURN(s.shape, ShapeFromProto(p.shape()));
  s.shard = p.shard_id();
  s.offset = static_cast<uint64_t>(p.offset());
  s.size = static_cast<uint64_t>(p.size());
  s.crc = p.crc32c();
  for (const auto& slice : p.slices()) {
    LS_ASSIGN_OR_RETURN(TensorSlice parsed,
                        SliceFromProto(slice, s.shape.rank()));
    s.slices.push_back(std::move(parsed));
  }
  return s;
}

// Checks the entries of a loaded index against each other and the data files.
class Checker {
 public:
  Checker(Env& env, const CheckpointIndex& index) : env_(env), index_(index) {}

  Status CheckAll() {
    if (index_.num_shards == 0) {
      return DataLoss("'", index_.path(), "': no header");
    }
    for (const auto& [key, stored] : index_.stored) {
      LS_RETURN_IF_ERROR(stored.slices.empty() ? CheckPlace(key, stored)
                                               : CheckParts(key, stored));
      if (stored.slices.empty()) LS_RETURN_IF_ERROR(CheckSize(key, stored));
    }
    return Ok();
  }

 private:
  template <class... A>
  Status Damaged(std::string_view key, const A&... what) const {
    return DataLoss("'", index_.path(), "': ", Shown(key), ": ", what...);
  }

  Status CheckParts(const std::string& name, const StoredTensor& s) const {
    if (IsSliceKey(name)) return Damaged(name, "has parts itself");
    int64_t elements = 0;
    std::set<std::string> keys;
    for (const TensorSlice& slice : s.slices) {
      auto shape = slice.ShapeIn(s.shape);
      if (!shape.ok()) return Damaged(name, shape.status().message());
      const auto [key, is_new] = keys.insert(SliceKey(name, slice));
      if (!is_new) {
        return Damaged(name, "its part '", slice, "' is there twice");
      }
      const auto part = index_.stored.find(*key);
      if (part == index_.stored.end()) {
        return Damaged(name, "its part '", slice, "' is missing");
      }
      if (part->second.dtype != s.dtype || part->second.shape != *shape ||
          !part->second.slices.empty()) {
        return Damaged(name, "its part '", slice,
                       "' has another type or shape");
      }
      if (__builtin_add_overflow(elements, shape->NumElements(), &elements)) {
        return Damaged(name, "its parts are too many");
      }
    }
    if (elements <= s.shape.NumElements()) return Ok();
    return Damaged(name, "its parts have ", elements,
                   " elements, the whole has ", s.shape.NumElements());
  }

  Status CheckPlace(const std::string& key, const StoredTensor& s) {
    if (s.shard < 0 || s.shard >= index_.num_shards) {
      return Damaged(key, "data file ", s.shard, " of ", index_.num_shards);
    }
    const std::string path = index_.ShardPath(s.shard);
    auto known = shard_bytes_.find(s.shard);
    if (known == shard_bytes_.end()) {
      auto size = env_.FileSize(path);
      if (size.code() == Code::kNotFound) {
        return NotFound("'", path, "': data file is missing");
      }
      if (!size.ok()) return size.status();
      known = shard_bytes_.emplace(s.shard, *size).first;
    }
    const uint64_t have = known->second;
    if (s.offset <= have && s.size <= have - s.offset) return Ok();
    return OutOfRange("'", path, "': cut short: ", Shown(key), " ends at ",
                      s.offset, " + ", s.size, ", the file has ", have,
                      " bytes");
  }

  Status CheckSize(const std::string& key, const StoredTensor& s) const {
    const auto elements = static_cast<uint64_t>(s.shape.NumElements());
    const size_t width = DTypeSize(s.dtype);
    if (IsPod(s.dtype) && (s.size / width != elements || s.size % width != 0)) {
      return Damaged(key, "has ", s.size, " bytes, wants ", DTypeName(s.dtype),
                     " ", s.shape);
    }
    // Each string takes a byte at least, for its length.
    if (s.dtype == kString && elements > s.size) {
      return Damaged(key, "has ", s.size, " bytes, wants ", elements,
                     " strings");
    }
    return Ok();
  }

  Env& env_;
  const CheckpointIndex& index_;
  std::map<int, uint64_t> shard_bytes_;
};

}  // namespace

std::string CheckpointShardPath(const std::string& prefix, int shard,
                                int num_shards) {
  char name[40];
  std::snprintf(name, sizeof(name), ".data-%05d-of-%05d", shard, num_shards);
  return prefix + name;
}

std::optional<int> ShardCountOf(std::string_view name, std::string_view base) {
  if (!name.starts_with(base)) return std::nullopt;
  const std::string text(name.substr(base.size()));
  int shard = 0;
  int count = 0;
  if (std::sscanf(text.c_str(), ".data-%5d-of-%5d", &shard, &count) != 2 ||
      text != CheckpointShardPath("", shard, count)) {
    return std::nullopt;
  }
  return count;
}

Result<int> CheckpointShards(Env& env, const std::string& index_path) {
  LS_ASSIGN_OR_RETURN(const std::string file, env.ReadFile(index_path));
  int shards = 0;
  LS_RETURN_IF_ERROR(ReadTable(
      file, index_path, [&](std::string_view key, std::string_view value) {
        if (!key.empty()) return Ok();
        auto parsed = ParseHeader(value, index_path);
        if (parsed.ok()) shards = *parsed;
        return parsed.status();
      }));
  if (shards == 0) return DataLoss("'", index_path, "': no header");
  return shards;
}

std::string CheckpointIndex::ShardPath(int shard) const {
  return CheckpointShardPath(prefix, shard, num_shards) + temporary;
}

Result<CheckpointIndex> CheckpointIndex::Load(Env& env,
                                              const std::string& prefix,
                                              const std::string& temporary) {
  CheckpointIndex index;
  index.prefix = prefix;
  index.temporary = temporary;
  const std::string path = index.path();
  auto file = env.ReadFile(path);
  if (file.code() == Code::kNotFound) {
    return ExplainMissing(env, prefix, file.status());
  }
  if (!file.ok()) return file.status();
  LS_RETURN_IF_ERROR(ReadTable(
      *file, path, [&](std::string_view key, std::string_view value) -> Status {
        if (key.empty()) {
          LS_ASSIGN_OR_RETURN(index.num_shards, ParseHeader(value, path));
          return Ok();
        }
        auto entry = ParseEntry(value);
        if (!entry.ok()) {
          return DataLoss("'", path, "': ", Shown(key), ": ",
                          entry.status().message());
        }
        index.stored.emplace_hint(index.stored.end(), key, *std::move(entry));
        return Ok();
      }));
  LS_RETURN_IF_ERROR(Checker(env, index).CheckAll());
  return index;
}

}  // namespace lockstep
