// SPDX-License-Identifier: Apache-2.0
#include "distributed/variable_digest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/distributed/linear_model.h"
#include "tests/testing/spawn_ranks.h"

namespace lockstep {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// Flips a bit of the variable's memory.
void Flip(Variable* variable, size_t bit) {
  auto* bytes = static_cast<unsigned char*>(variable->value().data());
  bytes[bit / 8] = static_cast<unsigned char>(bytes[bit / 8] ^ 1u << bit % 8);
}

TEST(VariableDigestTest, EachBitCountsWithinSixteenParts) {
  VariableStore store;
  for (const auto& [name, count] :
       {std::pair("a", int64_t{37}), std::pair("b", int64_t{1}),
        std::pair("c", int64_t{64})}) {
    Variable* v = store.GetOrCreate(name, kFloat, Shape{count}).value();
    Tensor value(kFloat, Shape{count});
    int i = 0;
    for (float& x : value.flat<float>()) x = static_cast<float>(++i);
    ASSERT_TRUE(v->Assign(value).ok());
  }
  const auto all = [&] {
    VariableDigest digest({"a", "b", "c", "not there"});
    std::vector<uint64_t> parts;
    for (int i = 0; i < VariableDigest::kParts; ++i) {
      parts.push_back(digest.Next(&store));
    }
    return parts;
  };
  const std::vector<uint64_t> want = all();
  for (const char* name : {"a", "b", "c"}) {
    Variable* v = store.Find(name);
    for (size_t bit = 0; bit < 8 * v->value().bytes(); ++bit) {
      Flip(v, bit);
      EXPECT_NE(all(), want) << name << " bit " << bit;
      Flip(v, bit);
    }
  }
  EXPECT_EQ(all(), want);
}

TEST(VariableDigestTest, TheOddRankIsNamedWhereMostAgree) {
  const VariableDigest digest({});
  const uint64_t equal[] = {5, 5, 5};
  EXPECT_TRUE(digest.Compare(equal).ok());
  const uint64_t one[] = {5, 7, 5};
  EXPECT_THAT(digest.Compare(one).message(), HasSubstr("rank 1 differs"));
  const uint64_t two[] = {5, 7};
  EXPECT_THAT(digest.Compare(two).message(), HasSubstr("rank 0, rank 1"));
}

TEST(VariableDigestTest, AFlippedBitStopsTheRunAndItsRankIsNamed) {
  for (const size_t bit : {20u, 30u, 95u}) {
    SpawnRanksShared(3, [&](std::shared_ptr<Communicator> comm) {
      const Model model;
      auto session = Open(model.graph, comm);
      const int64_t begin = 4 * comm->rank();
      Status s = session->RunTargets({"init"});
      for (int i = 0; i < 5; ++i) {
        s.Update(session->RunTargets({"train"}, Batch(begin, begin + 4)));
      }
      EXPECT_TRUE(s.ok()) << s.ToString();
      if (comm->rank() == 1)
        Flip(session->resources().variables().Find("w"), bit);
      int steps = 0;
      while (s.ok() && steps < 40) {
        s = session->RunTargets({"train"}, Batch(begin, begin + 4));
        ++steps;
      }
      EXPECT_EQ(s.code(), Code::kDataLoss) << s.ToString();
      EXPECT_LE(steps, VariableDigest::kParts + 1);
      EXPECT_THAT(s.message(), HasSubstr("rank 1 differs"));
      EXPECT_THAT(s.message(), Not(HasSubstr("rank 2 differs")));
      EXPECT_THAT(s.message(), HasSubstr("w"));
    });
  }
}

}  // namespace
}  // namespace lockstep
