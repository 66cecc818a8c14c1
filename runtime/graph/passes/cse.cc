// SPDX-License-Identifier: Apache-2.0
#include "runtime/graph/passes/cse.h"

#include <algorithm>
#include <unordered_map>

namespace lockstep {
namespace {

// Constants larger than this are not compared.
constexpr size_t kMaxConstantBytes = 4096;

bool Mergeable(const Node& n) {
  const OpTraits& t = n.traits();
  if (t.stateful || t.variable || t.placeholder || n.num_outputs() == 0) {
    return false;
  }
  for (const auto& in : n.inputs()) {
    if (IsRef(in.dtype())) return false;
  }
  if (t.constant) return n.Attr<Tensor>("value").bytes() <= kMaxConstantBytes;
  return true;
}

size_t HashOf(const Node& n) {
  size_t h = std::hash<std::string>()(n.op());
  for (const Output& in : n.inputs()) h = h * 1000003 + OutputHash()(in);
  if (n.traits().constant) {
    const Tensor& v = n.Attr<Tensor>("value");
    if (IsPod(v.dtype())) {
      h = h * 31 + std::hash<std::string_view>()(
                       {static_cast<const char*>(v.data()), v.bytes()});
    }
  }
  return h;
}

bool Equal(const Node& a, const Node& b) {
  if (a.op() != b.op() || a.inputs() != b.inputs() ||
      a.control_inputs() != b.control_inputs() ||
      a.assigned_device() != b.assigned_device() ||
      a.attrs().size() != b.attrs().size()) {
    return false;
  }
  return std::ranges::equal(a.attrs(), b.attrs(), [](auto& x, auto& y) {
    return x.first == y.first && x.second.Equals(y.second);
  });
}

}  // namespace

Status MergeEqualNodes(PassContext& context) {
  LS_ASSIGN_OR_RETURN(std::vector<Node*> order,
                      context.graph.TopologicalOrder());
  std::unordered_multimap<size_t, Node*> kept;
  std::unordered_map<const Node*, Node*> merged;
  for (Node* n : order) {
    for (int i = 0; i < n->num_inputs(); ++i) {
      auto it = merged.find(n->input(i).node);
      if (it != merged.end()) {
        context.graph.SetInput(n, i, {it->second, n->input(i).index});
      }
    }
    for (Node* c : std::vector<Node*>(n->control_inputs())) {
      auto it = merged.find(c);
      if (it == merged.end()) continue;
      context.graph.RemoveControlEdge(c, n);
      context.graph.AddControlEdge(it->second, n);
    }
    if (!Mergeable(*n)) continue;
    const size_t hash = HashOf(*n);
    auto [first, last] = kept.equal_range(hash);
    auto same = std::find_if(
        first, last, [&](const auto& k) { return Equal(*k.second, *n); });
    if (same == last) {
      kept.emplace(hash, n);
    } else {
      merged[n] = same->second;
    }
  }
  for (Output& f : context.fetches) {
    auto it = merged.find(f.node);
    if (it != merged.end()) f.node = it->second;
  }
  return Ok();
}

}  // namespace lockstep
