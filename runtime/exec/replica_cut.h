// SPDX-License-Identifier: Apache-2.0
#pragma once

// The cut of a graph for reproducible mode: what depends on the samples and is
// needed for updates (or is a value of each sample that is fetched) becomes the
// node `_Replicas`, which computes it for each virtual replica by itself and
// hands on
// - gradients: their sum over this rank's replicas, each with its part of the
//   global batch as its weight;
// - values that variables are set to: the first replica's;
// - values of each sample (logits, losses): the replicas' one after the other.
// What is computed from these - means of losses, accuracies, updates - stays in
// the plan. Internal to runtime/exec. Why: docs/decisions/0009.
//
//   LS_ASSIGN_OR_RETURN(std::optional<ReplicaCut> cut, CutReplicas(request));
//   if (cut) ... plan cut->graph by cut->signature instead

#include <optional>
#include <string>
#include <vector>

#include "runtime/exec/plan_builder.h"

namespace lockstep {

// What becomes of the replicas' values of a tensor.
enum class ReplicaUse : int { kSum, kFirst, kEach };

struct ReplicaCut {
  Graph graph;             // has a node `_Replicas`
  RunSignature signature;  // the request's, of this graph
};

// No value when the session has no replicas, or this run nothing for them.
// UNIMPLEMENTED naming the node for what has no meaning in parts: updates of
// variables by what is not a gradient, GPUs, random numbers in functions.
Result<std::optional<ReplicaCut>> CutReplicas(const PlanRequest& request);

// Samples of each of this rank's replicas, `samples` being all of the rank's:
// the first ones take one more where it does not divide.
struct ReplicaSizes {
  int64_t small = 0;
  int64_t larger = 0;  // so many have small + 1

  static ReplicaSizes Of(int64_t samples, int replicas) {
    return {samples / replicas, samples % replicas};
  }
  int64_t At(int replica) const { return small + (replica < larger ? 1 : 0); }
  int64_t Offset(int replica) const {
    return small * replica + std::min<int64_t>(replica, larger);
  }
};

// Virtual replicas of this process; 0 when reproducible mode is off.
int LocalReplicas(const SessionOptions& options);

// INVALID_ARGUMENT unless the options' number of replicas is a power of two
// that the ranks divide.
Status CheckReplicas(const SessionOptions& options);

}  // namespace lockstep
