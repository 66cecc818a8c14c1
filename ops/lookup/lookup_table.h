// SPDX-License-Identifier: Apache-2.0
#pragma once

// LookupTable: keys and their values, as the tables of tf.lookup. A session's
// tables live as long as it does; handles refer to them.
//
//   LookupTable table("vocabulary", {.key = kString, .value = kInt64});
//   LS_RETURN_IF_ERROR(table.Initialize(keys, values));
//   LS_RETURN_IF_ERROR(table.Find(words, Tensor(int64_t{-1}), &ids));
//
// Used by one thread at a time: runs of a session take turns.

#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "ops/array/slices.h"
#include "runtime/core/object.h"
#include "runtime/core/tensor.h"

namespace lockstep {

class LookupTable final : public Object {
 public:
  struct Spec {
    DType key = kInvalidType, value = kInvalidType;
    Shape value_shape = {};
    bool fixed = true;  // filled once, by Initialize
    // Keys that may not be used (of dense tables); one key each, or undefined.
    Tensor empty_key = {}, deleted_key = {};
  };
  LookupTable(std::string name, Spec spec);

  std::string DebugString() const override;
  const Spec& spec() const { return spec_; }
  const std::string& name() const { return name_; }
  int64_t size() const { return static_cast<int64_t>(keys_.size()); }

  // Fills a fixed table. Filling it again with as many entries does nothing,
  // with another number is FAILED_PRECONDITION.
  Status Initialize(const Tensor& keys, const Tensor& values);
  // Of tables that are not fixed: UNIMPLEMENTED for others.
  Status Insert(const Tensor& keys, const Tensor& values);
  Status Remove(const Tensor& keys);
  // The table holds these entries and no others.
  Status Import(const Tensor& keys, const Tensor& values);

  // values: [keys' shape, value_shape]; `missing` is the value of a key that is
  // not there, or one value for each key.
  Status Find(const Tensor& keys, const Tensor& missing, Tensor* values) const;
  // The shape of Find's values; keys are one element each.
  Result<Shape> ValuesShape(const Shape& keys) const;
  // All entries, in the order in which they came.
  Status Export(Tensor* keys, Tensor* values) const;

 private:
  struct Hash : std::hash<std::string_view> {
    using is_transparent = void;
  };
  using Rows = std::unordered_map<std::string, int64_t, Hash, std::equal_to<>>;

  Status CheckTypes(const Tensor& keys, const Tensor& values) const;
  Status CheckKeys(const Tensor& keys) const;
  Status CheckEntries(const Tensor& keys, const Tensor& values) const;
  void Put(std::string_view key, const Tensor& values, int64_t i);
  void Clear();

  std::string name_;
  Spec spec_;
  Slices slices_;
  bool initialized_ = false;
  Rows rows_;                      // key -> its row
  std::vector<std::string> keys_;  // of each row
  Tensor values_;                  // [more rows than are used, value_shape]
};

// The tables of a session, by name: a service of its SessionResources.
struct LookupTables {
  std::map<std::string, std::shared_ptr<LookupTable>, std::less<>> by_name;
};

}  // namespace lockstep
