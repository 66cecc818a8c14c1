// SPDX-License-Identifier: Apache-2.0
#include "runtime/exec/plan_digest.h"

#include "runtime/exec/value_hash.h"

namespace lockstep {
namespace {

// A feed is read on every task: its own device does not matter.
bool IsPlaced(const Node& n) { return n.op() != "_Feed"; }

void AddNode(const Graph& original, const Node& n, ValueHash* hash) {
  hash->Add(n.name());
  hash->Add(n.op());
  const Node* written = original.Find(n.name());
  if (n.traits().constant && !(written && written->traits().constant)) {
    hash->Add(n.output_type(0));
    hash->Add(n.output_shape(0));
  } else {
    hash->Add(n.attrs());
  }
  for (const Output& in : n.inputs()) hash->Add(in.name());
  for (const Node* c : n.control_inputs()) hash->Add(c->name());
}

}  // namespace

PlanDigest DigestOf(const PlanRequest& request, const PlanGraph& plan) {
  ValueHash signature, feeds, graph, placement;
  for (const Output& o : request.signature.feeds) signature.Add(o.name());
  for (const Output& o : request.signature.fetches) {
    signature.Add("->" + o.name());
  }
  for (const Node* n : request.signature.targets) {
    signature.Add("^" + n->name());
  }
  for (const FeedSpec& f : request.feeds) {
    feeds.Add(f.dtype);
    feeds.Add(f.shape);
  }
  for (const Node* n : plan.graph.nodes()) {
    AddNode(request.graph, *n, &graph);
    if (IsPlaced(*n)) placement.Add(n->assigned_device());
  }
  return {signature.value(), feeds.value(), graph.value(), placement.value()};
}

}  // namespace lockstep
