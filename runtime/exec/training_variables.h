// SPDX-License-Identifier: Apache-2.0
#pragma once

// Which variables of a graph others are trained by, in whatever run: gradients
// are added up in some by one run and applied by the next, a rate falls with a
// mean loss that another run keeps. Internal to the planner and the rewrites.

#include <string>
#include <unordered_set>

#include "runtime/graph/graph.h"

namespace lockstep {

// The names of the variables of floats whose values are read by Apply* ops, or
// by updates by simple ops of another variable, of which rows of samples are
// made (composed_updates.h); and those by whose values these are updated, and
// so on. By the shapes of the graph as it was built: a tensor made
// of placeholders has rows of samples where its shape is open.
std::unordered_set<std::string> TrainingVariables(const Graph& graph);

// Assign and its like that set a variable to what samples and this variable
// make, through something of another shape: rows of samples, a loss. So they
// train it in one run.
std::unordered_set<const Node*> ComposedTraining(const Graph& graph);

}  // namespace lockstep
