// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the padding ops share.

#include "runtime/op/shape_context.h"

namespace lockstep {

// Output 0 is input 0 with the paddings of input 1, [rank, 2], added: for
// `sign` -1, taken away.
Status PaddedShape(ShapeContext& c, int64_t sign);
inline Status PadShape(ShapeContext& c) { return PaddedShape(c, 1); }

}  // namespace lockstep
