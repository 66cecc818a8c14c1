// SPDX-License-Identifier: Apache-2.0
#include "runtime/io/checkpoint_writer.h"

#include <map>
#include <utility>

#include "runtime/io/checkpoint_index.h"
#include "runtime/io/checkpoint_reader.h"
#include "runtime/io/checkpoint_state.h"
#include "runtime/io/coding.h"
#include "runtime/io/crc32c.h"

namespace lockstep {
namespace {

constexpr std::string_view kTemporary = ".tmp";
constexpr size_t kPieceBytes = size_t{1} << 20;  // stays in the cache

}  // namespace

struct CheckpointWriter::Entries {
  std::map<std::string, StoredTensor, std::less<>> by_key;
};

CheckpointWriter::CheckpointWriter(Env& env, std::string prefix,
                                   const CheckpointWriterOptions& options,
                                   int num_shards)
    : env_(env),
      prefix_(std::move(prefix)),
      options_(options),
      num_shards_(num_shards),
      entries_(std::make_unique<Entries>()) {}

CheckpointWriter::~CheckpointWriter() {
  if (!finished_) RemoveTemporaries();
}

std::string CheckpointWriter::DataPath(int shard) const {
  return CheckpointShardPath(prefix_, shard, num_shards_);
}

std::string CheckpointWriter::IndexPath() const { return prefix_ + ".index"; }

Result<std::unique_ptr<CheckpointWriter>> CheckpointWriter::Open(
    Env& env, const std::string& prefix,
    const CheckpointWriterOptions& options) {
  if (prefix.empty() || prefix.ends_with('/')) {
    return InvalidArgument("'", prefix, "' is not a checkpoint's prefix");
  }
  LS_RETURN_IF_ERROR(env.CreateDirs(DirName(prefix)));
  LS_ASSIGN_OR_RETURN(const int shards, FreeShardCount(env, prefix, 1));
  std::unique_ptr<CheckpointWriter> writer(
      new CheckpointWriter(env, prefix, options, shards));
  LS_RETURN_IF_ERROR(writer->OpenData());
  return writer;
}

Status CheckpointWriter::OpenData() {
  LS_ASSIGN_OR_RETURN(data_,
                      env_.NewWritableFile(StrCat(DataPath(0), kTemporary)));
  return Ok();
}

Status CheckpointWriter::Append(std::string_view bytes) {
  offset_ += bytes.size();
  return data_->Append(bytes);
}

// Strings: their lengths as varints, a checksum of the lengths, the bytes. The
// checksums are over the lengths as fixed-width numbers.
Status CheckpointWriter::WriteStrings(const Tensor& tensor, uint32_t& crc) {
  std::string head;
  for (const std::string& s : tensor.flat<std::string>()) {
    const uint64_t length = s.size();
    PutVarint64(head, length);
    const size_t width = length >> 32 == 0 ? 4 : 8;
    crc = ExtendCrc32c(crc, {reinterpret_cast<const char*>(&length), width});
  }
  std::string sum;
  PutFixed32(sum, MaskCrc(crc));
  crc = ExtendCrc32c(crc, sum);
  LS_RETURN_IF_ERROR(Append(head + sum));
  for (const std::string& s : tensor.flat<std::string>()) {
    crc = ExtendCrc32c(crc, s);
    LS_RETURN_IF_ERROR(Append(s));
  }
  return Ok();
}

Status CheckpointWriter::WriteElements(const std::string& key,
                                       const Tensor& tensor) {
  const uint64_t start = offset_;
  uint32_t crc = 0;
  if (tensor.dtype() == kString) {
    LS_RETURN_IF_ERROR(WriteStrings(tensor, crc));
  } else {
    std::string_view rest(static_cast<const char*>(tensor.data()),
                          tensor.bytes());
    while (!rest.empty()) {
      const std::string_view piece = rest.substr(0, kPieceBytes);
      crc = ExtendCrc32c(crc, piece);
      LS_RETURN_IF_ERROR(Append(piece));
      rest.remove_prefix(piece.size());
    }
  }
  StoredTensor& entry = entries_->by_key[key];
  entry.dtype = tensor.dtype();
  entry.shape = tensor.shape();
  entry.offset = start;
  entry.size = offset_ - start;
  entry.crc = MaskCrc(crc);
  return Ok();
}

Status CheckpointWriter::CheckAddable(const std::string& name,
                                      const Tensor& tensor) const {
  LS_RETURN_IF_ERROR(status_);
  if (finished_) {
    return FailedPrecondition("checkpoint '", prefix_, "' is finished");
  }
  if (name.empty() || IsSliceKey(name)) {
    return InvalidArgument("checkpoint '", prefix_, "': a tensor's name is ",
                           name.empty() ? "empty" : "not a name");
  }
  if (!IsPod(tensor.dtype()) && tensor.dtype() != kString) {
    return Unimplemented("checkpoint '", prefix_, "': tensor '", name,
                         "' has elements of type ", DTypeName(tensor.dtype()),
                         ", which cannot be saved");
  }
  return Ok();
}

Status CheckpointWriter::Add(const std::string& name, const Tensor& tensor) {
  LS_RETURN_IF_ERROR(CheckAddable(name, tensor));
  if (entries_->by_key.contains(name)) {
    return InvalidArgument("checkpoint '", prefix_, "': tensor '", name,
                           "' is added twice");
  }
  return status_ = WriteElements(name, tensor);
}

Status CheckpointWriter::AddSlice(const std::string& name, const Shape& full,
                                  const TensorSlice& slice,
                                  const Tensor& tensor) {
  LS_RETURN_IF_ERROR(CheckAddable(name, tensor));
  auto part = slice.ShapeIn(full);
  if (!part.ok()) {
    return part.status().WithContext(StrCat("tensor '", name, "'"));
  }
  if (*part != tensor.shape()) {
    return InvalidArgument("tensor '", name, "': its part '", slice,
                           "' has shape ", *part, ", the value has ",
                           tensor.shape());
  }
  if (*part == full) return Add(name, tensor);
  const std::string key = SliceKey(name, slice);
  const auto it = entries_->by_key.find(name);
  if (it != entries_->by_key.end() &&
      (it->second.slices.empty() || entries_->by_key.contains(key) ||
       it->second.dtype != tensor.dtype() || it->second.shape != full)) {
    return InvalidArgument("checkpoint '", prefix_, "': tensor '", name,
                           "': part '", slice,
                           "' is added twice, or its type or full shape "
                           "differs from that of the other parts");
  }
  LS_RETURN_IF_ERROR(status_ = WriteElements(key, tensor));
  StoredTensor& entry = entries_->by_key[name];
  entry.dtype = tensor.dtype();
  entry.shape = full;
  entry.slices.push_back(slice);
  return Ok();
}

// All files under their temporary names, on the disk.
Status CheckpointWriter::WriteFiles() {
  LS_RETURN_IF_ERROR(data_->Sync());
  LS_RETURN_IF_ERROR(data_->Close());
  for (int shard = 1; shard < num_shards_; ++shard) {
    LS_ASSIGN_OR_RETURN(
        auto empty, env_.NewWritableFile(StrCat(DataPath(shard), kTemporary)));
    LS_RETURN_IF_ERROR(empty->Sync());
    LS_RETURN_IF_ERROR(empty->Close());
  }
  return WriteIndexFile(env_, StrCat(IndexPath(), kTemporary), entries_->by_key,
                        num_shards_);
}

// The index goes last, and only after the names of the data files are on the
// disk: a file system may keep renames in another order.
Status CheckpointWriter::MoveIntoPlace() {
  for (int shard = 0; shard < num_shards_; ++shard) {
    LS_RETURN_IF_ERROR(NamingOtherRuns(
        env_.RenameFile(StrCat(DataPath(shard), kTemporary), DataPath(shard))));
    moved_ = shard + 1;
  }
  LS_RETURN_IF_ERROR(env_.SyncDir(DirName(prefix_)));
  return NamingOtherRuns(
      env_.RenameFile(StrCat(IndexPath(), kTemporary), IndexPath()));
}

Status CheckpointWriter::Finish() {
  LS_RETURN_IF_ERROR(status_);
  if (finished_) {
    return FailedPrecondition("checkpoint '", prefix_, "' is finished");
  }
  status_ = WriteFiles();
  if (status_.ok() && options_.verify) {
    auto written =
        CheckpointReader::Open(env_, prefix_, std::string(kTemporary));
    status_ = written.ok() ? (*written)->Verify() : written.status();
  }
  if (status_.ok()) status_ = MoveIntoPlace();
  if (!status_.ok()) {
    RemoveTemporaries();
    finished_ = true;
    return status_;
  }
  finished_ = true;
  // When this fails, either index may be found later: keep both data files.
  LS_RETURN_IF_ERROR(status_ = env_.SyncDir(DirName(prefix_)));
  RemoveReplacedShards(env_, prefix_, num_shards_);
  return Ok();
}

// Errors are dropped: the one that led here is the one to report.
void CheckpointWriter::RemoveTemporaries() {
  data_.reset();
  // A rename that reports an error may have happened. Only while the index has
  // its temporary name is it sure that no index refers to the data files.
  const std::string index = StrCat(IndexPath(), kTemporary);
  if (env_.FileExists(index)) {
    for (int shard = 0; shard < moved_; ++shard) {
      (void)env_.DeleteFile(DataPath(shard));
    }
    (void)env_.DeleteFile(index);
  }
  for (int shard = moved_; shard < num_shards_; ++shard) {
    (void)env_.DeleteFile(StrCat(DataPath(shard), kTemporary));
  }
}

}  // namespace lockstep
