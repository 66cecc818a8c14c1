// SPDX-License-Identifier: Apache-2.0
#pragma once

// AttrValue and AttrMap: the attributes of a node, in TensorFlow's kinds.
//
//   AttrMap attrs;
//   attrs["T"] = kFloat;
//   attrs["strides"] = std::vector<int64_t>{1, 2, 2, 1};
//   const int64_t* n = GetIf<int64_t>(attrs, "N");   // null when absent

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "runtime/core/tensor.h"

namespace lockstep {

struct AttrValue;
using AttrMap = std::map<std::string, AttrValue, std::less<>>;

// A value that is large in itself and seldom changes: kept outside the
// attribute and shared by copies, so that attributes are small.
template <class T>
class SharedValue {
 public:
  explicit SharedValue(T value)
      : value_(std::make_shared<const T>(std::move(value))) {}
  const T& operator*() const { return *value_; }

 private:
  std::shared_ptr<const T> value_;
};

// A function of the library by name, with the attributes that bind it.
struct FunctionRef {
  std::string name;
  std::shared_ptr<AttrMap> attrs;  // shared: AttrMap is incomplete here
};

struct AttrValue
    : std::variant<
          std::monostate, int64_t, float, bool, std::string, DType,
          SharedValue<Shape>, SharedValue<Tensor>, SharedValue<FunctionRef>,
          std::vector<int64_t>, std::vector<float>, std::vector<bool>,
          std::vector<std::string>, std::vector<DType>, std::vector<Shape>,
          std::vector<Tensor>, std::vector<FunctionRef>> {
  using variant::variant;
  AttrValue() = default;
  AttrValue(int v) : variant(int64_t{v}) {}                // NOLINT: implicit
  AttrValue(double v) : variant(static_cast<float>(v)) {}  // NOLINT: implicit
  AttrValue(const char* v) : variant(std::string(v)) {}    // NOLINT: implicit
  AttrValue(const Shape& v)                                // NOLINT: implicit
      : variant(SharedValue<Shape>(v)) {}
  AttrValue(Tensor v)  // NOLINT: implicit
      : variant(SharedValue<Tensor>(std::move(v))) {}
  AttrValue(FunctionRef v)  // NOLINT: implicit
      : variant(SharedValue<FunctionRef>(std::move(v))) {}

  // The value when it is of that type, such as Shape or std::string; else null.
  template <class T>
  const T* get_if() const {
    if constexpr (std::is_same_v<T, Shape> || std::is_same_v<T, Tensor> ||
                  std::is_same_v<T, FunctionRef>) {
      const auto* shared = std::get_if<SharedValue<T>>(this);
      return shared ? &**shared : nullptr;
    } else {
      return std::get_if<T>(this);
    }
  }

  bool defined() const { return index() != 0; }
  // Short text for messages: "2", "\"SAME\"", "[1,2,2,1]", "float".
  std::string ToString() const;
  // Equal kind and value; tensors by bytes.
  bool Equals(const AttrValue& other) const;
};

// The kinds an op's definition may ask for.
enum class AttrKind {
  kInt,
  kFloat,
  kBool,
  kString,
  kType,
  kShape,
  kTensor,
  kFunction,
  kIntList,
  kFloatList,
  kBoolList,
  kStringList,
  kTypeList,
  kShapeList,
  kTensorList,
  kFunctionList,
};
std::string_view AttrKindName(AttrKind kind);  // "int", "list(int)", ...
// Whether `value` is of `kind`. An empty list of any kind fits every list.
bool IsOfKind(const AttrValue& value, AttrKind kind);

template <class T>
const T* GetIf(const AttrMap& attrs, std::string_view name) {
  auto it = attrs.find(name);
  return it == attrs.end() ? nullptr : it->second.template get_if<T>();
}
// The attribute or `fallback` when absent.
template <class T>
T GetOr(const AttrMap& attrs, std::string_view name, T fallback) {
  const T* v = GetIf<T>(attrs, name);
  return v ? *v : fallback;
}

}  // namespace lockstep
