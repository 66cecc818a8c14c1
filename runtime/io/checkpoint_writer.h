// SPDX-License-Identifier: Apache-2.0
#pragma once

// Writes a checkpoint in TensorFlow's V2 format: `<prefix>.index` and
// `<prefix>.data-00000-of-00001`, both little endian, with CRC32C checksums.
//
// The files are written beside, synced, and renamed; the rename of the index
// is what makes the checkpoint exist. Whatever fails, and whenever the process
// is killed or the power goes, a checkpoint that was at `prefix` before stays
// whole until the new one is. To keep that promise a checkpoint that replaces
// one of a single data file has two, the second one empty. One writer for a
// prefix at a time; thread-compatible.
//
//   LS_ASSIGN_OR_RETURN(auto out, CheckpointWriter::Open(env, "model-100"));
//   LS_RETURN_IF_ERROR(out->Add("layer/kernel", kernel));
//   LS_RETURN_IF_ERROR(out->Finish());   // without it, nothing is left

#include <memory>
#include <string>
#include <string_view>

#include "runtime/core/env.h"
#include "runtime/core/status.h"
#include "runtime/core/tensor.h"
#include "runtime/io/tensor_slice.h"

namespace lockstep {

struct CheckpointWriterOptions {
  // Read the files back and check them before they get their names.
  bool verify = false;
};

class CheckpointWriter {
 public:
  // Makes the folder of `prefix` when it is missing.
  static Result<std::unique_ptr<CheckpointWriter>> Open(
      Env& env, const std::string& prefix,
      const CheckpointWriterOptions& options = {});
  // Removes what is not finished.
  ~CheckpointWriter();

  // Writes the elements; `tensor` is not needed afterwards. INVALID_ARGUMENT
  // for an empty or repeated name, UNIMPLEMENTED for elements that are neither
  // plain nor strings. After an error the writer gives this error only.
  Status Add(const std::string& name, const Tensor& tensor);
  // One part of the tensor `name` of shape `full`; the other parts follow or
  // went before.
  Status AddSlice(const std::string& name, const Shape& full,
                  const TensorSlice& slice, const Tensor& tensor);
  // Once. On the disk when it returns OK.
  Status Finish();

 private:
  struct Entries;
  CheckpointWriter(Env& env, std::string prefix,
                   const CheckpointWriterOptions& options, int num_shards);
  std::string DataPath(int shard) const;
  std::string IndexPath() const;
  Status OpenData();
  Status CheckAddable(const std::string& name, const Tensor& tensor) const;
  Status Append(std::string_view bytes);
  Status WriteElements(const std::string& key, const Tensor& tensor);
  Status WriteStrings(const Tensor& tensor, uint32_t& crc);
  Status WriteFiles();
  Status MoveIntoPlace();
  void RemoveTemporaries();

  Env& env_;
  const std::string prefix_;
  const CheckpointWriterOptions options_;
  const int num_shards_;
  const std::unique_ptr<Entries> entries_;
  std::unique_ptr<WritableFile> data_;
  uint64_t offset_ = 0;
  int moved_ = 0;  // data files that have their final names
  Status status_;  // the first error
  bool finished_ = false;
};

}  // namespace lockstep
