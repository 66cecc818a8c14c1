// SPDX-License-Identifier: Apache-2.0
#pragma once

// What depends on the samples in a plan on its way through the passes, and what
// has rows of them: by the planner's marks (sample_rows.h) or, where it has
// made none, by what was open in the graph as it was built. Internal to
// distributed/.

#include <optional>
#include <string>
#include <unordered_set>

#include "distributed/original_order.h"
#include "runtime/exec/sample_flow.h"
#include "runtime/graph/passes/pass.h"

namespace lockstep {

class PlanSamples : public SampleFlow {
 public:
  // Both have to outlive it.
  static Result<PlanSamples> Make(const PassContext& context,
                                  const OriginalOrder& order);
  bool IsFed(Output o) const override { return o.node->op() == "_Feed"; }
  bool Depends(Output o) const override { return depends_.contains(o.node); }
  bool HasRows(const Node& user, int input) const override;
  bool Trains(const Node& variable) const override;

 private:
  PlanSamples(const Graph& original, const OriginalOrder& order)
      : original_(&original), order_(&order) {}
  bool FedWithRows(const PassContext& context, const Node& feed) const;
  bool MakesRows(const Node& n, int output) const;

  const Graph* original_;
  const OriginalOrder* order_;
  std::unordered_set<const Node*> depends_;
  std::unordered_set<Output, OutputHash> rows_;
  std::unordered_set<const Node*> of_rows_;  // made of these
  // Found when asked for.
  mutable std::optional<std::unordered_set<std::string>> training_;
};

}  // namespace lockstep
