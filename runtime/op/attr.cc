// SPDX-License-Identifier: Apache-2.0
#include "runtime/op/attr.h"

#include <type_traits>

namespace lockstep {
namespace {

template <class T>
inline constexpr bool kIsVector = false;
template <class T>
inline constexpr bool kIsVector<std::vector<T>> = true;

std::string Text(std::monostate) { return "<none>"; }
std::string Text(int64_t v) { return StrCat(v); }
std::string Text(float v) { return StrCat(v); }
std::string Text(bool v) { return v ? "true" : "false"; }
std::string Text(const std::string& v) { return StrCat('"', v, '"'); }
std::string Text(DType v) { return DTypeName(v); }
std::string Text(const Shape& v) { return v.ToString(); }
std::string Text(const Tensor& v) { return v.ToString(4); }
std::string Text(const FunctionRef& v) { return v.name; }
template <class T>
std::string Text(const std::vector<T>& list) {
  std::string out = "[";
  for (size_t i = 0; i < list.size(); ++i) {
    if (i > 0) out += ',';
    if (i == 16) return out + "...]";
    out += Text(static_cast<const T&>(list[i]));
  }
  return out + "]";
}

template <class T>
std::string Text(const SharedValue<T>& v) {
  return Text(*v);
}

bool Same(std::monostate, std::monostate) { return true; }
bool Same(const Tensor& a, const Tensor& b) { return BitwiseEqual(a, b); }
bool Same(const FunctionRef& a, const FunctionRef& b) {
  if (a.name != b.name) return false;
  const size_t na = a.attrs ? a.attrs->size() : 0;
  const size_t nb = b.attrs ? b.attrs->size() : 0;
  if (na != nb) return false;
  if (na == 0) return true;
  for (const auto& [name, value] : *a.attrs) {
    auto it = b.attrs->find(name);
    if (it == b.attrs->end() || !value.Equals(it->second)) return false;
  }
  return true;
}
template <class T>
requires std::is_same_v<T, int64_t> || std::is_same_v<T, float> ||
    std::is_same_v<T, bool> || std::is_same_v<T, std::string> ||
    std::is_same_v<T, DType> || std::is_same_v<T, Shape>
bool Same(const T& a, const T& b) { return a == b; }
template <class T>
bool Same(const std::vector<T>& a, const std::vector<T>& b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (!Same(static_cast<const T&>(a[i]), static_cast<const T&>(b[i]))) {
      return false;
    }
  }
  return true;
}

template <class T>
bool Same(const SharedValue<T>& a, const SharedValue<T>& b) {
  return Same(*a, *b);
}

bool IsList(AttrKind kind) { return kind >= AttrKind::kIntList; }

}  // namespace

std::string AttrValue::ToString() const {
  return std::visit([](const auto& v) { return Text(v); },
                    static_cast<const variant&>(*this));
}

bool AttrValue::Equals(const AttrValue& other) const {
  if (index() != other.index()) return false;
  return std::visit(
      [&](const auto& v) {
        using T = std::decay_t<decltype(v)>;
        return Same(v, std::get<T>(other));
      },
      static_cast<const variant&>(*this));
}

std::string_view AttrKindName(AttrKind kind) {
  static constexpr std::string_view kNames[] = {
      "int",        "float",       "bool",         "string",
      "type",       "shape",       "tensor",       "func",
      "list(int)",  "list(float)", "list(bool)",   "list(string)",
      "list(type)", "list(shape)", "list(tensor)", "list(func)"};
  return kNames[static_cast<size_t>(kind)];
}

bool IsOfKind(const AttrValue& value, AttrKind kind) {
  switch (kind) {
    case AttrKind::kInt: return std::holds_alternative<int64_t>(value);
    case AttrKind::kFloat: return std::holds_alternative<float>(value);
    case AttrKind::kBool: return std::holds_alternative<bool>(value);
    case AttrKind::kString: return std::holds_alternative<std::string>(value);
    case AttrKind::kType: return std::holds_alternative<DType>(value);
    case AttrKind::kShape: return value.get_if<Shape>() != nullptr;
    case AttrKind::kTensor: return value.get_if<Tensor>() != nullptr;
    case AttrKind::kFunction: return value.get_if<FunctionRef>() != nullptr;
    default: break;
  }
  const bool empty_list = std::visit(
      [](const auto& v) {
        if constexpr (kIsVector<std::decay_t<decltype(v)>>) return v.empty();
        return false;
      },
      static_cast<const AttrValue::variant&>(value));
  if (empty_list && IsList(kind)) return true;
  switch (kind) {
    case AttrKind::kIntList:
      return std::holds_alternative<std::vector<int64_t>>(value);
    case AttrKind::kFloatList:
      return std::holds_alternative<std::vector<float>>(value);
    case AttrKind::kBoolList:
      return std::holds_alternative<std::vector<bool>>(value);
    case AttrKind::kStringList:
      return std::holds_alternative<std::vector<std::string>>(value);
    case AttrKind::kTypeList:
      return std::holds_alternative<std::vector<DType>>(value);
    case AttrKind::kShapeList:
      return std::holds_alternative<std::vector<Shape>>(value);
    case AttrKind::kTensorList:
      return std::holds_alternative<std::vector<Tensor>>(value);
    case AttrKind::kFunctionList:
      return std::holds_alternative<std::vector<FunctionRef>>(value);
    default: return false;
  }
}

}  // namespace lockstep
