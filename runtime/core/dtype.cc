// SPDX-License-Identifier: Apache-2.0
#include "runtime/core/dtype.h"

#include "runtime/core/object.h"

namespace lockstep {
namespace {

struct DTypeInfo {
  DType type;
  std::string_view name;   // TensorFlow's DataTypeString
  std::string_view alias;  // NumPy's name where it is another one
  std::string_view proto;  // DT_<proto>
};

constexpr DTypeInfo kInfos[] = {
    {kFloat, "float", "float32", "FLOAT"},
    {kDouble, "double", "float64", "DOUBLE"},
    {kInt32, "int32", "", "INT32"},
    {kUint8, "uint8", "", "UINT8"},
    {kInt16, "int16", "", "INT16"},
    {kInt8, "int8", "", "INT8"},
    {kString, "string", "", "STRING"},
    {kComplex64, "complex64", "", "COMPLEX64"},
    {kInt64, "int64", "", "INT64"},
    {kBool, "bool", "", "BOOL"},
    {kBfloat16, "bfloat16", "", "BFLOAT16"},
    {kUint16, "uint16", "", "UINT16"},
    {kComplex128, "complex128", "", "COMPLEX128"},
    {kHalf, "half", "float16", "HALF"},
    {kResource, "resource", "", "RESOURCE"},
    {kVariant, "variant", "", "VARIANT"},
    {kUint32, "uint32", "", "UINT32"},
    {kUint64, "uint64", "", "UINT64"},
};

const DTypeInfo* Find(DType t) {
  for (const DTypeInfo& info : kInfos) {
    if (info.type == t) return &info;
  }
  return nullptr;
}

// Drops `suffix` from the end of `text`; false when it is not there.
bool DropSuffix(std::string_view& text, std::string_view suffix) {
  if (!text.ends_with(suffix)) return false;
  text.remove_suffix(suffix.size());
  return true;
}

}  // namespace

size_t DTypeSize(DType t) {
  switch (BaseOf(t)) {
    case kUint8:
    case kInt8:
    case kBool: return 1;
    case kInt16:
    case kUint16:
    case kBfloat16:
    case kHalf: return 2;
    case kFloat:
    case kInt32:
    case kUint32: return 4;
    case kDouble:
    case kInt64:
    case kUint64:
    case kComplex64: return 8;
    case kComplex128: return 16;
    case kString: return sizeof(std::string);
    case kResource:
    case kVariant: return sizeof(ObjectRef);
    default: return 0;
  }
}

std::string DTypeName(DType t) {
  if (t == kInvalidType) return "invalid";
  const DTypeInfo* info = Find(BaseOf(t));
  if (info == nullptr) return StrCat("dtype(", static_cast<int>(t), ")");
  return StrCat(info->name, IsRef(t) ? "_ref" : "");
}

DType DTypeFromName(std::string_view name) {
  const bool proto = name.starts_with("DT_");
  if (proto) name.remove_prefix(3);
  const bool ref = DropSuffix(name, proto ? "_REF" : "_ref");
  if (name.empty()) return kInvalidType;
  for (const DTypeInfo& info : kInfos) {
    if (proto ? name == info.proto : name == info.name || name == info.alias) {
      return ref ? RefOf(info.type) : info.type;
    }
  }
  return kInvalidType;
}

bool IsPod(DType t) {
  return BaseOf(t) != kString && !IsObject(t) && DTypeSize(t) != 0;
}

bool IsObject(DType t) {
  return BaseOf(t) == kResource || BaseOf(t) == kVariant;
}

bool IsFloating(DType t) {
  const DType base = BaseOf(t);
  return base == kFloat || base == kDouble || base == kHalf ||
         base == kBfloat16;
}

bool IsComplex(DType t) {
  const DType base = BaseOf(t);
  return base == kComplex64 || base == kComplex128;
}

bool IsInteger(DType t) {
  switch (BaseOf(t)) {
    case kInt8:
    case kInt16:
    case kInt32:
    case kInt64:
    case kUint8:
    case kUint16:
    case kUint32:
    case kUint64: return true;
    default: return false;
  }
}

}  // namespace lockstep
