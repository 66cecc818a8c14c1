// SPDX-License-Identifier: Apache-2.0
#pragma once

// The part of the data-parallel rewrite that divides updates of variables over
// the ranks (gradient_update.cc), where it changes nothing but the time they
// take. Internal to distributed/.
//
//   DividedUpdates updates(context);
//   if (updates.Fit(bucket)) NodeSpec spec = updates.Spec(bucket, weighted);

#include <functional>
#include <map>
#include <span>
#include <string>
#include <unordered_set>

#include "distributed/gradient_bucket.h"
#include "distributed/original_order.h"
#include "runtime/graph/passes/pass.h"

namespace lockstep {

class DividedUpdates {
 public:
  // Of the graph before any gradient is exchanged. `position` tells where a
  // node that synchronizes is in the order that all ranks keep.
  DividedUpdates(PassContext& context, std::span<const Gradient> gradients,
                 const std::function<int(const Node*)>& position);

  // Whether the bucket's updates can be one: each gradient is for one dense
  // update of the CPU's, and nothing looks at what the updates return or comes
  // between them. The same on all ranks.
  bool Fit(std::span<const Gradient> bucket) const;
  // The node in place of the bucket's updates.
  NodeSpec Spec(std::span<const Gradient> bucket, bool weighted) const;
  // The same of one update, by the factors of its gradient (IsLargeProduct).
  NodeSpec SpecByFactors(const Gradient& gradient, const OriginalOrder& order,
                         bool weighted);
  // What waits for the bucket's updates waits for `node`; they leave the graph
  // at the end. The gradients must live until then.
  void Replace(std::span<const Gradient> bucket, Node* node) {
    replaced_.emplace_back(bucket, node);
  }
  void Finish();

 private:
  bool Fits(const Gradient& gradient) const;
  // Whether nothing else in the plan writes to the update's variable.
  bool WritesAlone(const Node& update) const;

  PassContext& context_;
  // How many nodes write to each variable; none where that cannot be known.
  const std::map<std::string, int> writers_;
  Consumers consumers_;
  bool independent_ = true;
  std::vector<std::pair<std::span<const Gradient>, Node*>> replaced_;
  std::vector<Node*> unused_;  // products that are not made any more
};

// The Apply* op has variables behind the first.
bool HasSlots(const Node& update);

// The names of the optimisers' slots: the variables of Apply* ops behind the
// first.
std::unordered_set<std::string> FindSlots(const Graph& original);

// In any plan of a session that divides updates: slots are made whole before
// anything but an update uses them, and what updates wrote is not looked for
// any more (slice_sums.h) where something else may have written.
Status GuardSlices(PassContext& context);

}  // namespace lockstep
