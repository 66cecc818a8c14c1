// SPDX-License-Identifier: Apache-2.0
// Graphs: what is read is written again, and must then be read as the same.
#include <cstdio>

#include "runtime/graph/check_graph.h"
#include "runtime/graph/graph_def.h"
#include "runtime/graph/meta_graph.h"
#include "runtime/graph/saved_model.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/testing/fault_env.h"

namespace lockstep::fuzz {
namespace {

// Constants that repeat one value are expanded, up to kMaxRepeatedBytes.
constexpr size_t kGraphAllocation = MiB(1100);

// Writing out what a few bytes expanded to is not what is tested.
bool IsLarge(const Graph& graph) {
  size_t bytes = 0;
  for (const Node* node : graph.nodes()) {
    if (!node->traits().constant) continue;
    const Tensor* value = GetIf<Tensor>(node->attrs(), "value");
    if (value != nullptr) bytes += value->bytes();
  }
  return bytes > MiB(16);
}

void Check(const Result<Graph>& graph) {
  if (!graph.ok() || IsLarge(*graph)) return;
  const auto bytes = ToGraphDef(*graph);
  if (!bytes.ok()) return;
  const auto again = FromGraphDef(*bytes);
  if (again.ok()) return;
  std::fprintf(stderr, "read once, not twice: %s\n",
               again.status().ToString().c_str());
  __builtin_trap();
}

FUZZ_TARGET(graph_def, kGraphAllocation) { Check(FromGraphDef(input)); }

FUZZ_TARGET(graph_text, kGraphAllocation) { Check(FromGraphDefText(input)); }

FUZZ_TARGET(meta_graph, kGraphAllocation) {
  const auto meta = FromMetaGraphDef(input);
  if (!meta.ok() || IsLarge(meta->graph)) return;
  for (const auto& [name, collection] : meta->collections) {
    (void)meta->VariableCollection(name);
  }
  (void)ToMetaGraphDef(*meta);
}

FUZZ_TARGET(saved_model, kGraphAllocation) {
  MemEnv env;
  env.Overwrite("m/saved_model.pb", std::string(input));
  (void)ReadSavedModel(env, "m");
  (void)ReadSavedModel(env, "m", {"serve", "train"});
}

// What `lockstep check` looks at.
FUZZ_TARGET(graph_check, kGraphAllocation) {
  MemEnv env;
  env.Overwrite("g.pb", std::string(input));
  (void)CheckGraphFile(env, "g.pb");
}

}  // namespace
}  // namespace lockstep::fuzz
