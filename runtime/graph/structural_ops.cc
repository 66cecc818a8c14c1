// SPDX-License-Identifier: Apache-2.0
// The nodes that the planner itself puts into graphs.
#include "runtime/op/shape_context.h"

namespace lockstep {
namespace {

// _Feed: a tensor that the caller of Run hands in. No step is run.
LOCKSTEP_OP("_Feed")
    .Output("value: dtype")
    .Attr("dtype: type")
    .Attr("shape: shape")
    .Shape(ShapeFromAttr)
    .Stateful();

}  // namespace
}  // namespace lockstep
