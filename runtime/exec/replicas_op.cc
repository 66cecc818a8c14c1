// SPDX-License-Identifier: Apache-2.0
// The op that replica_cut.cc puts into graphs, and what options ask for it.
#include <algorithm>
#include <bit>

#include "runtime/exec/replica_cut.h"
#include "runtime/op/kernel.h"
#include "runtime/op/shape_context.h"

namespace lockstep {
namespace {

Status ReplicasShape(ShapeContext& c) {
  const auto& shapes = c.Attr<std::vector<Shape>>("shapes");
  for (int i = 0; i < c.num_outputs(); ++i) {
    LS_RETURN_IF_ERROR(c.SetOutput(i, shapes[static_cast<size_t>(i)]));
  }
  return Ok();
}

// _Replicas: see replica_cut.h; the step is replica_step.h's. It draws from the
// session's random stream, as what is inside may do.
//   sliced: by input, whether its rows belong to samples; samples: this rank's;
//   tensors: what is computed; uses: a ReplicaUse for each
LOCKSTEP_OP("_Replicas")
    .Input("feeds: Tin")
    .Output("values: Tout")
    .Attr("Tin: list(type) >= 1")
    .Attr("Tout: list(type) >= 1")
    .Attr("shapes: list(shape)")
    .Attr("uses: list(int)")
    .Attr("tensors: list(string)")
    .Attr("sliced: list(bool)")
    .Attr("samples: int")
    .Shape(ReplicasShape)
    .NoGradient()
    .Random()
    .Kernel(kCpu, {[](KernelContext&) -> Status {
              return Internal("the planner carries this op out");
            }});

}  // namespace

int LocalReplicas(const SessionOptions& options) {
  return options.reproducible / std::max(1, options.tasks);
}

Status CheckReplicas(const SessionOptions& options) {
  const int replicas = options.reproducible;
  if (replicas == 0) return Ok();
  if (replicas < 0 || !std::has_single_bit(static_cast<unsigned>(replicas))) {
    return InvalidArgument("reproducible mode: ", replicas,
                           " virtual replicas are not a power of two");
  }
  if (replicas % std::max(1, options.tasks) != 0) {
    return InvalidArgument("reproducible mode: ", replicas,
                           " virtual replicas cannot be divided among ",
                           options.tasks, " ranks");
  }
  if (options.batch.empty()) {
    return InvalidArgument(
        "reproducible mode: SessionOptions::batch has to "
        "say which tensor counts the samples");
  }
  return Ok();
}

}  // namespace lockstep
