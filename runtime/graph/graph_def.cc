// SPDX-License-Identifier: Apache-2.0
#include "runtime/graph/graph_def.h"

#include "proto/graph.pb.h"
#include "runtime/graph/constant_limits.h"
#include "runtime/graph/function_def.h"
#include "runtime/graph/node_def.h"
#include "runtime/io/parse_proto.h"

namespace lockstep {
namespace {

// TensorFlow's GraphDef version that the used features belong to.
constexpr int kProducerVersion = 1286;
Result<std::string> NameInGraph(Output o) {
  return o.index == 0 ? o.node->name() : o.name();
}

}  // namespace

Status ToProto(const Graph& graph, proto::GraphDef* def) {
  def->mutable_versions()->set_producer(kProducerVersion);
  for (const Node* n : graph.nodes()) {
    LS_RETURN_IF_ERROR(WriteNode(*n, NameInGraph, def->add_node()));
  }
  if (!graph.functions()) return Ok();
  for (const std::string& name : graph.functions()->Names()) {
    LS_RETURN_IF_ERROR(ToProto(*graph.functions()->Find(name),
                               def->mutable_library()->add_function()));
    const std::string gradient = graph.functions()->GradientOf(name);
    if (gradient.empty()) continue;
    proto::GradientDef* of = def->mutable_library()->add_gradient();
    of->set_function_name(name);
    of->set_gradient_func(gradient);
  }
  return Ok();
}

Result<std::string> ToGraphDef(const Graph& graph) {
  proto::GraphDef def;
  LS_RETURN_IF_ERROR(ToProto(graph, &def));
  return SerializeProto(def);
}

namespace {

// `consumed` is null or the message itself.
Result<Graph> Import(const proto::GraphDef& def, proto::GraphDef* consumed) {
  LS_RETURN_IF_ERROR(CheckRepeatedValues(def));
  Graph graph;
  FunctionSignatures signatures;
  for (const auto& f : def.library().function()) {
    signatures[f.signature().name()] = &f;
  }
  if (!signatures.empty()) {
    auto library = std::make_shared<FunctionLibrary>();
    for (const auto& [name, f] : signatures) {
      // A function that cannot run hurts those only who call it.
      Result<Function> function = FromProto(*f, signatures);
      if (function.ok()) {
        LS_RETURN_IF_ERROR(library->Add(*std::move(function)));
      } else {
        library->AddBroken(name, function.status());
      }
    }
    for (const auto& g : def.library().gradient()) {
      library->SetGradient(g.function_name(), g.gradient_func());
    }
    graph.set_functions(std::move(library));
  }
  NodeImporter importer(def.node(), NodeImporter::Names::kGraph, signatures,
                        &graph, consumed ? consumed->mutable_node() : nullptr);
  LS_RETURN_IF_ERROR(importer.Import());
  return graph;
}

}  // namespace

Result<Graph> FromProto(const proto::GraphDef& def) {
  return Import(def, nullptr);
}

Result<Graph> FromProto(proto::GraphDef&& def) { return Import(def, &def); }

Result<Graph> FromGraphDef(std::string_view bytes) {
  proto::GraphDef def;
  if (!ParseProto(bytes, def).ok()) {
    return InvalidArgument("not a serialized GraphDef (", bytes.size(),
                           " bytes)");
  }
  return FromProto(std::move(def));
}

Result<Graph> FromGraphDefText(std::string_view text) {
  proto::GraphDef def;
  const Status parsed = ParseTextProto(text, def);
  if (!parsed.ok()) {
    return InvalidArgument("not a GraphDef in text form: ", parsed.message());
  }
  return FromProto(std::move(def));
}

}  // namespace lockstep
