// SPDX-License-Identifier: Apache-2.0
#include "ops/io/example_features.h"

#include <algorithm>

namespace lockstep::detail {

DType FeatureType(const proto::Feature& feature) {
  switch (feature.kind_case()) {
    case proto::Feature::kBytesList: return kString;
    case proto::Feature::kFloatList: return kFloat;
    case proto::Feature::kInt64List: return kInt64;
    case proto::Feature::KIND_NOT_SET: break;
  }
  return kInvalidType;
}

int64_t FeatureSize(const proto::Feature& feature) {
  // What is not set is an empty list.
  return feature.bytes_list().value_size() + feature.float_list().value_size() +
         feature.int64_list().value_size();
}

void CopyFeature(const proto::Feature& feature, Tensor& to, int64_t at) {
  const auto copy = [&](const auto& values) {
    using T = std::decay_t<decltype(*values.begin())>;
    std::ranges::copy(values, static_cast<T*>(to.data()) + at);
  };
  switch (to.dtype()) {
    case kString: return copy(feature.bytes_list().value());
    case kFloat: return copy(feature.float_list().value());
    default: return copy(feature.int64_list().value());
  }
}

Result<Examples> Examples::Parse(std::span<const std::string> serialized,
                                 std::span<const std::string> names,
                                 bool is_batch) {
  Examples e;
  e.is_batch_ = is_batch;
  e.names_.assign(names.begin(), names.end());
  e.all_.resize(serialized.size());
  for (size_t i = 0; i < serialized.size(); ++i) {
    if (e.all_[i].ParseFromString(serialized[i])) continue;
    return InvalidArgument("Could not parse example input, value: '",
                           serialized[i], "'");
  }
  return e;
}

const proto::Feature* Examples::Find(int64_t i, const std::string& key) const {
  const auto& features = all_[static_cast<size_t>(i)].features().feature();
  const auto it = features.find(key);
  if (it == features.end()) return nullptr;
  return FeatureType(it->second) == kInvalidType ? nullptr : &it->second;
}

std::string Examples::NameOf(int64_t i) const {
  return names_.empty() ? "<unknown>" : names_[static_cast<size_t>(i)];
}

std::string Examples::Where(int64_t i, const std::string& key) const {
  if (!is_batch_) return StrCat("Key: ", key);
  return StrCat("Name: ", NameOf(i), ", Key: ", key, ", Index: ", i);
}

Status Examples::Missing(int64_t i, const std::string& key, DType type) const {
  return InvalidArgument(is_batch_ ? StrCat("Name: ", NameOf(i), ", ") : "",
                         "Feature: ", key, " (data type: ", DTypeName(type),
                         ") is required but could not be found.");
}

}  // namespace lockstep::detail
