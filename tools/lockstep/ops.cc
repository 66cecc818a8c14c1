// SPDX-License-Identifier: Apache-2.0
#include "tools/lockstep/ops.h"

#include <algorithm>
#include <cstdio>
#include <map>
#include <set>

#include "runtime/graph/placer.h"
#include "runtime/op/op_def.h"
#include "tools/lockstep/command.h"

namespace lockstep {
namespace {

constexpr const char* kHelp = R"(lockstep ops [NAME ...] [--markdown]

Lists the ops there are, or describes those named.
)";

constexpr const char* kMarkdownHead =
    R"(<!-- Made by `lockstep ops --markdown`; a test holds it to the registry. -->
# Ops

Every op, under TensorFlow's name and with its semantics. How to add one is in
[adding_ops.md](adding_ops.md).

*Types* are those with a kernel on the CPU, for each attribute that a kernel is
chosen by; "any" is every type that the op allows, also where no kernel is
needed. *On a GPU* are those of which a node can be on a GPU; "by the host"
those that the host computes there, in its own memory. "ints" stands for int8 to
int64 and uint8 to uint64, "floats" for bfloat16, half, float and double,
"complex" for complex64 and complex128. *Gradient*: "yes"; "stops" where
TensorFlow's ends too; "-" where there is none.

| op | types | on a GPU | gradient |
|---|---|---|---|
)";

struct TypeGroup {
  const char* name;
  std::vector<DType> types;
};

const std::vector<TypeGroup>& Groups() {
  static const std::vector<TypeGroup> groups = {
      {"ints",
       {kInt8, kInt16, kInt32, kInt64, kUint8, kUint16, kUint32, kUint64}},
      {"floats", {kBfloat16, kHalf, kFloat, kDouble}},
      {"complex", {kComplex64, kComplex128}}};
  return groups;
}

std::string TypeList(std::set<DType> types) {
  std::vector<std::string> parts;
  for (const TypeGroup& group : Groups()) {
    const bool all = std::ranges::all_of(
        group.types, [&](DType t) { return types.contains(t); });
    if (!all) continue;
    parts.push_back(group.name);
    for (DType t : group.types) types.erase(t);
  }
  for (DType t : types) parts.push_back(DTypeName(t));
  return Join(parts, ", ");
}

// The types with a kernel, by the attributes that kernels are chosen by; "-"
// where there is none. What a GPU leaves to the host comes last.
std::string KernelTypes(const OpDef& op, DeviceKind device) {
  std::map<std::string, std::set<DType>> types;
  std::set<DType> on_host;
  bool any = false, some = false;
  for (const RegisteredKernel& kernel : op.kernels) {
    if (kernel.device != device) continue;
    some = true;
    any = any || kernel.constraints.empty();
    for (const TypeConstraint& c : kernel.constraints) {
      (kernel.def.on_host ? on_host : types[c.attr]).insert(c.type);
    }
  }
  if (any || !some) return any ? "any" : "-";
  std::vector<std::string> parts;
  for (const auto& [attr, list] : types) {
    parts.push_back(types.size() == 1 ? TypeList(list)
                                      : StrCat(attr, ": ", TypeList(list)));
  }
  if (!on_host.empty()) {
    parts.push_back(StrCat("by the host: ", TypeList(on_host)));
  }
  return Join(parts, "; ");
}

std::string CpuTypes(const OpDef& op) {
  return NeedsKernel(op) ? KernelTypes(op, kCpu) : "any";
}

const char* Gradient(const OpDef& op) {
  return op.gradient != nullptr ? "yes" : op.no_gradient ? "stops" : "-";
}

std::vector<const OpDef*> PublicOps() {
  std::vector<const OpDef*> ops;
  for (const std::string& name : OpRegistry::Global().Names()) {
    if (!name.starts_with('_')) {
      ops.push_back(OpRegistry::Global().Find(name));
    }
  }
  return ops;
}

std::string ArgText(const ArgDef& arg) {
  std::string type = !arg.type_list_attr.empty() ? arg.type_list_attr
                     : !arg.type_attr.empty()    ? arg.type_attr
                                                 : DTypeName(arg.type);
  if (!arg.number_attr.empty()) type = StrCat(arg.number_attr, " * ", type);
  return StrCat(arg.name, ": ", arg.is_ref ? StrCat("Ref(", type, ")") : type);
}

std::string AttrText(const AttrDef& attr) {
  std::string text = StrCat(attr.name, ": ", AttrKindName(attr.kind));
  if (!attr.allowed_types.empty()) {
    text += StrCat(
        " in {",
        TypeList({attr.allowed_types.begin(), attr.allowed_types.end()}), "}");
  }
  if (!attr.allowed_strings.empty()) {
    text += StrCat(" in {", Join(attr.allowed_strings, ", "), "}");
  }
  if (attr.has_minimum) text += StrCat(" >= ", attr.minimum);
  if (attr.default_value.defined()) {
    text += StrCat(" = ", attr.default_value);
  }
  return text;
}

void Describe(const OpDef& op) {
  std::printf("%s\n", op.name.c_str());
  for (const ArgDef& arg : op.inputs) {
    std::printf("  input   %s\n", ArgText(arg).c_str());
  }
  for (const ArgDef& arg : op.outputs) {
    std::printf("  output  %s\n", ArgText(arg).c_str());
  }
  for (const AttrDef& attr : op.attrs) {
    std::printf("  attr    %s\n", AttrText(attr).c_str());
  }
  if (NeedsKernel(op)) {
    std::printf("  types   %s\n", KernelTypes(op, kCpu).c_str());
  }
  std::printf("  on GPUs %s\n", KernelTypes(op, kGpu).c_str());
  std::printf("  gradient %s\n", Gradient(op));
}

Status DescribeAll(const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    const OpDef* op = OpRegistry::Global().Find(name);
    if (op == nullptr) {
      const std::string near = NearestName(name, OpRegistry::Global().Names());
      return NotFound("there is no op '", name, "'",
                      near.empty() ? "" : StrCat(" (", near, "?)"));
    }
    Describe(*op);
  }
  return Ok();
}

}  // namespace

std::string OpsMarkdown() {
  std::string text = kMarkdownHead;
  for (const OpDef* op : PublicOps()) {
    text += StrCat("| ", op->name, " | ", CpuTypes(*op), " | ",
                   KernelTypes(*op, kGpu), " | ", Gradient(*op), " |\n");
  }
  return text;
}

int OpsMain(const std::vector<std::string>& args) {
  std::vector<std::string> names;
  bool markdown = false;
  CommandLine line(kHelp);
  line.positional.add("name", -1);
  line.options.add_options()  //
      ("name", po::value(&names)->value_name("NAME"),
       "an op to describe; also without --name")  //
      ("markdown", po::bool_switch(&markdown), "print docs/ops.md");
  Status status = line.Parse(args);
  if (line.help()) return line.ShowHelp();
  if (status.ok()) status = DescribeAll(names);
  if (!status.ok()) return Fail("ops", status, kExitBadInput);
  if (markdown) {
    std::fputs(OpsMarkdown().c_str(), stdout);
  } else if (names.empty()) {
    for (const OpDef* op : PublicOps()) {
      std::printf("%-36s %-5s %s\n", op->name.c_str(), Gradient(*op),
                  CpuTypes(*op).c_str());
    }
  }
  return 0;
}

}  // namespace lockstep
