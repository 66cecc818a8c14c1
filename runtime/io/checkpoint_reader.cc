// SPDX-License-Identifier: Apache-2.0
#include "runtime/io/checkpoint_reader.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

#include "runtime/io/checkpoint_index.h"
#include "runtime/io/coding.h"
#include "runtime/io/crc32c.h"

namespace lockstep {
namespace {

constexpr size_t kPieceBytes = size_t{1} << 20;  // stays in the cache

Status ReadPlain(const RandomAccessFile& file, const StoredTensor& s,
                 Tensor& tensor) {
  char* out = static_cast<char*>(tensor.data());
  uint32_t crc = 0;
  for (uint64_t done = 0; done < s.size;) {
    const size_t n = std::min<uint64_t>(kPieceBytes, s.size - done);
    LS_RETURN_IF_ERROR(file.Read(s.offset + done, n, out + done));
    crc = ExtendCrc32c(crc, {out + done, n});
    done += n;
  }
  if (MaskCrc(crc) != s.crc) return DataLoss("wrong checksum");
  // Any other value in a bool is undefined behaviour in C++.
  if (s.dtype == kBool) {
    for (uint64_t i = 0; i < s.size; ++i) out[i] = out[i] != 0;
  }
  return Ok();
}

// Strings: their lengths as varints, a checksum of the lengths, the bytes.
Status ReadStrings(const RandomAccessFile& file, const StoredTensor& s,
                   Tensor& tensor) {
  std::string bytes(s.size, '\0');
  LS_RETURN_IF_ERROR(file.Read(s.offset, bytes.size(), bytes.data()));
  std::string_view in = bytes;
  const auto out = tensor.flat<std::string>();
  std::vector<uint64_t> lengths(out.size());
  uint32_t crc = 0;
  uint64_t total = 0;
  for (uint64_t& length : lengths) {
    if (!GetVarint64(in, length) || length > s.size) {
      return DataLoss("malformed string lengths");
    }
    total += length;
    const size_t width = length >> 32 == 0 ? 4 : 8;
    crc = ExtendCrc32c(crc, {reinterpret_cast<const char*>(&length), width});
  }
  if (in.size() < 4 || total != in.size() - 4) {
    return DataLoss("string lengths do not fit its size");
  }
  if (LoadLittle<uint32_t>(in.data()) != MaskCrc(crc)) {
    return DataLoss("wrong checksum of string lengths");
  }
  if (MaskCrc(ExtendCrc32c(crc, in)) != s.crc) {
    return DataLoss("wrong checksum");
  }
  in.remove_prefix(4);
  for (size_t i = 0; i < out.size(); ++i) {
    out[i] = in.substr(0, lengths[i]);
    in.remove_prefix(lengths[i]);
  }
  return Ok();
}

}  // namespace

CheckpointReader::CheckpointReader(Env& env,
                                   std::unique_ptr<CheckpointIndex> index)
    : env_(env), index_(std::move(index)) {
  for (const auto& [key, s] : index_->stored) {
    if (IsSliceKey(key)) continue;
    uint64_t bytes = s.size;
    for (const TensorSlice& slice : s.slices) {
      bytes += index_->stored.find(SliceKey(key, slice))->second.size;
    }
    entries_.push_back({key, s.dtype, s.shape, bytes, !s.slices.empty()});
  }
  NameVariables();
}

// A damaged object graph costs the names, not the tensors.
void CheckpointReader::NameVariables() {
  const auto stored = index_->stored.find(kObjectGraphKey);
  if (stored == index_->stored.end()) return;
  const bool fits =
      stored->second.dtype == kString && stored->second.shape.IsScalar();
  if (!fits) return;
  auto graph = ReadStored(kObjectGraphKey, stored->second);
  if (!graph.ok()) return;
  auto keys = VariableKeys(graph->scalar<std::string>());
  if (!keys.ok()) return;
  std::erase_if(*keys, [&](const auto& name_and_key) {
    return !index_->stored.contains(name_and_key.second) ||
           index_->stored.contains(name_and_key.first);
  });
  keys_ = *std::move(keys);
  std::map<std::string_view, std::string_view> names;
  for (const auto& [name, key] : keys_) names.emplace(key, name);
  for (CheckpointEntry& e : entries_) {
    const auto known = names.find(e.name);
    e.variable =
        known != names.end() ? std::string(known->second) : ObjectPath(e.name);
    if (!e.variable.empty()) keys_.try_emplace(e.variable, e.name);
  }
}

const std::string& CheckpointReader::KeyOf(const std::string& name) const {
  const auto it = keys_.find(name);
  return it == keys_.end() || index_->stored.contains(name) ? name : it->second;
}

CheckpointReader::~CheckpointReader() = default;

Result<std::unique_ptr<CheckpointReader>> CheckpointReader::Open(
    Env& env, const std::string& prefix, const std::string& temporary) {
  LS_ASSIGN_OR_RETURN(CheckpointIndex index,
                      CheckpointIndex::Load(env, prefix, temporary));
  return std::unique_ptr<CheckpointReader>(new CheckpointReader(
      env, std::make_unique<CheckpointIndex>(std::move(index))));
}

const CheckpointEntry* CheckpointReader::Find(std::string_view name) const {
  const std::string key = KeyOf(std::string(name));
  const auto it =
      std::ranges::lower_bound(entries_, key, {}, &CheckpointEntry::name);
  return it != entries_.end() && it->name == key ? &*it : nullptr;
}

Result<Tensor> CheckpointReader::ReadStored(std::string_view name,
                                            const StoredTensor& s,
                                            Tensor* into) const {
  const std::string path = index_->ShardPath(s.shard);
  const std::string where = StrCat("'", path, "': tensor '", name, "'");
  if (!IsPod(s.dtype) && s.dtype != kString) {
    return Unimplemented(where, ": elements of type ", DTypeName(s.dtype), " (",
                         static_cast<int>(s.dtype), ") cannot be read");
  }
  auto file = env_.NewRandomAccessFile(path);
  if (!file.ok()) return file.status().WithContext(where);
  auto tensor = into ? Result<Tensor>(*into) : Tensor::Make(s.dtype, s.shape);
  if (!tensor.ok()) return tensor.status().WithContext(where);
  Status status;
  try {
    status = s.dtype == kString ? ReadStrings(**file, s, *tensor)
                                : ReadPlain(**file, s, *tensor);
  } catch (const std::bad_alloc&) {
    status = ResourceExhausted("out of memory for ", s.size, " bytes");
  }
  // The file has become shorter since it was opened.
  if (status.code() == Code::kOutOfRange) {
    status = DataLoss(status.message());
  }
  if (!status.ok()) return status.WithContext(where);
  return *std::move(tensor);
}

Result<Tensor> CheckpointReader::ReadSlice(const std::string& name,
                                           const Shape& full,
                                           const TensorSlice& slice) const {
  const auto it = index_->stored.find(KeyOf(name));
  if (it == index_->stored.end() || IsSliceKey(name)) return Missing(name);
  const StoredTensor& s = it->second;
  if (s.shape != full) {
    return InvalidArgument("checkpoint '", index_->prefix, "': tensor '", name,
                           "' has shape ", s.shape, ", wanted is a part of ",
                           full);
  }
  LS_ASSIGN_OR_RETURN(const Shape part, slice.ShapeIn(full));
  if (!s.slices.empty()) return ReadFromParts(it->first, s, slice, part);
  LS_ASSIGN_OR_RETURN(Tensor whole, ReadStored(name, s));
  if (part == full) return whole;
  LS_ASSIGN_OR_RETURN(Tensor out, Tensor::Make(s.dtype, part));
  CopyOverlap(full, TensorSlice::Whole(full.rank()), whole, slice, out);
  return out;
}

Result<Tensor> CheckpointReader::ReadFromParts(const std::string& name,
                                               const StoredTensor& s,
                                               const TensorSlice& slice,
                                               const Shape& shape) const {
  auto part_of = [&](const TensorSlice& piece) -> const StoredTensor& {
    return index_->stored.find(SliceKey(name, piece))->second;
  };
  const auto exact = std::ranges::find(s.slices, slice);
  if (exact != s.slices.end()) return ReadStored(name, part_of(*exact));
  // Before memory is taken for a shape that only the index vouches for.
  int64_t covered = 0;
  for (const TensorSlice& piece : s.slices) {
    covered += CountOverlap(s.shape, piece, slice);
  }
  if (covered != shape.NumElements()) {
    return DataLoss("'", index_->path(), "': tensor '", name, "': its parts ",
                    "have ", covered, " elements of the ", shape.NumElements(),
                    " of '", slice, "'");
  }
  LS_ASSIGN_OR_RETURN(Tensor out, Tensor::Make(s.dtype, shape));
  // Parts that overlap could leave elements unset.
  if (IsPod(s.dtype) && out.bytes() > 0) {
    std::memset(out.data(), 0, out.bytes());
  }
  for (const TensorSlice& piece : s.slices) {
    if (CountOverlap(s.shape, piece, slice) == 0) continue;
    LS_ASSIGN_OR_RETURN(const Tensor t, ReadStored(name, part_of(piece)));
    CopyOverlap(s.shape, piece, t, slice, out);
  }
  return out;
}

Status CheckpointReader::Missing(const std::string& name) const {
  std::vector<std::string> names;
  for (const CheckpointEntry& e : entries_) {
    names.push_back(e.variable.empty() ? e.name : e.variable);
  }
  const std::string near = NearestName(name, names);
  return NotFound("checkpoint '", index_->prefix, "' has no tensor '", name,
                  "'", near.empty() ? "" : StrCat("; nearest: '", near, "'"));
}

Result<Tensor> CheckpointReader::Read(const std::string& name) const {
  const auto it = index_->stored.find(KeyOf(name));
  const bool found = it != index_->stored.end();
  const Shape shape = found ? it->second.shape : Shape();
  return ReadSlice(name, shape, TensorSlice::Whole(shape.rank()));
}

Status CheckpointReader::ReadInto(const std::string& name, Tensor* into) const {
  const auto it = index_->stored.find(KeyOf(name));
  if (it == index_->stored.end() || IsSliceKey(name)) return Missing(name);
  const StoredTensor& s = it->second;
  if (s.dtype != into->dtype() || s.shape != into->shape()) {
    return InvalidArgument("checkpoint '", index_->prefix, "': tensor '", name,
                           "' is ", DTypeName(s.dtype), " ", s.shape,
                           ", its place is ", DTypeName(into->dtype()), " ",
                           into->shape());
  }
  if (s.slices.empty()) return ReadStored(name, s, into).status();
  LS_ASSIGN_OR_RETURN(const Tensor whole, Read(name));
  into->CopyFrom(whole);
  return Ok();
}

Status CheckpointReader::Verify() const {
  for (const auto& [key, s] : index_->stored) {
    if (IsSliceKey(key)) continue;  // read below, with a name for people
    if (s.slices.empty()) LS_RETURN_IF_ERROR(ReadStored(key, s).status());
    for (const TensorSlice& slice : s.slices) {
      const auto part = index_->stored.find(SliceKey(key, slice));
      if (part == index_->stored.end()) continue;  // Open refused that
      LS_RETURN_IF_ERROR(
          ReadStored(StrCat(key, "' part '", slice), part->second).status());
    }
  }
  return Ok();
}

}  // namespace lockstep
