// SPDX-License-Identifier: Apache-2.0
#include "runtime/graph/function_def.h"

#include <algorithm>

#include "proto/function.pb.h"
#include "runtime/graph/attr_proto.h"
#include "runtime/graph/control_flow.h"
#include "runtime/graph/node_def.h"

namespace lockstep {
namespace {

// The shape that an argument's attributes tell; unknown otherwise.
Shape ShapeOfArg(const proto::FunctionDef& def, uint32_t index) {
  auto attrs = def.arg_attr().find(index);
  if (attrs == def.arg_attr().end()) return Shape::Unknown();
  auto shapes = attrs->second.attr().find("_output_shapes");
  if (shapes == attrs->second.attr().end()) return Shape::Unknown();
  const Result<AttrValue> value = FromProto(shapes->second);
  const auto* list =
      value.ok() ? std::get_if<std::vector<Shape>>(&*value) : nullptr;
  return list && list->size() == 1 ? (*list)[0] : Shape::Unknown();
}

Status AddArgs(const proto::FunctionDef& def, Function* f,
               NodeImporter* importer) {
  for (int i = 0; i < def.signature().input_arg_size(); ++i) {
    const auto& arg = def.signature().input_arg(i);
    if (arg.type() == proto::DT_INVALID || !arg.number_attr().empty()) {
      return Unimplemented("argument '", arg.name(),
                           "' has a type that depends on the call");
    }
    const DType type = static_cast<DType>(arg.type());
    LS_ASSIGN_OR_RETURN(
        Node * node,
        f->body.AddNode(
            {.name = arg.name(),
             .op = arg.is_ref() ? "_RefArg" : "_Arg",
             .attrs = {
                 {"T", type},
                 {"index", i},
                 {"_shape", ShapeOfArg(def, static_cast<uint32_t>(i))}}}));
    f->args.push_back(node);
    f->arg_names.push_back(arg.name());
    importer->AddArg(arg.name(), node);
  }
  return Ok();
}

Status FindResults(const proto::FunctionDef& def, const NodeImporter& importer,
                   Function* f) {
  for (const auto& result : def.signature().output_arg()) {
    auto ret = def.ret().find(result.name());
    if (ret == def.ret().end()) {
      return InvalidArgument("result '", result.name(), "' is not returned");
    }
    LS_ASSIGN_OR_RETURN(Output output, importer.Find(ret->second));
    f->results.push_back(output);
    f->result_names.push_back(result.name());
  }
  for (const std::string& name : def.signature().control_output()) {
    auto ret = def.control_ret().find(name);
    Node* node = ret == def.control_ret().end()
                     ? nullptr
                     : importer.FindNode(ret->second);
    if (!node) {
      return InvalidArgument("control output '", name, "' does not exist");
    }
    f->control_results.push_back(node);
    f->control_names.push_back(name);
  }
  return Ok();
}

Result<Function> Read(const proto::FunctionDef& def,
                      const FunctionSignatures& functions) {
  Function f{.name = def.signature().name()};
  NodeImporter importer(def.node_def(), NodeImporter::Names::kFunction,
                        functions, &f.body);
  LS_RETURN_IF_ERROR(AddArgs(def, &f, &importer));
  LS_RETURN_IF_ERROR(importer.Import());
  LS_RETURN_IF_ERROR(FindResults(def, importer, &f));
  for (const auto& [name, value] : def.attr()) {
    LS_ASSIGN_OR_RETURN(f.attrs[name], FromProto(value));
  }
  return f;
}

// "node:output name:index", or the argument's name.
Result<std::string> NameInFunction(Output o) {
  if (IsArg(*o.node)) return o.node->name();
  const auto& outputs = o.node->def().outputs;
  for (int i = 0; i < static_cast<int>(outputs.size()); ++i) {
    LS_ASSIGN_OR_RETURN(auto range,
                        ArgRange(o.node->def(), outputs, o.node->attrs(), i));
    if (o.index < range.first + range.second) {
      return StrCat(o.node->name(), ":", outputs[static_cast<size_t>(i)].name,
                    ":", o.index - range.first);
    }
  }
  return Internal("'", o.name(), "' does not exist");
}

std::string NameOr(const std::vector<std::string>& names, size_t i,
                   const char* fallback) {
  return i < names.size() ? names[i] : StrCat(fallback, i);
}

Status WriteResults(const Function& f, proto::FunctionDef* out) {
  auto* signature = out->mutable_signature();
  for (size_t i = 0; i < f.results.size(); ++i) {
    const std::string name = NameOr(f.result_names, i, "ret");
    auto* arg = signature->add_output_arg();
    arg->set_name(name);
    arg->set_type(static_cast<proto::DataType>(BaseOf(f.results[i].dtype())));
    LS_ASSIGN_OR_RETURN((*out->mutable_ret())[name],
                        NameInFunction(f.results[i]));
  }
  for (size_t i = 0; i < f.control_results.size(); ++i) {
    const std::string name = i < f.control_names.size()
                                 ? f.control_names[i]
                                 : f.control_results[i]->name();
    signature->add_control_output(name);
    (*out->mutable_control_ret())[name] = f.control_results[i]->name();
  }
  return Ok();
}

}  // namespace

Result<Function> FromProto(const proto::FunctionDef& def,
                           const FunctionSignatures& functions) {
  Result<Function> f = Read(def, functions);
  if (f.ok()) return f;
  return f.status().WithContext(
      StrCat("function '", def.signature().name(), "'"));
}

Status ToProto(const Function& f, proto::FunctionDef* out) {
  auto* signature = out->mutable_signature();
  signature->set_name(f.name);
  signature->set_is_stateful(!f.Effects().empty());
  for (size_t i = 0; i < f.args.size(); ++i) {
    auto* arg = signature->add_input_arg();
    arg->set_name(f.args[i]->name());
    arg->set_type(static_cast<proto::DataType>(BaseOf(f.arg_type(i))));
    arg->set_is_ref(IsRef(f.arg_type(i)));
  }
  for (const Node* n : f.body.nodes()) {
    if (IsArg(*n)) continue;
    Status s = WriteNode(*n, NameInFunction, out->add_node_def());
    if (!s.ok()) return s.WithContext(StrCat("function '", f.name, "'"));
  }
  for (const auto& [name, value] : f.attrs) {
    LS_RETURN_IF_ERROR(ToProto(value, &(*out->mutable_attr())[name]));
  }
  return WriteResults(f, out);
}

}  // namespace lockstep
