// SPDX-License-Identifier: Apache-2.0
#pragma once

// What rules made of a network, beside the same network without them; for
// tests.
//
//   const auto steps = CompareRewritten(inputs, build, 1e-3);
//   EXPECT_EQ(CountSteps(steps, "_FromBlocked"), 2);

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/testing/graph_run.h"

namespace lockstep::testing {

// Strides of images with channels last.
inline const std::vector<int64_t> kOne = {1, 1, 1, 1}, kTwo = {1, 2, 2, 1};

// How many of a plan's steps are of `op`.
inline int CountSteps(const std::vector<std::string>& steps,
                      const std::string& op) {
  int count = 0;
  for (const std::string& s : steps) {
    count += s.find(" = " + op + "(") != std::string::npos;
  }
  return count;
}

// The plan's steps of the rewritten network, after comparing its values with
// those of the other.
inline std::vector<std::string> CompareRewritten(
    const std::vector<Tensor>& inputs, const BuildFn& build, double tolerance) {
  const auto got = RunGraph(inputs, build);
  const auto want = RunGraph(inputs, build, {.optimize = false});
  EXPECT_TRUE(got.ok()) << got.status().ToString();
  EXPECT_TRUE(want.ok()) << want.status().ToString();
  if (!got.ok() || !want.ok()) return {};
  EXPECT_EQ(got->size(), want->size());
  for (size_t i = 0; i < got->size(); ++i) {
    SCOPED_TRACE(i);
    ExpectClose((*got)[i], (*want)[i], tolerance);
  }
  return PlanOf(inputs, build);
}

}  // namespace lockstep::testing
