// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the kernels of collective ops share. Internal to distributed/.

#include "distributed/communicator.h"
#include "distributed/reduced_digest.h"
#include "distributed/replica_marks.h"
#include "runtime/op/kernel.h"

namespace lockstep {

inline Status CheckCommunicator(PrepareContext& p) {
  if (p.resources().Service<Communicator>() != nullptr) return Ok();
  return FailedPrecondition(
      "the session has no Communicator; see UseDataParallel");
}

inline CallOptions CollectiveOptions(KernelContext& k) {
  return {.name = k.node_name(), .deadline_micros = k.run().deadline_micros};
}

// What this rank's gradients count for: its part of the global batch (see
// _BatchShare) when `weighted`, else as much as every other rank's.
inline double GradientWeight(KernelContext& k, bool weighted,
                             const Communicator& ranks) {
  return weighted ? k.run().weight() : 1.0 / static_cast<double>(ranks.size());
}

inline ReducedDigest& ReducedSoFar(KernelContext& k) {
  return *k.resources().Service<ReducedDigest>();
}

inline size_t& TurnsOf(PrepareContext& p) {
  return p.resources().Service<ReducedDigest>()->Turns(p.node_name());
}

// All outputs are what the ranks have summed: the same on all.
inline void NoteReduced(KernelContext& k) {
  for (int i = 0; i < k.num_outputs(); ++i) ReducedSoFar(k).Add(k.output(i));
}

// To the other ranks, by the heartbeats, if this session's are told.
inline void TellDigest(KernelContext& k, uint64_t digest) {
  if (auto* marks = k.resources().Service<ReplicaMarks>()) marks->Add(digest);
}

}  // namespace lockstep
