// SPDX-License-Identifier: Apache-2.0
#include "distributed/variable_digest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "distributed/digest.h"
#include "tests/distributed/linear_model.h"
#include "tests/testing/flip_bit.h"
#include "tests/testing/spawn_ranks.h"

namespace lockstep {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

// Flips a bit of the variable's memory.
void Flip(Variable* variable, size_t bit) {
  FlipBit(variable->value().data(), bit);
}

TEST(VariableDigestTest, EachBitCountsOnceInAllParts) {
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
    for (size_t i = 0; i < VariableDigest::kParts; ++i) {
      parts.push_back(digest.OfPart(i, &store));
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

// Whole blocks that are mixed at once, and what is left of them.
TEST(DigestTest, EachBitAndEachPlaceCounts) {
  std::vector<std::byte> bytes(1337);
  for (size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] = static_cast<std::byte>(i * 31 + i / 256);
  }
  const uint64_t want = Digest(7, bytes);
  for (size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
    FlipBit(bytes.data(), bit);
    EXPECT_NE(Digest(7, bytes), want) << "bit " << bit;
    FlipBit(bytes.data(), bit);
  }
  EXPECT_EQ(Digest(7, bytes), want);
  EXPECT_NE(Digest(8, bytes), want);
  std::swap_ranges(bytes.begin(), bytes.begin() + 512, bytes.begin() + 512);
  EXPECT_NE(Digest(7, bytes), want);
  // Zeros behind it count too.
  EXPECT_NE(Digest(7, std::vector<std::byte>(512)),
            Digest(7, std::vector<std::byte>(516)));
}

TEST(DigestTest, TheOddRankIsNamedWhereMostAgree) {
  const uint64_t equal[] = {5, 5, 5};
  EXPECT_THAT(OddOnes(equal), IsEmpty());
  const uint64_t one[] = {5, 7, 5};
  EXPECT_THAT(OddOnes(one), ElementsAre(1));
  EXPECT_THAT(Difference(OddOnes(one), 3, "x").message(),
              HasSubstr("rank 1 differs from the other ranks in x,"));
  const uint64_t two[] = {5, 7};
  EXPECT_THAT(Difference(OddOnes(two), 2, "x").message(),
              HasSubstr("rank 0, rank 1 differ "));
  const Status odd =
      Difference(OddOnes(one), 3, "x").WithContext("[rank 2] node 'a': b");
  EXPECT_FALSE(DiffersElsewhere(odd, 1));
  EXPECT_TRUE(DiffersElsewhere(odd, 2)) << odd.ToString();
  EXPECT_FALSE(DiffersElsewhere(DataLoss("a checkpoint"), 2));
  const uint64_t halves[] = {5, 7, 7, 5};
  EXPECT_THAT(OddOnes(halves), ElementsAre(0, 1, 2, 3));
}

// Trains until the run stops, at most 40 steps after `harm`, which happens on
// rank 1 alone; what stopped it.
Status TrainOn(Session& session, int rank, const std::function<void()>& harm,
               int* steps) {
  const int64_t begin = 4 * rank;
  const auto train = [&] {
    return session.RunTargets({"train"}, Batch(begin, begin + 4));
  };
  Status s = session.RunTargets({"init"});
  for (int i = 0; i < 5; ++i) s.Update(train());
  EXPECT_TRUE(s.ok()) << s.ToString();
  if (rank == 1) harm();
  for (*steps = 0; s.ok() && *steps < 40; ++*steps) s = train();
  return s;
}

TEST(VariableDigestTest, AFlippedBitStopsTheRunAndItsRankIsNamed) {
  for (const size_t bit : {20u, 30u, 95u}) {
    SpawnRanksShared(3, [&](std::shared_ptr<Communicator> comm) {
      const Model model;
      auto session = Open(model.graph, comm);
      int steps = 0;
      const Status s = TrainOn(
          *session, comm->rank(),
          [&] { Flip(session->resources().variables().Find("w"), bit); },
          &steps);
      EXPECT_EQ(s.code(), Code::kDataLoss) << s.ToString();
      EXPECT_LE(steps, static_cast<int>(VariableDigest::kParts) + 1);
      EXPECT_THAT(s.message(), HasSubstr("rank 1 differs"));
      EXPECT_THAT(s.message(), Not(HasSubstr("rank 2 differs")));
      EXPECT_THAT(s.message(), HasSubstr("w"));
    });
  }
}

// A rank may be in its second run of a plan where another one, with another
// number of samples, is in the first of its.
TEST(VariableDigestTest, RanksInDifferentPlansCompareTheSamePart) {
  for (const char* batch : {"x:0", ""}) {
    SpawnRanksShared(2, [&](std::shared_ptr<Communicator> comm) {
      const Model model;
      auto session = Open(model.graph, comm, {.batch = batch});
      Status s = session->RunTargets({"init"});
      const int64_t begin = 4 * comm->rank();
      for (int i = 0; i < 5; ++i) {
        const int64_t samples = comm->rank() == 1 && i % 2 == 1 ? 3 : 4;
        s.Update(session->RunTargets({"train"}, Batch(begin, begin + samples)));
      }
      EXPECT_TRUE(s.ok()) << s.ToString();
    });
  }
}

// Another communicator, whose reductions a fault may hit on the way.
class FaultyCommunicator : public Communicator {
 public:
  explicit FaultyCommunicator(std::shared_ptr<Communicator> ranks)
      : Communicator(ranks->rank(), ranks->size()), ranks_(std::move(ranks)) {}
  std::string_view backend() const override { return "faulty"; }
  // Of what this rank gets from the next reduction of gradients.
  void FlipNext(size_t bit) { flip_ = bit; }

 protected:
  Status DoAllReduce(const CollectiveCall& call, std::span<const Piece> pieces,
                     double factor, const ElementUpdate* update) override {
    EXPECT_EQ(update, nullptr);
    const DType dtype = static_cast<DType>(call.header.dtype);
    LS_RETURN_IF_ERROR(ranks_->AllReduce(pieces, dtype, call.header.op, factor,
                                         {.name = call.header.Name()}));
    if (flip_ && dtype == kFloat) {
      FlipBit(pieces[0].out, *std::exchange(flip_, std::nullopt));
    }
    return Ok();
  }
  Status DoReduceScatter(const CollectiveCall& call, const void* in,
                         void* out) override {
    return ranks_->ReduceScatter(in, out, call.header.count, DTypeOf(call));
  }
  Status DoAllGather(const CollectiveCall& call, const void* in,
                     void* out) override {
    return ranks_->AllGather(in, out, call.header.count, DTypeOf(call));
  }
  Status DoBroadcast(const CollectiveCall& call, void* data) override {
    return ranks_->Broadcast(data, call.header.count, DTypeOf(call),
                             call.header.peer);
  }
  Status DoSend(const CollectiveCall& call, const void* data) override {
    return ranks_->Send(data, call.header.count, DTypeOf(call),
                        call.header.peer, call.header.tag);
  }
  Status DoRecv(const CollectiveCall& call, void* data) override {
    return ranks_->Recv(data, call.header.count, DTypeOf(call),
                        call.header.peer, call.header.tag);
  }
  Status DoBarrier(const CollectiveCall&) override { return ranks_->Barrier(); }
  Result<std::unique_ptr<Communicator>> DoSplit(const std::vector<int>&,
                                                int) override {
    return Unimplemented("one group only");
  }
  void Announce(const Status& why) override { ranks_->Abort(why); }

 private:
  static DType DTypeOf(const CollectiveCall& call) {
    return static_cast<DType>(call.header.dtype);
  }
  const std::shared_ptr<Communicator>
      ranks_;  // shared with the other test code
  std::optional<size_t> flip_;
};

// A bit of one rank's copy of a reduced bucket; with two ranks nobody knows
// whose copy is right.
TEST(ReducedDigestTest, AFlippedBitOfABucketStopsTheNextStep) {
  for (const int ranks : {2, 3}) {
    for (const size_t bit : {0u, 17u, 31u}) {
      SpawnRanksShared(ranks, [&](std::shared_ptr<Communicator> local) {
        auto comm = std::make_shared<FaultyCommunicator>(local);
        const Model model;
        auto session = Open(model.graph, comm);
        int steps = 0;
        const Status s = TrainOn(
            *session, comm->rank(), [&] { comm->FlipNext(bit); }, &steps);
        EXPECT_EQ(s.code(), Code::kDataLoss) << s.ToString();
        EXPECT_EQ(steps, 2);
        EXPECT_THAT(s.message(),
                    HasSubstr(ranks == 2 ? "rank 0, rank 1 differ from the "
                                           "other ranks in the gradients summed"
                                         : "rank 1 differs from the other "
                                           "ranks in the gradients summed"));
      });
    }
  }
}

}  // namespace
}  // namespace lockstep
