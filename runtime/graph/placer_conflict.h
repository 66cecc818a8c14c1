// SPDX-License-Identifier: Apache-2.0
#pragma once

// Why a colocation group has no device: the fewest of its nodes that cannot be
// together, and what joins them. Internal to the placer.

#include "runtime/graph/colocation.h"
#include "runtime/graph/placer_needs.h"

namespace lockstep {

// `members`: nodes of one group whose needs count; no device meets them all.
Status ExplainConflict(const PlacerNeeds& needs, const ColocationGroups& groups,
                       const std::vector<const Node*>& members, bool soft);

}  // namespace lockstep
