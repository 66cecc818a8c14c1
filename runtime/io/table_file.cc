// SPDX-License-Identifier: Apache-2.0
#include "runtime/io/table_file.h"

#include <leveldb/comparator.h>
#include <leveldb/env.h>
#include <leveldb/iterator.h>
#include <leveldb/options.h>
#include <leveldb/table.h>
#include <leveldb/table_builder.h>

#include <memory>

#include "runtime/io/coding.h"
#include "runtime/io/crc32c.h"

namespace lockstep {
namespace {

constexpr uint64_t kMagic = 0xdb4775248b80fb57;
constexpr size_t kFooterBytes = 48;
constexpr size_t kTrailerBytes = 5;  // after a block: compression, checksum

leveldb::Options TableOptions() {
  leveldb::Options options;
  options.compression = leveldb::kNoCompression;
  options.block_size = 4096;
  options.paranoid_checks = true;
  return options;
}

class StringSink : public leveldb::WritableFile {
 public:
  leveldb::Status Append(const leveldb::Slice& data) override {
    bytes.append(data.data(), data.size());
    return leveldb::Status::OK();
  }
  leveldb::Status Close() override { return leveldb::Status::OK(); }
  leveldb::Status Flush() override { return leveldb::Status::OK(); }
  leveldb::Status Sync() override { return leveldb::Status::OK(); }

  std::string bytes;
};

class StringSource : public leveldb::RandomAccessFile {
 public:
  explicit StringSource(std::string_view bytes) : bytes_(bytes) {}
  leveldb::Status Read(uint64_t offset, size_t n, leveldb::Slice* result,
                       char* /*scratch*/) const override {
    if (offset > bytes_.size()) {
      return leveldb::Status::InvalidArgument("read beyond the end");
    }
    const std::string_view part = bytes_.substr(offset, n);
    *result = leveldb::Slice(part.data(), part.size());
    return leveldb::Status::OK();
  }

 private:
  const std::string_view bytes_;
};

Status Damaged(const std::string& name, std::string_view what) {
  return DataLoss("'", name, "': damaged index: ", what);
}

// Takes a handle (offset, size) from the front of `in` and gives the block's
// contents, after checking its place, checksum and compression.
Status TakeBlock(std::string_view file, const std::string& name,
                 std::string_view& in, std::string_view& block) {
  uint64_t offset = 0;
  uint64_t size = 0;
  if (!GetVarint64(in, offset) || !GetVarint64(in, size)) {
    return Damaged(name, "malformed block handle");
  }
  const uint64_t end = file.size() - kFooterBytes;
  if (offset > end || size > end - offset ||
      kTrailerBytes > end - offset - size) {
    return Damaged(name, "a block lies outside of the file");
  }
  const std::string_view checked = file.substr(offset, size + 1);
  const auto stored = LoadLittle<uint32_t>(file.data() + offset + size + 1);
  if (MaskCrc(Crc32c(checked)) != stored) {
    return Damaged(name, StrCat("wrong checksum of the block at ", offset));
  }
  if (checked.back() != 0) {
    return Unimplemented("'", name, "': compressed index");
  }
  block = checked.substr(0, size);
  return Ok();
}

// LevelDB's reader allocates whatever size a handle names, so all handles are
// checked before it sees the file.
Status CheckStructure(std::string_view file, const std::string& name) {
  if (file.size() < kFooterBytes) {
    return Damaged(name, StrCat("cut short: ", file.size(), " bytes"));
  }
  const std::string_view footer = file.substr(file.size() - kFooterBytes);
  if (LoadLittle<uint64_t>(footer.data() + kFooterBytes - 8) != kMagic) {
    return Damaged(name, "cut short, or not an index: no magic number");
  }
  std::string_view handles = footer.substr(0, kFooterBytes - 8);
  std::string_view block;
  LS_RETURN_IF_ERROR(TakeBlock(file, name, handles, block));  // meta index
  LS_RETURN_IF_ERROR(TakeBlock(file, name, handles, block));
  if (block.size() < 4) return Damaged(name, "block without restarts");
  const uint64_t restarts =
      LoadLittle<uint32_t>(block.data() + block.size() - 4);
  if (restarts > (block.size() - 4) / 4) {
    return Damaged(name, "too many restarts");
  }
  std::string_view in = block.substr(0, block.size() - 4 - 4 * restarts);
  while (!in.empty()) {
    uint64_t shared = 0;
    uint64_t key_bytes = 0;
    uint64_t value_bytes = 0;
    if (!GetVarint64(in, shared) || !GetVarint64(in, key_bytes) ||
        !GetVarint64(in, value_bytes) || key_bytes > in.size() ||
        value_bytes > in.size() - key_bytes) {
      return Damaged(name, "malformed entry");
    }
    std::string_view handle = in.substr(key_bytes, value_bytes);
    std::string_view data;
    LS_RETURN_IF_ERROR(TakeBlock(file, name, handle, data));
    in.remove_prefix(key_bytes + value_bytes);
  }
  return Ok();
}

std::string_view View(const leveldb::Slice& s) { return {s.data(), s.size()}; }

}  // namespace

Result<std::string> BuildTable(const std::map<std::string, std::string>& rows) {
  StringSink sink;
  leveldb::TableBuilder builder(TableOptions(), &sink);
  for (const auto& [key, value] : rows) builder.Add(key, value);
  const leveldb::Status status = builder.Finish();
  if (!status.ok()) return Internal("building a table: ", status.ToString());
  return std::move(sink.bytes);
}

Status ReadTable(
    std::string_view file, const std::string& name,
    const std::function<Status(std::string_view, std::string_view)>& row) {
  LS_RETURN_IF_ERROR(CheckStructure(file, name));
  StringSource source(file);
  leveldb::Table* opened = nullptr;
  leveldb::Status status =
      leveldb::Table::Open(TableOptions(), &source, file.size(), &opened);
  const std::unique_ptr<leveldb::Table> table(opened);
  if (!status.ok()) return Damaged(name, status.ToString());
  leveldb::ReadOptions options;
  options.verify_checksums = true;
  options.fill_cache = false;
  const std::unique_ptr<leveldb::Iterator> it(table->NewIterator(options));
  std::string last;
  bool first = true;
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    if (!first && View(it->key()) <= last) {
      return Damaged(name, "keys are not in order");
    }
    first = false;
    last = View(it->key());
    LS_RETURN_IF_ERROR(row(View(it->key()), View(it->value())));
  }
  if (!it->status().ok()) return Damaged(name, it->status().ToString());
  return Ok();
}

}  // namespace lockstep
