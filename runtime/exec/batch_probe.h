// SPDX-License-Identifier: Apache-2.0
#pragma once

// BatchProbe: which tensors of a run have its samples along dimension 0. No op
// has to say so: all shapes are inferred for two numbers of samples. Internal
// to runtime/exec.
//
//   BatchProbe probe;
//   LS_RETURN_IF_ERROR(probe.Make(request, sliced, 16));
//   probe.RowsOfSample(logits);   // 1

#include <vector>

#include "runtime/exec/plan_builder.h"

namespace lockstep {

class BatchProbe {
 public:
  // `sliced`: the feeds that have `samples` rows, or twice as many.
  Status Make(const PlanRequest& request, const std::vector<bool>& sliced,
              int64_t samples);

  // Of outputs of request.graph. How many rows belong to a sample; 0: they
  // belong to none, or it is not known.
  int64_t RowsOfSample(Output o) const;
  // The shape for `samples`, of a tensor with rows of samples.
  Shape ShapeFor(Output o, int64_t samples) const;
  // The shape for any number of samples; unknown when it is not one.
  Shape FixedShape(Output o) const;

 private:
  int64_t samples_ = 1;
  PlanGraph once_, twice_;
};

}  // namespace lockstep
