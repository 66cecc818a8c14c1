// SPDX-License-Identifier: Apache-2.0
#include "runtime/graph/meta_graph.h"

#include "proto/meta_graph.pb.h"
#include "proto/variable.pb.h"
#include "runtime/graph/graph_def.h"
#include "runtime/graph/meta_graph_proto.h"
#include "runtime/io/parse_proto.h"
#include "runtime/io/tensor_proto.h"

namespace lockstep {
namespace {

constexpr const char* kSchemaVersion = "1";
// The release whose format is written.
constexpr const char* kTensorFlowVersion = "2.21.0";

SaverNames ReadSaver(const proto::SaverDef& in) {
  return {.filename_tensor = in.filename_tensor_name(),
          .save_tensor = in.save_tensor_name(),
          .restore_op = in.restore_op_name(),
          .max_to_keep = in.max_to_keep(),
          .sharded = in.sharded(),
          .keep_checkpoint_every_n_hours = in.keep_checkpoint_every_n_hours()};
}

void WriteSaver(const SaverNames& saver, proto::SaverDef* out) {
  out->set_filename_tensor_name(saver.filename_tensor);
  out->set_save_tensor_name(saver.save_tensor);
  out->set_restore_op_name(saver.restore_op);
  out->set_max_to_keep(saver.max_to_keep);
  out->set_sharded(saver.sharded);
  out->set_keep_checkpoint_every_n_hours(saver.keep_checkpoint_every_n_hours);
  out->set_version(proto::SaverDef::V2);
}

Collection ReadCollection(const proto::CollectionDef& in) {
  Collection c;
  if (in.has_bytes_list()) {
    c.kind = Collection::Kind::kBytes;
    const auto& values = in.bytes_list().value();
    c.texts.assign(values.begin(), values.end());
  } else if (in.has_int64_list()) {
    c.kind = Collection::Kind::kInts;
    const auto& values = in.int64_list().value();
    c.ints.assign(values.begin(), values.end());
  } else if (in.has_float_list()) {
    c.kind = Collection::Kind::kFloats;
    const auto& values = in.float_list().value();
    c.floats.assign(values.begin(), values.end());
  } else if (in.has_any_list()) {
    c.kind = Collection::Kind::kAny;
    for (const auto& any : in.any_list().value()) {
      c.texts.push_back(any.SerializeAsString());
    }
  } else {
    const auto& values = in.node_list().value();
    c.texts.assign(values.begin(), values.end());
  }
  return c;
}

Status WriteCollection(const Collection& c, proto::CollectionDef* out) {
  switch (c.kind) {
    case Collection::Kind::kNodes:
      out->mutable_node_list()->mutable_value()->Assign(c.texts.begin(),
                                                        c.texts.end());
      break;
    case Collection::Kind::kBytes:
      out->mutable_bytes_list()->mutable_value()->Assign(c.texts.begin(),
                                                         c.texts.end());
      break;
    case Collection::Kind::kInts:
      out->mutable_int64_list()->mutable_value()->Assign(c.ints.begin(),
                                                         c.ints.end());
      break;
    case Collection::Kind::kFloats:
      out->mutable_float_list()->mutable_value()->Assign(c.floats.begin(),
                                                         c.floats.end());
      break;
    case Collection::Kind::kAny:
      for (const std::string& text : c.texts) {
        LS_RETURN_IF_ERROR(
            ParseProto(text, *out->mutable_any_list()->add_value()));
      }
      break;
  }
  return Ok();
}

Result<TensorInfo> ReadInfo(const proto::TensorInfo& in) {
  TensorInfo info{.name = in.name(), .dtype = static_cast<DType>(in.dtype())};
  if (in.has_coo_sparse()) {
    const auto& sparse = in.coo_sparse();
    info.sparse = {sparse.values_tensor_name(), sparse.indices_tensor_name(),
                   sparse.dense_shape_tensor_name()};
  }
  // Absent means unknown, as for every shape of a message.
  if (in.has_tensor_shape()) {
    LS_ASSIGN_OR_RETURN(info.shape, FromProto(in.tensor_shape()));
  }
  return info;
}

void WriteInfo(const TensorInfo& info, proto::TensorInfo* out) {
  if (info.sparse.size() == 3) {
    auto* sparse = out->mutable_coo_sparse();
    sparse->set_values_tensor_name(info.sparse[0]);
    sparse->set_indices_tensor_name(info.sparse[1]);
    sparse->set_dense_shape_tensor_name(info.sparse[2]);
  } else {
    out->set_name(info.name);
  }
  out->set_dtype(static_cast<proto::DataType>(info.dtype));
  ToProto(info.shape, out->mutable_tensor_shape());
}

Result<Signature> ReadSignature(const proto::SignatureDef& in) {
  Signature s{.inputs = {}, .outputs = {}, .method = in.method_name()};
  for (const auto& [name, info] : in.inputs()) {
    LS_ASSIGN_OR_RETURN(s.inputs[name], ReadInfo(info));
  }
  for (const auto& [name, info] : in.outputs()) {
    LS_ASSIGN_OR_RETURN(s.outputs[name], ReadInfo(info));
  }
  return s;
}

void WriteSignature(const Signature& s, proto::SignatureDef* out) {
  out->set_method_name(s.method);
  for (const auto& [name, info] : s.inputs) {
    WriteInfo(info, &(*out->mutable_inputs())[name]);
  }
  for (const auto& [name, info] : s.outputs) {
    WriteInfo(info, &(*out->mutable_outputs())[name]);
  }
}

}  // namespace

std::vector<std::string> MetaGraph::NodeCollection(
    std::string_view name) const {
  const auto it = collections.find(std::string(name));
  if (it == collections.end() || it->second.kind != Collection::Kind::kNodes) {
    return {};
  }
  return it->second.texts;
}

Result<std::vector<VariableInfo>> MetaGraph::VariableCollection(
    std::string_view name) const {
  std::vector<VariableInfo> variables;
  const auto it = collections.find(std::string(name));
  if (it == collections.end()) return variables;
  if (it->second.kind != Collection::Kind::kBytes) {
    return InvalidArgument("collection '", name, "' has no variables in it");
  }
  for (const std::string& bytes : it->second.texts) {
    proto::VariableDef def;
    const Status parsed = ParseProto(bytes, def);
    if (!parsed.ok()) {
      return parsed.WithContext(StrCat("collection '", name, "'"));
    }
    variables.push_back({.variable = def.variable_name(),
                         .initializer = def.initializer_name(),
                         .snapshot = def.snapshot_name(),
                         .initial_value = def.initial_value_name(),
                         .is_resource = def.is_resource(),
                         .trainable = def.trainable()});
  }
  return variables;
}

void MetaGraph::SetVariableCollection(
    const std::string& name, const std::vector<VariableInfo>& variables) {
  Collection c{.kind = Collection::Kind::kBytes};
  for (const VariableInfo& v : variables) {
    proto::VariableDef def;
    def.set_variable_name(v.variable);
    def.set_initializer_name(v.initializer);
    def.set_snapshot_name(v.snapshot);
    def.set_initial_value_name(v.initial_value);
    def.set_is_resource(v.is_resource);
    def.set_trainable(v.trainable);
    c.texts.push_back(def.SerializeAsString());
  }
  collections[name] = std::move(c);
}

Status ToProto(const MetaGraph& meta, proto::MetaGraphDef* out) {
  auto* info = out->mutable_meta_info_def();
  info->set_meta_graph_version(kSchemaVersion);
  info->set_tensorflow_version(kTensorFlowVersion);
  for (const std::string& tag : meta.tags) info->add_tags(tag);
  LS_RETURN_IF_ERROR(ToProto(meta.graph, out->mutable_graph_def()));
  if (meta.saver.defined()) WriteSaver(meta.saver, out->mutable_saver_def());
  for (const auto& [name, collection] : meta.collections) {
    LS_RETURN_IF_ERROR(
        WriteCollection(collection, &(*out->mutable_collection_def())[name]));
  }
  for (const auto& [name, signature] : meta.signatures) {
    WriteSignature(signature, &(*out->mutable_signature_def())[name]);
  }
  for (const Asset& asset : meta.assets) {
    proto::AssetFileDef* file = out->add_asset_file_def();
    file->mutable_tensor_info()->set_name(asset.tensor);
    file->set_filename(asset.filename);
  }
  if (meta.object_graph.empty()) return Ok();
  return ParseProto(meta.object_graph, *out->mutable_object_graph_def());
}

Result<MetaGraph> FromProto(proto::MetaGraphDef&& def) {
  MetaGraph meta;
  LS_ASSIGN_OR_RETURN(meta.graph,
                      FromProto(std::move(*def.mutable_graph_def())));
  const auto& tags = def.meta_info_def().tags();
  meta.tags.assign(tags.begin(), tags.end());
  if (def.has_saver_def()) meta.saver = ReadSaver(def.saver_def());
  for (const auto& [name, collection] : def.collection_def()) {
    meta.collections[name] = ReadCollection(collection);
  }
  for (const auto& [name, signature] : def.signature_def()) {
    Result<Signature> s = ReadSignature(signature);
    if (!s.ok()) {
      return s.status().WithContext(StrCat("signature '", name, "'"));
    }
    meta.signatures[name] = *std::move(s);
  }
  for (const auto& asset : def.asset_file_def()) {
    meta.assets.push_back({asset.tensor_info().name(), asset.filename()});
  }
  if (def.has_object_graph_def()) {
    LS_ASSIGN_OR_RETURN(meta.object_graph,
                        SerializeProto(def.object_graph_def()));
  }
  return meta;
}

Result<std::string> ToMetaGraphDef(const MetaGraph& meta) {
  proto::MetaGraphDef def;
  LS_RETURN_IF_ERROR(ToProto(meta, &def));
  return SerializeProto(def);
}

Result<MetaGraph> FromMetaGraphDef(std::string_view bytes) {
  proto::MetaGraphDef def;
  if (!ParseProto(bytes, def).ok()) {
    return InvalidArgument("not a serialized MetaGraphDef (", bytes.size(),
                           " bytes)");
  }
  return FromProto(std::move(def));
}

}  // namespace lockstep
