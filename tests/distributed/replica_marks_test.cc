// SPDX-License-Identifier: Apache-2.0
#include "distributed/replica_marks.h"

#include <gtest/gtest.h>

#include <utility>

#include "runtime/core/strings.h"

namespace lockstep {
namespace {

TEST(ReplicaMarksTest, RanksFarApartHaveACountInCommon) {
  const auto after = [](uint64_t count, uint64_t odd) {
    ReplicaMarks marks;
    for (uint64_t i = 1; i <= count; ++i) marks.Add(i == odd ? 0 : i);
    return marks.Read();
  };
  for (const auto& [a, b] :
       {std::pair(1, 1), std::pair(31, 33), std::pair(4095, 4097),
        std::pair(65535, 65537), std::pair(1'500'000, 1'900'000)}) {
    const auto first = static_cast<uint64_t>(a);
    const auto second = static_cast<uint64_t>(b);
    const auto same = ChainsAtOneCount({after(first, 0), after(second, 0)});
    ASSERT_EQ(same.size(), 2u) << a << " and " << b;
    EXPECT_EQ(same[0], same[1]);
    // What once differed differs for good.
    const auto other = ChainsAtOneCount({after(first, 1), after(second, 0)});
    EXPECT_NE(other[0], other[1]) << a << " and " << b;
  }
  EXPECT_TRUE(ChainsAtOneCount({after(5, 0), {}}).empty());
}

}  // namespace
}  // namespace lockstep
