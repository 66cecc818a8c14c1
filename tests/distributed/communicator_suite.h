// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the files of the communicator suite share: the fixture, and values
// that tell ranks and positions apart.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <ostream>
#include <string>
#include <vector>

#include "distributed/communicator.h"
#include "tests/distributed/rank_runner.h"

#define EXPECT_OK(expr)                                      \
  do {                                                       \
    const ::lockstep::Status ls_expected = (expr);           \
    EXPECT_TRUE(ls_expected.ok()) << ls_expected.ToString(); \
  } while (0)

namespace lockstep {

// So small that a few thousand elements need several rounds.
inline constexpr size_t kTinyHalf = 4096;

class CommunicatorTestBase : public ::testing::TestWithParam<RankSetup> {
 protected:
  int size() const { return GetParam().size; }
  void Run(const std::function<void(Communicator&)>& f,
           const RankOptions& options = {}) {
    RunRanks(GetParam(), f, options);
  }
};

inline void PrintTo(const RankSetup& setup, std::ostream* out) {
  *out << setup.size << " ranks, " << setup.backend;
}

inline std::string SetupName(const ::testing::TestParamInfo<RankSetup>& info) {
  return info.param.backend + std::to_string(info.param.size);
}

// Element i of a rank: a small integer, exact in every dtype.
inline int Value(int rank, int64_t i) {
  return static_cast<int>((i * 7 + rank * 3) % 11);
}

template <class T>
std::vector<T> Values(int rank, int64_t count) {
  std::vector<T> v(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; ++i) {
    v[static_cast<size_t>(i)] =
        static_cast<T>(static_cast<float>(Value(rank, i)));
  }
  return v;
}

}  // namespace lockstep
