// SPDX-License-Identifier: Apache-2.0
#pragma once

// How much memory the constants of a graph from outside may take beyond what
// they bring along: a few bytes can say "this value, 2^28 times".
//
//   LS_RETURN_IF_ERROR(CheckRepeatedValues(graph_def));

#include "runtime/core/status.h"

namespace lockstep {

namespace proto {
class GraphDef;
}  // namespace proto

// RESOURCE_EXHAUSTED, with the node that is one too many, when all constants
// together that repeat one value need more than kMaxRepeatedBytes
// (runtime/io/tensor_proto.h).
Status CheckRepeatedValues(const proto::GraphDef& def);

}  // namespace lockstep
