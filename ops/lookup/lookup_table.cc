// SPDX-License-Identifier: Apache-2.0
#include "ops/lookup/lookup_table.h"

#include <algorithm>
#include <cstring>

namespace lockstep {
namespace {

// The bytes of element i; of a string, the string.
std::string_view BytesAt(const Tensor& t, int64_t i) {
  if (t.dtype() == kString)
    return t.flat<std::string>()[static_cast<size_t>(i)];
  const size_t size = DTypeSize(t.dtype());
  return {static_cast<const char*>(t.data()) + static_cast<size_t>(i) * size,
          size};
}

void SetBytes(std::string_view bytes, int64_t i, Tensor* t) {
  if (t->dtype() == kString) {
    t->flat<std::string>()[static_cast<size_t>(i)] = bytes;
    return;
  }
  std::memcpy(
      static_cast<char*>(t->data()) + static_cast<size_t>(i) * bytes.size(),
      bytes.data(), bytes.size());
}

Shape Joined(const Shape& a, const Shape& b) {
  Shape y = a;
  for (int d = 0; d < b.rank(); ++d) y.AddDim(b.dim(d));
  return y;
}

}  // namespace

LookupTable::LookupTable(std::string name, Spec spec)
    : name_(std::move(name)),
      spec_(std::move(spec)),
      slices_(spec_.value, spec_.value_shape.NumElements()) {
  Clear();
}

std::string LookupTable::DebugString() const {
  return StrCat("table '", name_, "' of ", size());
}

void LookupTable::Clear() {
  rows_.clear();
  keys_.clear();
  values_ = Tensor(spec_.value, Joined(Shape{0}, spec_.value_shape));
}

Status LookupTable::CheckTypes(const Tensor& keys, const Tensor& values) const {
  if (keys.dtype() == spec_.key && values.dtype() == spec_.value) return Ok();
  const auto types = [](DType key, DType value) {
    return StrCat("resource, ", DTypeName(key), ", ", DTypeName(value));
  };
  return InvalidArgument(
      "Signature mismatch, have: ", types(keys.dtype(), values.dtype()),
      " expected: ", types(spec_.key, spec_.value), " of table ", name_);
}

Status LookupTable::CheckKeys(const Tensor& keys) const {
  const auto refuse = [&](const Tensor& key, const char* what) {
    if (!key.defined()) return Ok();
    for (int64_t i = 0; i < keys.NumElements(); ++i) {
      if (BytesAt(keys, i) == BytesAt(key, 0)) {
        return InvalidArgument("Using the ", what,
                               " as a table key is not allowed");
      }
    }
    return Ok();
  };
  LS_RETURN_IF_ERROR(refuse(spec_.empty_key, "empty_key"));
  return refuse(spec_.deleted_key, "deleted_key");
}

Result<Shape> LookupTable::ValuesShape(const Shape& keys) const {
  if (keys.rank() + spec_.value_shape.rank() > Shape::kMaxRank) {
    return InvalidArgument("keys have too many dimensions: ", keys);
  }
  return Joined(keys, spec_.value_shape);
}

Status LookupTable::CheckEntries(const Tensor& keys,
                                 const Tensor& values) const {
  LS_RETURN_IF_ERROR(CheckTypes(keys, values));
  LS_ASSIGN_OR_RETURN(const Shape wanted, ValuesShape(keys.shape()));
  if (!(values.shape() == wanted)) {
    return InvalidArgument("Expected shape ", wanted, " for value, got ",
                           values.shape());
  }
  return CheckKeys(keys);
}

void LookupTable::Put(std::string_view key, const Tensor& values, int64_t i) {
  auto it = rows_.find(key);
  if (it == rows_.end()) {
    it = rows_.emplace(key, size()).first;
    keys_.emplace_back(key);
    if (size() > values_.shape().dim(0)) {
      Tensor more(spec_.value, Joined(Shape{std::max<int64_t>(16, 2 * size())},
                                      spec_.value_shape));
      for (int64_t row = 0; row + 1 < size(); ++row) {
        slices_.Copy(more.data(), row, values_.data(), row);
      }
      values_ = std::move(more);
    }
  }
  slices_.Copy(values_.data(), it->second, values.data(), i);
}

Status LookupTable::Initialize(const Tensor& keys, const Tensor& values) {
  if (!spec_.fixed) {
    return InvalidArgument("Table ", name_, " is not initializable");
  }
  LS_RETURN_IF_ERROR(CheckEntries(keys, values));
  if (initialized_) {
    if (keys.NumElements() == size()) return Ok();
    return FailedPrecondition(
        "Table was already initialized with different data.");
  }
  for (int64_t i = 0; i < keys.NumElements(); ++i) {
    const std::string_view key = BytesAt(keys, i);
    const auto it = rows_.find(key);
    if (it == rows_.end()) {
      Put(key, values, i);
    } else if (BytesAt(values_, it->second) != BytesAt(values, i)) {
      Clear();
      return FailedPrecondition("HashTable has different value for same key: ",
                                "entry ", i, " of table ", name_);
    }
  }
  initialized_ = true;
  return Ok();
}

Status LookupTable::Insert(const Tensor& keys, const Tensor& values) {
  if (spec_.fixed) {
    return Unimplemented(
        "Insert not supported by InitializableLookupTable implementations");
  }
  LS_RETURN_IF_ERROR(CheckEntries(keys, values));
  for (int64_t i = 0; i < keys.NumElements(); ++i) {
    Put(BytesAt(keys, i), values, i);
  }
  return Ok();
}

Status LookupTable::Remove(const Tensor& keys) {
  if (spec_.fixed) {
    return Unimplemented(
        "Remove not supported by InitializableLookupTable implementations");
  }
  if (keys.dtype() != spec_.key) {
    return InvalidArgument("keys of table ", name_, " are ",
                           DTypeName(spec_.key), ", not ",
                           DTypeName(keys.dtype()));
  }
  LS_RETURN_IF_ERROR(CheckKeys(keys));
  for (int64_t i = 0; i < keys.NumElements(); ++i) {
    const auto it = rows_.find(BytesAt(keys, i));
    if (it == rows_.end()) continue;
    // The last row takes its place.
    const int64_t row = it->second, last = size() - 1;
    rows_.erase(it);
    if (row != last) {
      slices_.Copy(values_.data(), row, values_.data(), last);
      keys_[static_cast<size_t>(row)] = std::move(keys_.back());
      rows_.find(keys_[static_cast<size_t>(row)])->second = row;
    }
    keys_.pop_back();
  }
  return Ok();
}

Status LookupTable::Import(const Tensor& keys, const Tensor& values) {
  if (spec_.fixed) return Initialize(keys, values);
  LS_RETURN_IF_ERROR(CheckEntries(keys, values));
  Clear();
  return Insert(keys, values);
}

Status LookupTable::Find(const Tensor& keys, const Tensor& missing,
                         Tensor* values) const {
  LS_RETURN_IF_ERROR(CheckTypes(keys, missing));
  if (spec_.fixed && !initialized_) {
    return FailedPrecondition("Table not initialized.");
  }
  LS_RETURN_IF_ERROR(CheckKeys(keys));
  const bool one = missing.shape() == spec_.value_shape;
  if (!one && !(missing.shape() == values->shape())) {
    return InvalidArgument("Expected shape ", spec_.value_shape, " or ",
                           values->shape(), " for default value, got ",
                           missing.shape());
  }
  for (int64_t i = 0; i < keys.NumElements(); ++i) {
    const auto it = rows_.find(BytesAt(keys, i));
    if (it == rows_.end()) {
      slices_.Copy(values->data(), i, missing.data(), one ? 0 : i);
    } else {
      slices_.Copy(values->data(), i, values_.data(), it->second);
    }
  }
  return Ok();
}

Status LookupTable::Export(Tensor* keys, Tensor* values) const {
  if (spec_.fixed && !initialized_) {
    return Aborted("HashTable is not initialized.");
  }
  for (int64_t i = 0; i < size(); ++i) {
    SetBytes(keys_[static_cast<size_t>(i)], i, keys);
    slices_.Copy(values->data(), i, values_.data(), i);
  }
  return Ok();
}

}  // namespace lockstep
