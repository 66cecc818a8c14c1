// SPDX-License-Identifier: Apache-2.0
#pragma once

// ValueHash: one number for what makes values of graphs equal - attributes,
// shapes, tensors by their bytes - the same in every process of one program.
//
//   ValueHash hash;
//   hash.Add(node.attrs());
//   if (hash.value() != theirs) ...

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "runtime/op/attr.h"

namespace lockstep {

// FNV-1a over everything that is added.
class ValueHash {
 public:
  void Bytes(const void* data, size_t size) {
    const auto* bytes = static_cast<const unsigned char*>(data);
    for (size_t i = 0; i < size; ++i) {
      value_ = (value_ ^ bytes[i]) * 0x100000001b3ull;
    }
  }
  void Add(int64_t v) { Bytes(&v, sizeof(v)); }
  void Add(float v) { Bytes(&v, sizeof(v)); }
  void Add(bool v) { Add(int64_t{v}); }
  void Add(DType v) { Add(static_cast<int64_t>(v)); }
  void Add(const std::string& v) {
    Add(static_cast<int64_t>(v.size()));
    Bytes(v.data(), v.size());
  }
  void Add(const Shape& v) {
    Add(int64_t{v.rank()});
    for (const int64_t d : v.dims()) Add(d);
  }
  void Add(const Tensor& v) {
    Add(v.dtype());
    Add(v.shape());
    if (v.dtype() == kString) {
      for (const std::string& s : v.flat<std::string>()) Add(s);
    } else if (IsPod(v.dtype())) {
      Bytes(v.data(), v.bytes());
    }
  }
  void Add(const FunctionRef& v) {
    Add(v.name);
    if (v.attrs) Add(*v.attrs);
  }
  void Add(std::monostate) {}
  template <class T>
  void Add(const SharedValue<T>& v) {
    Add(*v);
  }
  template <class T>
  void Add(const std::vector<T>& list) {
    Add(static_cast<int64_t>(list.size()));
    for (size_t i = 0; i < list.size(); ++i)
      Add(static_cast<const T&>(list[i]));
  }
  void Add(const AttrMap& attrs) {
    for (const auto& [name, value] : attrs) {
      Add(name);
      std::visit([&](const auto& v) { Add(v); },
                 static_cast<const AttrValue::variant&>(value));
    }
  }
  uint64_t value() const { return value_; }

 private:
  uint64_t value_ = 0xcbf29ce484222325ull;
};

}  // namespace lockstep
