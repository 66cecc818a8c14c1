// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a serialised Example (proto/example.proto) holds under a key, as numbers
// or strings of a dtype.
//
//   LS_ASSIGN_OR_RETURN(const Examples all, Examples::Parse(serialized,
//   names)); const proto::Feature* f = all.Find(0, "age");   // null: has none
//   CopyFeature(*f, to, 0);

#include <span>
#include <string>
#include <vector>

#include "proto/example.pb.h"
#include "runtime/core/tensor.h"

namespace lockstep::detail {

// The dtype of what it holds; kInvalidType where it holds nothing at all.
DType FeatureType(const proto::Feature& feature);
int64_t FeatureSize(const proto::Feature& feature);
// Its values to `to`, of its dtype, from element `at` on.
void CopyFeature(const proto::Feature& feature, Tensor& to, int64_t at);

class Examples {
 public:
  // `names` are for messages: as many, or none. Without a batch messages do
  // not number the only example.
  static Result<Examples> Parse(std::span<const std::string> serialized,
                                std::span<const std::string> names,
                                bool is_batch);

  int64_t size() const { return static_cast<int64_t>(all_.size()); }
  bool is_batch() const { return is_batch_; }
  // Null where example i has nothing under the key.
  const proto::Feature* Find(int64_t i, const std::string& key) const;
  // "Name: n, Key: k, Index: i", for messages.
  std::string Where(int64_t i, const std::string& key) const;
  Status Missing(int64_t i, const std::string& key, DType type) const;

 private:
  std::string NameOf(int64_t i) const;

  std::vector<proto::Example> all_;
  std::vector<std::string> names_;
  bool is_batch_ = true;
};

}  // namespace lockstep::detail
