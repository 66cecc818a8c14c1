// SPDX-License-Identifier: Apache-2.0
#pragma once

// One graph over the ranks of a job: `/task:R` is rank R.
//
// All ranks build the same graph, make a session of it with the same options,
// and make the same runs: each runs the nodes on its own task and exchanges
// tensors with the others where the graph crosses. A rank reads what it feeds
// itself; fetches arrive on every rank. Where no node asks for a task nothing
// changes: every rank runs the whole graph.
//
//   SessionOptions options;
//   LS_RETURN_IF_ERROR(UseTasks(*ranks, &options));
//   const Scope first = root.WithDevice("/task:0");
//   const Scope second = root.WithDevice("/task:1");
//   ...
//   LS_ASSIGN_OR_RETURN(auto session, Session::Create(graph, options));

#include <memory>
#include <vector>

#include "distributed/agreement.h"
#include "runtime/exec/session_options.h"
#include "runtime/op/task_channel.h"

namespace lockstep {

class Communicator;

// A channel between the ranks, over communicators of its own. Called by all
// ranks; `ranks` is only used during the call and gives the timeout. A tensor
// is copied when it is sent and goes out from a thread of the channel, so that
// the sender computes on. The end of the channel waits for the others to take
// what was sent.
Result<std::shared_ptr<TaskChannel>> MakeTaskChannel(Communicator& ranks);

// Makes sessions with these options tasks of the job: sets the task, hands them
// a channel, and makes the ranks compare their programs, options and graphs,
// and `declared`, when a session is made (agreement.h). Called by all ranks.
Status UseTasks(Communicator& ranks, SessionOptions* session,
                std::vector<Fact> declared = {});

}  // namespace lockstep
