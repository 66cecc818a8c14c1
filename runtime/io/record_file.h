// SPDX-License-Identifier: Apache-2.0
#pragma once

// TFRecord files: records of bytes, one after the other, each with checksums
// of its length and of its contents. Event files are record files.
//
// A record is: length (8 bytes), masked CRC32C of these 8 bytes, the contents,
// masked CRC32C of the contents. Thread-compatible.
//
//   RecordWriter out(std::move(file));
//   LS_RETURN_IF_ERROR(out.Write("hello"));
//   LS_RETURN_IF_ERROR(out.Close());
//
//   LS_ASSIGN_OR_RETURN(auto in, RecordReader::Open(env, path));
//   std::string record;
//   for (;;) {
//     LS_ASSIGN_OR_RETURN(bool more, in->Next(record));
//     if (!more) break;
//   }

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "runtime/core/env.h"
#include "runtime/core/status.h"

namespace lockstep {

// What Write refuses and a reader takes for damage, unless told otherwise.
inline constexpr uint64_t kMaxRecordBytes = uint64_t{2} << 30;

class RecordWriter {
 public:
  explicit RecordWriter(std::unique_ptr<WritableFile> file)
      : file_(std::move(file)) {}

  // INVALID_ARGUMENT, with nothing written, above kMaxRecordBytes.
  Status Write(std::string_view record);
  Status Flush() { return file_->Flush(); }
  Status Sync() { return file_->Sync(); }
  Status Close() { return file_->Close(); }

 private:
  std::unique_ptr<WritableFile> file_;
};

class RecordReader {
 public:
  static Result<std::unique_ptr<RecordReader>> Open(
      Env& env, const std::string& path,
      uint64_t max_record_bytes = kMaxRecordBytes);

  // The next record, or false at the end of the file. DATA_LOSS names the file
  // and the offset of the record that is cut short, too long or damaged; the
  // position is then unchanged.
  Result<bool> Next(std::string& record);
  // Where the next record starts.
  uint64_t offset() const { return offset_; }
  // After an error of Next: the last record is cut short, as in a file that is
  // still being written.
  bool at_torn_tail() const { return torn_; }

 private:
  RecordReader(std::string path, std::unique_ptr<RandomAccessFile> file,
               uint64_t max_record_bytes)
      : path_(std::move(path)),
        file_(std::move(file)),
        max_record_bytes_(max_record_bytes) {}
  Status Damaged(std::string_view what) const;
  Status Torn(std::string_view what);

  const std::string path_;
  const std::unique_ptr<RandomAccessFile> file_;
  const uint64_t max_record_bytes_;
  uint64_t offset_ = 0;
  bool torn_ = false;
};

}  // namespace lockstep
