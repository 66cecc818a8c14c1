// SPDX-License-Identifier: Apache-2.0
#include "runtime/exec/batch_probe.h"

namespace lockstep {
namespace {

Status Infer(const PlanRequest& request, const std::vector<bool>& sliced,
             int64_t samples, PlanGraph* made) {
  std::vector<FeedSpec> feeds = request.feeds;
  for (size_t i = 0; i < feeds.size(); ++i) {
    if (sliced[i]) feeds[i].shape.set_dim(0, samples);
  }
  Result<PlanGraph> plan =
      SpecializedGraph({.graph = request.graph,
                        .signature = request.signature,
                        .feeds = feeds,
                        .environment = request.environment});
  if (!plan.ok()) {
    return plan.status().WithContext(
        StrCat("reproducible mode: for ", samples, " samples"));
  }
  *made = *std::move(plan);
  return Ok();
}

// Unknown for what was folded or forwarded.
Shape ShapeIn(const PlanGraph& plan, Output o) {
  const Node* n = plan.graph.Find(o.node->name());
  return n == nullptr || o.index >= n->num_outputs() ? Shape::Unknown()
                                                     : n->output_shape(o.index);
}

}  // namespace

Status BatchProbe::Make(const PlanRequest& request,
                        const std::vector<bool>& sliced, int64_t samples) {
  samples_ = samples;
  LS_RETURN_IF_ERROR(Infer(request, sliced, samples, &once_));
  return Infer(request, sliced, 2 * samples, &twice_);
}

int64_t BatchProbe::RowsOfSample(Output o) const {
  const Shape a = ShapeIn(once_, o), b = ShapeIn(twice_, o);
  if (!a.IsFullyKnown() || !b.IsFullyKnown() || a.rank() < 1 ||
      a.rank() != b.rank() || b.dim(0) != 2 * a.dim(0) ||
      a.dim(0) % samples_ != 0) {
    return 0;
  }
  for (int d = 1; d < a.rank(); ++d) {
    if (a.dim(d) != b.dim(d)) return 0;
  }
  return a.dim(0) / samples_;
}

Shape BatchProbe::ShapeFor(Output o, int64_t samples) const {
  Shape shape = ShapeIn(once_, o);
  shape.set_dim(0, RowsOfSample(o) * samples);
  return shape;
}

Shape BatchProbe::FixedShape(Output o) const {
  const Shape a = ShapeIn(once_, o), b = ShapeIn(twice_, o);
  return a == b ? a : Shape::Unknown();
}

}  // namespace lockstep
