// SPDX-License-Identifier: Apache-2.0
#include "runtime/io/record_file.h"

#include <utility>

#include "runtime/io/coding.h"
#include "runtime/io/crc32c.h"

namespace lockstep {
namespace {

constexpr size_t kHeaderBytes = 12;
constexpr size_t kFooterBytes = 4;

}  // namespace

Status RecordWriter::Write(std::string_view record) {
  if (record.size() > kMaxRecordBytes) {
    return InvalidArgument("a record of ", record.size(), " bytes: at most ",
                           kMaxRecordBytes, " are allowed");
  }
  std::string header;
  PutFixed64(header, record.size());
  PutFixed32(header, MaskCrc(Crc32c(header)));
  std::string footer;
  PutFixed32(footer, MaskCrc(Crc32c(record)));
  LS_RETURN_IF_ERROR(file_->Append(header));
  LS_RETURN_IF_ERROR(file_->Append(record));
  return file_->Append(footer);
}

Result<std::unique_ptr<RecordReader>> RecordReader::Open(
    Env& env, const std::string& path, uint64_t max_record_bytes) {
  LS_ASSIGN_OR_RETURN(auto file, env.NewRandomAccessFile(path));
  return std::unique_ptr<RecordReader>(
      new RecordReader(path, std::move(file), max_record_bytes));
}

Status RecordReader::Damaged(std::string_view what) const {
  return DataLoss("'", path_, "': record at offset ", offset_, " ", what);
}

Status RecordReader::Torn(std::string_view what) {
  torn_ = true;
  return Damaged(StrCat("is cut short: ", what));
}

Result<bool> RecordReader::Next(std::string& record) {
  torn_ = false;
  const uint64_t left = file_->size() - offset_;
  if (left == 0) return false;
  if (left < kHeaderBytes) {
    return Torn(StrCat(left, " bytes of its header"));
  }
  char header[kHeaderBytes];
  LS_RETURN_IF_ERROR(file_->Read(offset_, kHeaderBytes, header));
  const auto length = LoadLittle<uint64_t>(header);
  if (MaskCrc(Crc32c({header, 8})) != LoadLittle<uint32_t>(header + 8)) {
    return Damaged("has a wrong checksum of its length");
  }
  if (length > max_record_bytes_) {
    return Damaged(StrCat("has ", length, " bytes, more than the limit of ",
                          max_record_bytes_));
  }
  const uint64_t have = left - kHeaderBytes;
  if (have < kFooterBytes || length > have - kFooterBytes) {
    return Torn(
        StrCat("it has ", length, " bytes and a checksum, the file ", have));
  }
  try {
    record.resize(length + kFooterBytes);
  } catch (const std::exception&) {
    return ResourceExhausted("'", path_, "': out of memory for a record of ",
                             length, " bytes");
  }
  LS_RETURN_IF_ERROR(
      file_->Read(offset_ + kHeaderBytes, record.size(), record.data()));
  const auto stored = LoadLittle<uint32_t>(record.data() + length);
  record.resize(length);
  if (MaskCrc(Crc32c(record)) != stored) {
    return Damaged("has a wrong checksum of its contents");
  }
  offset_ += kHeaderBytes + length + kFooterBytes;
  return true;
}

}  // namespace lockstep
