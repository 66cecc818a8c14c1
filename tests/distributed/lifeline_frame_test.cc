// SPDX-License-Identifier: Apache-2.0
#include "distributed/lifeline_frame.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace lockstep {
namespace {

TEST(LifelineFrameTest, BytesOfStrangersAreAnError) {
  std::mt19937_64 random(1);
  const std::string good = EncodeFrame(
      {.type = FrameType::kBeat,
       .beat = {.step = 4, .where = "here", .marks = {{1, 2}, {3, 4}}}});
  for (int i = 0; i < 20'000; ++i) {
    std::string bytes = good;
    for (uint64_t n = random() % 4; n-- > 0;) {
      bytes[random() % bytes.size()] = static_cast<char>(random());
    }
    bytes.resize(random() % (bytes.size() + 1));
    FrameReader reader;
    reader.Append(bytes);
    for (int n = 0; n < 3; ++n) {
      const auto next = reader.Next();
      if (!next.ok() || !next->has_value()) break;
    }
  }
  FrameReader reader;
  reader.Append("GET / HTTP/1.1\r\n\r\n");
  EXPECT_EQ(reader.Next().code(), Code::kDataLoss);
}

TEST(LifelineFrameTest, FramesArriveAsTheyWereSent) {
  const LifelineFrame beat{.type = FrameType::kBeat,
                           .beat = {.step = 12,
                                    .runs = 13,
                                    .word = 14,
                                    .waits = true,
                                    .waited_micros = 15,
                                    .patience_micros = 16,
                                    .where = "node 'x' (MatMul)",
                                    .waiting = "AllReduce #1",
                                    .neighbour = 3,
                                    .neighbour_state = 'T',
                                    .marks = {{16, 99}, {17, 1ULL << 63}}}};
  const LifelineFrame verdict{.type = FrameType::kVerdict,
                              .rank = 2,
                              .kind = 1,
                              .number = -5,
                              .number2 = 1LL << 40,
                              .text = "because"};
  const std::string bytes = EncodeFrame(beat) + EncodeFrame(verdict);
  FrameReader reader;
  std::vector<LifelineFrame> got;
  for (const char byte : bytes) {  // as slowly as can be
    reader.Append({&byte, 1});
    auto next = reader.Next();
    ASSERT_TRUE(next.ok());
    if (next->has_value()) got.push_back(**next);
  }
  ASSERT_EQ(got.size(), 2u);
  EXPECT_EQ(got[0], beat);
  EXPECT_EQ(got[1], verdict);
}

}  // namespace
}  // namespace lockstep
