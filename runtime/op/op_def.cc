// SPDX-License-Identifier: Apache-2.0
#include "runtime/op/op_def.h"

#include <algorithm>
#include <set>

#include "runtime/op/gpu_kernel.h"

namespace lockstep {
namespace {

Status CheckAttr(const AttrDef& def, const AttrValue& value) {
  if (!IsOfKind(value, def.kind)) {
    return InvalidArgument("attribute '", def.name, "' must be ",
                           AttrKindName(def.kind), ", is ", value.ToString());
  }
  auto type_allowed = [&](DType t) {
    return def.allowed_types.empty() ||
           std::ranges::find(def.allowed_types, BaseOf(t)) !=
               def.allowed_types.end();
  };
  auto type_error = [&](DType t) {
    std::vector<std::string> names;
    for (DType a : def.allowed_types) names.push_back(DTypeName(a));
    return InvalidArgument("attribute '", def.name, "' must be one of {",
                           Join(names, ", "), "}, is ", DTypeName(t));
  };
  if (const DType* t = std::get_if<DType>(&value); t && !type_allowed(*t)) {
    return type_error(*t);
  }
  if (auto* list = std::get_if<std::vector<DType>>(&value)) {
    for (DType t : *list) {
      if (!type_allowed(t)) return type_error(t);
    }
  }
  if (auto* s = std::get_if<std::string>(&value);
      s && !def.allowed_strings.empty() &&
      std::ranges::find(def.allowed_strings, *s) == def.allowed_strings.end()) {
    return InvalidArgument("attribute '", def.name, "' must be one of {",
                           Join(def.allowed_strings, ", "), "}, is \"", *s,
                           "\"");
  }
  if (def.has_minimum) {
    const int64_t* n = std::get_if<int64_t>(&value);
    if (n && *n < def.minimum) {
      return InvalidArgument("attribute '", def.name, "' must be at least ",
                             def.minimum, ", is ", *n);
    }
    auto* types = std::get_if<std::vector<DType>>(&value);
    if (types && static_cast<int64_t>(types->size()) < def.minimum) {
      return InvalidArgument("attribute '", def.name, "' needs at least ",
                             def.minimum, " types, has ", types->size());
    }
  }
  return Ok();
}

// An empty list of the kind; undefined for kinds that are no lists.
AttrValue EmptyList(AttrKind kind) {
  switch (kind) {
    case AttrKind::kIntList: return std::vector<int64_t>{};
    case AttrKind::kFloatList: return std::vector<float>{};
    case AttrKind::kBoolList: return std::vector<bool>{};
    case AttrKind::kStringList: return std::vector<std::string>{};
    case AttrKind::kTypeList: return std::vector<DType>{};
    case AttrKind::kShapeList: return std::vector<Shape>{};
    case AttrKind::kTensorList: return std::vector<Tensor>{};
    case AttrKind::kFunctionList: return std::vector<FunctionRef>{};
    default: return {};
  }
}

// Number of tensors that `arg` stands for.
Result<int64_t> ArgCount(const ArgDef& arg, const AttrMap& attrs) {
  if (!arg.number_attr.empty()) {
    const int64_t* n = GetIf<int64_t>(attrs, arg.number_attr);
    if (!n) return InvalidArgument("attribute '", arg.number_attr, "' missing");
    return *n;
  }
  if (!arg.type_list_attr.empty()) {
    auto* list = GetIf<std::vector<DType>>(attrs, arg.type_list_attr);
    // An empty list may have been stored as a list of another kind.
    return static_cast<int64_t>(list ? list->size() : 0);
  }
  return int64_t{1};
}

}  // namespace

const AttrDef* OpDef::FindAttr(std::string_view attr) const {
  auto it = std::ranges::find(attrs, attr, &AttrDef::name);
  return it == attrs.end() ? nullptr : &*it;
}

const KernelDef* OpDef::FindKernel(DeviceKind device,
                                   const AttrMap& node_attrs) const {
  for (const RegisteredKernel& k : kernels) {
    if (k.device != device) continue;
    const bool fits =
        std::ranges::all_of(k.constraints, [&](const TypeConstraint& c) {
          const DType* t = GetIf<DType>(node_attrs, c.attr);
          return t && BaseOf(*t) == c.type;
        });
    if (fits) return &k.def;
  }
  return nullptr;
}

std::string OpDef::KernelTypes(const AttrMap& node_attrs) const {
  std::set<std::string> names;
  for (const RegisteredKernel& kernel : kernels) {
    for (const TypeConstraint& c : kernel.constraints) names.insert(c.attr);
  }
  std::vector<std::string> parts;
  for (const std::string& name : names) {
    const DType* type = GetIf<DType>(node_attrs, name);
    if (type) parts.push_back(StrCat(name, "=", DTypeName(*type)));
  }
  return Join(parts, ", ");
}

Status CheckAttrs(const OpDef& def, AttrMap* attrs) {
  for (const AttrDef& a : def.attrs) {
    auto it = attrs->find(a.name);
    if (it == attrs->end()) {
      if (!a.default_value.defined()) {
        return InvalidArgument("op ", def.name, " needs attribute '", a.name,
                               "' (", AttrKindName(a.kind), ")");
      }
      attrs->emplace(a.name, a.default_value);
      continue;
    }
    LS_RETURN_IF_ERROR(CheckAttr(a, it->second));
    // An empty list fits whatever kind it was written as; from here on it is
    // of the kind that the op reads.
    AttrValue empty = EmptyList(a.kind);
    if (empty.defined() && empty.index() != it->second.index()) {
      it->second = std::move(empty);
    }
  }
  for (const auto& [name, value] : *attrs) {
    if (!name.empty() && name[0] != '_' && !def.FindAttr(name)) {
      return InvalidArgument("op ", def.name, " has no attribute '", name, "'");
    }
  }
  return Ok();
}

Result<std::vector<DType>> ArgTypes(const OpDef& def,
                                    const std::vector<ArgDef>& args,
                                    const AttrMap& attrs) {
  std::vector<DType> types;
  for (const ArgDef& arg : args) {
    if (!arg.type_list_attr.empty()) {
      if (auto* list = GetIf<std::vector<DType>>(attrs, arg.type_list_attr)) {
        types.insert(types.end(), list->begin(), list->end());
      }
      continue;
    }
    DType type = arg.type;
    if (!arg.type_attr.empty()) {
      const DType* t = GetIf<DType>(attrs, arg.type_attr);
      if (!t) {
        return InvalidArgument("op ", def.name, " needs attribute '",
                               arg.type_attr, "' (type)");
      }
      type = BaseOf(*t);
    }
    if (arg.is_ref) type = RefOf(type);
    LS_ASSIGN_OR_RETURN(int64_t count, ArgCount(arg, attrs));
    if (count < 0 || count > (1 << 20)) {
      return InvalidArgument("op ", def.name, " argument '", arg.name,
                             "' cannot have ", count, " tensors");
    }
    types.insert(types.end(), static_cast<size_t>(count), type);
  }
  return types;
}

Result<std::pair<int, int>> ArgRange(const OpDef& def,
                                     const std::vector<ArgDef>& args,
                                     const AttrMap& attrs, int arg) {
  int64_t first = 0;
  for (int i = 0; i < static_cast<int>(args.size()); ++i) {
    LS_ASSIGN_OR_RETURN(int64_t count,
                        ArgCount(args[static_cast<size_t>(i)], attrs));
    if (i == arg) {
      return std::pair(static_cast<int>(first), static_cast<int>(count));
    }
    first += count;
  }
  return InvalidArgument("op ", def.name, " has no argument ", arg);
}

OpRegistry& OpRegistry::Global() {
  // Never destroyed: kernels may be looked up until the process ends.
  static OpRegistry* registry = new OpRegistry;
  return *registry;
}

const OpDef* OpRegistry::Find(std::string_view name) const {
  auto it = ops_.find(name);
  return it == ops_.end() ? nullptr : &it->second;
}

std::vector<std::string> OpRegistry::Names() const {
  std::vector<std::string> names;
  for (const auto& [name, def] : ops_) names.push_back(name);
  return names;
}

std::vector<std::string> OpRegistry::OpsOfLostKernels() const {
  std::vector<std::string> ops;
  for (const auto& [op, kernel] : waiting_) ops.push_back(op);
  return ops;
}

namespace {

// A shared kernel's functions are those of the CPU's.
void Attach(RegisteredKernel kernel, OpDef* op) {
  if (kernel.def.run == SharedWithCpu) {
    AttrMap attrs;
    for (const TypeConstraint& c : kernel.constraints) {
      attrs.emplace(c.attr, c.type);
    }
    if (const KernelDef* cpu = op->FindKernel(kCpu, attrs)) {
      kernel.def.run = cpu->run;
      kernel.def.prepare = cpu->prepare;
    }
  }
  op->kernels.push_back(std::move(kernel));
}

}  // namespace

void OpRegistry::Register(OpDef def) {
  std::string name = def.name;
  auto [it, added] = ops_.emplace(name, std::move(def));
  if (!added) {
    AddError(StrCat("op '", name, "' is registered twice"));
    return;
  }
  for (auto& [op, kernel] : waiting_) {
    if (op == name) Attach(kernel, &it->second);
  }
  std::erase_if(waiting_, [&](const auto& w) { return w.first == name; });
}

void OpRegistry::AddKernel(std::string_view op, RegisteredKernel kernel) {
  auto it = ops_.find(op);
  if (it == ops_.end()) {
    waiting_.emplace_back(std::string(op), std::move(kernel));
  } else {
    Attach(std::move(kernel), &it->second);
  }
}

}  // namespace lockstep
