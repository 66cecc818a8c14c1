// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstdio>
#include <map>
#include <set>

#include "proto/meta_graph.pb.h"
#include "proto/variable.pb.h"
#include "runtime/graph/meta_graph_proto.h"
#include "runtime/io/parse_proto.h"
#include "runtime/io/tensor_proto.h"
#include "tools/lockstep/inspect.h"

namespace lockstep {
namespace {

std::string ShapeText(const proto::TensorShapeProto& shape) {
  const Result<Shape> s = FromProto(shape);
  return s.ok() ? s->ToString() : "(bad)";
}

std::string TypeText(int type) { return DTypeName(static_cast<DType>(type)); }

const proto::AttrValue* Attr(const proto::NodeDef& node, const char* name) {
  const auto it = node.attr().find(name);
  return it == node.attr().end() ? nullptr : &it->second;
}

// Name, dtype and shape of a placeholder or variable, by its attributes.
Json NodeInfo(const proto::NodeDef& node) {
  Json info = {{"name", node.name()}};
  const proto::AttrValue* dtype = Attr(node, "dtype");
  const proto::AttrValue* shape = Attr(node, "shape");
  info["dtype"] = dtype ? TypeText(dtype->type()) : "";
  info["shape"] = shape ? ShapeText(shape->shape()) : "?";
  return info;
}

bool IsVariable(const std::string& op) {
  return op == "Variable" || op == "VariableV2" || op == "VarHandleOp";
}

bool IsPlaceholder(const std::string& op) {
  return op == "Placeholder" || op == "PlaceholderV2" ||
         op == "PlaceholderWithDefault";
}

// Made with every variable, for whoever may want them.
bool ComesWithVariables(const std::string& op) {
  return op == "VarIsInitializedOp" || op == "ReadVariableOp" ||
         op == "IsVariableInitialized";
}

// Nodes that nobody reads and that are there for their value or effect.
Json Outputs(const proto::GraphDef& def) {
  std::set<std::string> used;
  for (const auto& node : def.node()) {
    for (std::string in : node.input()) {
      if (in.starts_with('^')) in.erase(0, 1);
      used.insert(in.substr(0, in.find(':')));
    }
  }
  Json outputs = Json::array();
  for (const auto& node : def.node()) {
    const std::string& op = node.op();
    if (used.contains(node.name()) || op == "Const" || IsPlaceholder(op) ||
        IsVariable(op) || ComesWithVariables(op)) {
      continue;
    }
    outputs.push_back({{"name", node.name()}, {"op", op}});
  }
  return outputs;
}

void AddNodes(const proto::GraphDef& def, Json* json) {
  std::map<std::string, int64_t> ops;
  Json inputs = Json::array(), variables = Json::array();
  int64_t parameters = 0, bytes = 0;
  for (const auto& node : def.node()) {
    ++ops[node.op()];
    if (IsPlaceholder(node.op())) inputs.push_back(NodeInfo(node));
    if (!IsVariable(node.op())) continue;
    variables.push_back(NodeInfo(node));
    const proto::AttrValue* shape = Attr(node, "shape");
    const proto::AttrValue* dtype = Attr(node, "dtype");
    const Result<Shape> s = shape ? FromProto(shape->shape()) : Shape();
    if (!s.ok() || !s->IsFullyKnown() || !dtype) continue;
    parameters += s->NumElements();
    bytes += s->NumElements() *
             static_cast<int64_t>(DTypeSize(static_cast<DType>(dtype->type())));
  }
  (*json)["inputs"] = std::move(inputs);
  (*json)["outputs"] = Outputs(def);
  (*json)["variables"] = std::move(variables);
  (*json)["variable_elements"] = parameters;
  (*json)["variable_bytes"] = bytes;
  (*json)["ops"] = ops;
  Json functions = Json::array();
  for (const auto& f : def.library().function()) {
    functions.push_back({{"name", f.signature().name()},
                         {"args", f.signature().input_arg_size()},
                         {"results", f.signature().output_arg_size()},
                         {"nodes", f.node_def_size()}});
  }
  (*json)["functions"] = std::move(functions);
}

Json Ends(const google::protobuf::Map<std::string, proto::TensorInfo>& ends) {
  std::map<std::string, Json> sorted;
  for (const auto& [name, info] : ends) {
    sorted[name] = {{"tensor", info.has_coo_sparse()
                                   ? info.coo_sparse().values_tensor_name()
                                   : info.name()},
                    {"dtype", TypeText(info.dtype())},
                    {"shape", ShapeText(info.tensor_shape())}};
  }
  return sorted;
}

Json CollectionInfo(const proto::CollectionDef& c) {
  Json names = Json::array();
  if (c.has_node_list()) {
    for (const std::string& name : c.node_list().value()) names.push_back(name);
    return {{"kind", "nodes"}, {"names", std::move(names)}};
  }
  if (c.has_bytes_list()) {
    for (const std::string& bytes : c.bytes_list().value()) {
      proto::VariableDef def;
      const bool parsed = ParseProto(bytes, def).ok();
      names.push_back(parsed ? def.variable_name() : "?");
    }
    return {{"kind", "messages"}, {"names", std::move(names)}};
  }
  const int n = c.has_int64_list()   ? c.int64_list().value_size()
                : c.has_float_list() ? c.float_list().value_size()
                                     : c.any_list().value_size();
  return {{"kind", "values"}, {"count", n}};
}

void AddMeta(const proto::MetaGraphDef& def, Json* json) {
  Json tags = Json::array();
  for (const std::string& tag : def.meta_info_def().tags()) tags.push_back(tag);
  if (!tags.empty()) (*json)["tags"] = std::move(tags);
  if (def.has_saver_def()) {
    const auto& saver = def.saver_def();
    (*json)["saver"] = {{"filename", saver.filename_tensor_name()},
                        {"save", saver.save_tensor_name()},
                        {"restore", saver.restore_op_name()},
                        {"max_to_keep", saver.max_to_keep()}};
  }
  std::map<std::string, Json> collections, signatures;
  for (const auto& [name, c] : def.collection_def()) {
    collections[name] = CollectionInfo(c);
  }
  for (const auto& [name, s] : def.signature_def()) {
    signatures[name] = {{"method", s.method_name()},
                        {"inputs", Ends(s.inputs())},
                        {"outputs", Ends(s.outputs())}};
  }
  if (!collections.empty()) (*json)["collections"] = collections;
  if (!signatures.empty()) (*json)["signatures"] = signatures;
  if (def.asset_file_def_size() > 0) {
    Json assets = Json::array();
    for (const auto& a : def.asset_file_def()) assets.push_back(a.filename());
    (*json)["assets"] = std::move(assets);
  }
}

std::string Text(const Json& json) { return json.get<std::string>(); }

void PrintTensors(const char* title, const Json& list) {
  if (list.empty()) return;
  std::printf("%s (%zu)\n", title, list.size());
  for (const Json& t : list) {
    std::printf("  %-40s %-9s %s\n", Text(t["name"]).c_str(),
                Text(t["dtype"]).c_str(), Text(t["shape"]).c_str());
  }
}

void PrintEnds(const char* title, const Json& ends) {
  for (const auto& [name, info] : ends.items()) {
    std::printf("    %-6s %-20s %-28s %-9s %s\n", title, name.c_str(),
                Text(info["tensor"]).c_str(), Text(info["dtype"]).c_str(),
                Text(info["shape"]).c_str());
  }
}

void PrintMeta(const Json& json) {
  if (json.contains("tags")) {
    std::printf("tags %s\n", DumpJson(json["tags"]).c_str());
  }
  if (json.contains("signatures")) {
    std::printf("signatures\n");
    for (const auto& [name, s] : json["signatures"].items()) {
      std::printf("  %s (%s)\n", name.c_str(), Text(s["method"]).c_str());
      PrintEnds("input", s["inputs"]);
      PrintEnds("output", s["outputs"]);
    }
  }
  if (json.contains("saver")) {
    const Json& saver = json["saver"];
    std::printf("saver: filename %s, save %s, restore %s\n",
                Text(saver["filename"]).c_str(), Text(saver["save"]).c_str(),
                Text(saver["restore"]).c_str());
  }
  if (!json.contains("collections")) return;
  std::printf("collections\n");
  for (const auto& [name, c] : json["collections"].items()) {
    if (!c.contains("names")) {
      std::printf("  %-24s %d values\n", name.c_str(), c["count"].get<int>());
      continue;
    }
    std::vector<std::string> names = c["names"];
    const size_t count = names.size();
    if (count > 6) names.resize(6);
    std::printf("  %-24s %s%s\n", name.c_str(), Join(names, ", ").c_str(),
                count > 6 ? StrCat(" and ", count - 6, " more").c_str() : "");
  }
}

}  // namespace

Result<Json> InspectGraph(Env& env, const std::string& path) {
  proto::MetaGraphDef def;
  LS_RETURN_IF_ERROR(ReadMetaGraphDef(env, path, &def));
  Json json = {{"kind", def.has_meta_info_def() ? "meta_graph" : "graph"},
               {"file", path},
               {"nodes", def.graph_def().node_size()},
               {"producer", def.graph_def().versions().producer()}};
  const std::string& version = def.meta_info_def().tensorflow_version();
  if (!version.empty()) json["tensorflow"] = version;
  AddNodes(def.graph_def(), &json);
  AddMeta(def, &json);
  return json;
}

void PrintGraph(const Json& json) {
  std::printf("%s: graph of %d nodes, %zu functions",
              Text(json["file"]).c_str(), json["nodes"].get<int>(),
              json["functions"].size());
  if (json.contains("tensorflow")) {
    std::printf(", by TensorFlow %s", Text(json["tensorflow"]).c_str());
  }
  std::printf("\n");
  PrintTensors("inputs", json["inputs"]);
  PrintTensors("variables", json["variables"]);
  if (!json["variables"].empty()) {
    std::printf("  in all %lld elements, %s\n",
                json["variable_elements"].get<long long>(),
                HumanBytes(json["variable_bytes"].get<uint64_t>()).c_str());
  }
  std::printf("outputs and targets (%zu)\n", json["outputs"].size());
  for (const Json& o : json["outputs"]) {
    std::printf("  %-40s %s\n", Text(o["name"]).c_str(), Text(o["op"]).c_str());
  }
  PrintMeta(json);
  std::vector<std::pair<int64_t, std::string>> ops;
  for (const auto& [op, count] : json["ops"].items()) {
    ops.emplace_back(-count.get<int64_t>(), op);
  }
  std::ranges::sort(ops);
  std::vector<std::string> parts;
  for (const auto& [count, op] : ops) parts.push_back(StrCat(op, " ", -count));
  std::printf("ops: %s\n", Join(parts, ", ").c_str());
}

}  // namespace lockstep
