// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the gradient rules of broadcasting binary ops share.

#include "runtime/graph/gradients.h"

namespace lockstep {

// Sets the gradients of inputs 0 and 1 to dx and dy, each summed back to its
// input's shape.
inline Status SetBroadcastGradients(GradContext& g, Output dx, Output dy) {
  LS_RETURN_IF_ERROR(
      g.SetDx(0, SumToShapeOf(g.scope(), dx, g.x(0), g.x(1), true)));
  return g.SetDx(1, SumToShapeOf(g.scope(), dy, g.x(1), g.x(0), false));
}

}  // namespace lockstep
