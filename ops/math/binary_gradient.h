// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the gradient rules of broadcasting binary ops share.

#include "runtime/graph/gradients.h"

namespace lockstep {

// The complex conjugate; of a real x, x itself.
inline Output Conjugate(const Scope& s, Output x) {
  return x.defined() && IsComplex(BaseOf(x.dtype())) ? s.Op("Conj").In(x).Out()
                                                     : x;
}

// Sets the gradients of inputs 0 and 1 to dx and dy, each summed back to its
// input's shape.
inline Status SetBroadcastGradients(GradContext& g, Output dx, Output dy) {
  LS_RETURN_IF_ERROR(
      g.SetDx(0, SumToShapeOf(g.scope(), dx, g.x(0), g.x(1), true)));
  return g.SetDx(1, SumToShapeOf(g.scope(), dy, g.x(1), g.x(0), false));
}

}  // namespace lockstep
