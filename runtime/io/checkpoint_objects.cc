// SPDX-License-Identifier: Apache-2.0
#include "runtime/io/checkpoint_objects.h"

#include "proto/saved_object_graph.pb.h"
#include "runtime/io/parse_proto.h"

namespace lockstep {
namespace {

constexpr std::string_view kValueSuffix = "/.ATTRIBUTES/VARIABLE_VALUE";

// Names in keys have each '.' doubled and each '/' as ".S".
std::string Unescaped(std::string_view path) {
  std::string out;
  for (size_t i = 0; i < path.size(); ++i) {
    const char next = i + 1 < path.size() ? path[i + 1] : '\0';
    if (path[i] == '.' && (next == '.' || next == 'S')) {
      out += next == 'S' ? '/' : '.';
      ++i;
    } else {
      out += path[i];
    }
  }
  return out;
}

}  // namespace

Result<KeysByName> VariableKeys(std::string_view bytes) {
  proto::TrackableObjectGraph graph;
  LS_RETURN_IF_ERROR(ParseProto(bytes, graph));
  KeysByName keys;
  for (const auto& object : graph.nodes()) {
    for (const auto& attribute : object.attributes()) {
      if (attribute.full_name().empty()) continue;
      const auto [at, is_new] =
          keys.try_emplace(attribute.full_name(), attribute.checkpoint_key());
      // Several variables of one name, or one variable seen twice.
      if (!is_new && at->second != attribute.checkpoint_key()) {
        at->second.clear();
      }
    }
  }
  std::erase_if(keys, [](const auto& entry) { return entry.second.empty(); });
  return keys;
}

std::string ObjectPath(std::string_view key) {
  if (!key.ends_with(kValueSuffix)) return {};
  key.remove_suffix(kValueSuffix.size());
  return Unescaped(key);
}

}  // namespace lockstep
