// SPDX-License-Identifier: Apache-2.0
#pragma once

// Measures a step of a graph on this rank, for predict.h: runs it with a trace
// and takes each op's median.
//
//   LS_ASSIGN_OR_RETURN(StepProfile profile,
//                       Calibrate(graph, session_options, {.targets = ...}));

#include <string>
#include <utility>
#include <vector>

#include "runtime/exec/session.h"
#include "tools/lockstep/predict.h"

namespace lockstep {

struct CalibrationRun {
  std::vector<Session::Feed> feeds;
  std::vector<std::string> fetches, targets;
  std::string init;  // a node to run first; empty: none
  int steps = 50;
};

// The steps of a run's plan in order, each with its median over the runs.
struct MeasuredSteps {
  std::vector<std::string> names;
  std::vector<double> us;
  double run_us = 0;  // median
};

Result<MeasuredSteps> MeasureSteps(const Graph& graph, SessionOptions options,
                                   const CalibrationRun& run);

// INVALID_ARGUMENT when no gradient reaches an Apply* op of the run, or when
// the sizes of one are not known.
Result<StepProfile> Calibrate(const Graph& graph, SessionOptions options,
                              const CalibrationRun& run);

}  // namespace lockstep
