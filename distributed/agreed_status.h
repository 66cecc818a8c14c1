// SPDX-License-Identifier: Apache-2.0
#pragma once

// AgreeOnStatus: all ranks go on, or none does and one of them tells why, with
// the ranks that have the error in front of it.
//
//   Status loaded = comm->rank() == 0 ? Load() : Ok();
//   LS_RETURN_IF_ERROR(AgreeOnStatus(*comm, loaded));

#include "distributed/communicator.h"

namespace lockstep {

// OK when every rank's status is. Else the first rank that has an error gets
// it, with "[rank 1]" or "[ranks 1, 2]" in front unless it names a rank already
// or all ranks have the same; the others get CANCELLED, to end without a word.
// Where the ranks cannot be asked, this one's error comes before that.
// `talked`, unless null: whether they were.
Status AgreeOnStatus(Communicator& ranks, const Status& mine,
                     const CallOptions& options = {}, bool* talked = nullptr);

}  // namespace lockstep
