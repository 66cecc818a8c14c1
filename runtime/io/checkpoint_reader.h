// SPDX-License-Identifier: Apache-2.0
#pragma once

// Reads checkpoints in TensorFlow's V2 format: `<prefix>.index` names the
// tensors, `<prefix>.data-00000-of-00002` and so on hold them.
//
// Open reads and checks the index; Read reads one tensor and checks its
// checksum. Thread-safe once opened. Errors name the file and the tensor:
// NOT_FOUND when there is no such checkpoint or tensor, DATA_LOSS when a file
// is damaged, cut or missing, INVALID_ARGUMENT for a file's name given in place
// of the prefix and for a shape or part that does not fit. No file, however
// damaged, makes it crash or allocate more than a small multiple of its size.
//
//   LS_ASSIGN_OR_RETURN(auto ckpt, CheckpointReader::Open(env, "model-100"));
//   for (const CheckpointEntry& e : ckpt->entries()) Print(e.name, e.shape);
//   LS_ASSIGN_OR_RETURN(Tensor w, ckpt->Read("layer/kernel"));

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/core/env.h"
#include "runtime/core/status.h"
#include "runtime/core/tensor.h"
#include "runtime/io/checkpoint_objects.h"
#include "runtime/io/tensor_slice.h"

namespace lockstep {

struct CheckpointIndex;
struct StoredTensor;

struct CheckpointEntry {
  std::string name;
  DType dtype = kInvalidType;
  Shape shape;
  uint64_t bytes = 0;        // in the data files
  bool partitioned = false;  // stored in parts; Read puts them together
  // Of a TensorFlow 2 checkpoint, whose keys are places in a tree of objects:
  // the name of the variable, or its place when names are not unique. Empty for
  // other tensors.
  std::string variable = {};
};

class CheckpointReader {
 public:
  // `temporary` reads files that have not got their final names yet: it is
  // appended to each.
  static Result<std::unique_ptr<CheckpointReader>> Open(
      Env& env, const std::string& prefix, const std::string& temporary = "");
  ~CheckpointReader();

  // Sorted by name.
  const std::vector<CheckpointEntry>& entries() const { return entries_; }
  // Null when there is none. Here and in Read a name is the tensor's, or that
  // of the variable of an entry.
  const CheckpointEntry* Find(std::string_view name) const;

  Result<Tensor> Read(const std::string& name) const;
  // Into memory of the tensor's dtype and shape. After an error what is in it
  // is not known.
  Status ReadInto(const std::string& name, Tensor* into) const;
  // A part of the tensor, whose shape must be `full`.
  Result<Tensor> ReadSlice(const std::string& name, const Shape& full,
                           const TensorSlice& slice) const;
  // Reads everything, and drops it.
  Status Verify() const;

 private:
  CheckpointReader(Env& env, std::unique_ptr<CheckpointIndex> index);
  Status Missing(const std::string& name) const;
  void NameVariables();
  const std::string& KeyOf(const std::string& name) const;
  // Into `into` where that is given, else into a new tensor.
  Result<Tensor> ReadStored(std::string_view name, const StoredTensor& stored,
                            Tensor* into = nullptr) const;
  Result<Tensor> ReadFromParts(const std::string& name,
                               const StoredTensor& stored,
                               const TensorSlice& slice,
                               const Shape& shape) const;

  Env& env_;
  const std::unique_ptr<CheckpointIndex> index_;
  std::vector<CheckpointEntry> entries_;
  KeysByName keys_;  // of the variables of a TensorFlow 2 checkpoint
};

}  // namespace lockstep
