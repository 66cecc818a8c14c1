// SPDX-License-Identifier: Apache-2.0
// The suite of all communicators: reductions whose outputs are made by an
// update, in arrays that the ranks see and in others.
#include <algorithm>
#include <cstring>

#include "runtime/device/hardware.h"
#include "tests/distributed/communicator_suite.h"

namespace lockstep {
namespace {

class CommunicatorUpdateTest : public CommunicatorTestBase {};
INSTANTIATE_TEST_SUITE_P(Backends, CommunicatorUpdateTest,
                         ::testing::ValuesIn(RankSetups()), SetupName);

// Arrays of the communicator's host memory, or of the heap.
class Arrays {
 public:
  Arrays(const Communicator& comm, bool shared)
      : host_(shared ? comm.host() : nullptr) {}
  ~Arrays() {
    for (const auto& [data, bytes] : blocks_) {
      if (host_ != nullptr)
        host_->Free(data, bytes);
      else
        std::free(data);
    }
  }
  float* Make(int64_t count) {
    const size_t bytes = static_cast<size_t>(count) * sizeof(float);
    void* data = nullptr;
    if (host_ != nullptr) {
      auto block = host_->Allocate(bytes);
      EXPECT_TRUE(block.ok()) << block.status().ToString();
      data = *block;
    } else {
      data = std::malloc(bytes + 1);
    }
    blocks_.emplace_back(data, bytes);
    return static_cast<float*>(data);
  }

 private:
  std::shared_ptr<Hardware> host_;
  std::vector<std::pair<void*, size_t>> blocks_;
};

constexpr int64_t kCounts[] = {70'001, 3, 129};

// Of element i of piece p: what a rank contributes.
float Contribution(int rank, size_t p, int64_t i) {
  return static_cast<float>(Value(rank, i + static_cast<int64_t>(p)));
}

constexpr int kTimes = 3;

// Three arrays of gradients, values and momenta on one rank.
struct Momentum {
  Momentum(Communicator& comm, Arrays& arrays, bool in_sight) {
    states.reserve(3);
    for (size_t p = 0; p < 3; ++p) {
      const int64_t count = kCounts[p];
      float* in = arrays.Make(count);
      float* out = arrays.Make(count);
      float* state = arrays.Make(count);
      for (int64_t i = 0; i < count; ++i) {
        in[i] = Contribution(comm.rank(), p, i);
        out[i] = 1;
        state[i] = 0;
      }
      states.push_back(state);
      pieces.push_back({in, out, count});
      // State is for those that see it alone.
      if (in_sight) pieces.back().state = {&states.back(), 1};
    }
  }

  Status Update(const Part& part, const void* combined) const {
    const auto* gradient = static_cast<const float*>(combined);
    auto* out = static_cast<float*>(pieces[part.piece].out) + part.begin;
    auto* state = static_cast<float*>(states[part.piece]) + part.begin;
    for (int64_t i = 0; i < part.count; ++i) {
      state[i] = 0.5f * state[i] + gradient[i];
      out[i] -= 0.25f * state[i];
    }
    return Ok();
  }

  std::vector<Piece> pieces;
  std::vector<void*> states;
};

// The array in which this rank sees element `i` of all pieces' states, those
// of piece p; null when it does not.
const void* StateOf(const Communicator& comm, const Momentum& mine, size_t p,
                    int64_t i) {
  for (int r = 0; r < comm.update_size(); ++r) {
    const Slice slice = SliceOf(TotalCount(mine.pieces), r, comm.update_size());
    if (i < slice.begin || i >= slice.end) continue;
    if (r == comm.update_rank()) return mine.states[p];
    if (!mine.pieces[p].state.empty()) return comm.StateArrays(r)[p];
  }
  return nullptr;
}

// Momentum of a kind over three pieces, several times: outputs are equal on
// all ranks; each rank's state is right in its own slice, and it sees the
// others' in theirs.
void CheckUpdates(Communicator& comm, bool shared) {
  Arrays arrays(comm, shared);
  const Momentum mine(comm, arrays,
                      comm.sees_arrays() && (shared || comm.host() == nullptr));
  const double factor = 1.0 / (1 + comm.rank());
  for (int t = 0; t < kTimes; ++t) {
    EXPECT_OK(comm.AllReduceUpdate(mine.pieces, kFloat, ReduceOp::kSum, factor,
                                   [&](const Part& part, const void* combined) {
                                     return mine.Update(part, combined);
                                   }));
  }
  int64_t before = 0;
  for (size_t p = 0; p < 3; ++p) {
    for (int64_t i = 0; i < kCounts[p]; ++i) {
      double sum = 0, state = 0, value = 1;
      for (int r = 0; r < comm.size(); ++r) {
        sum += Contribution(r, p, i) / (1.0 + r);
      }
      for (int t = 0; t < kTimes; ++t) {
        state = 0.5 * state + sum;
        value -= 0.25 * state;
      }
      ASSERT_NEAR(static_cast<float*>(mine.pieces[p].out)[i], value, 2e-4)
          << "piece " << p << " element " << i;
      const void* array = StateOf(comm, mine, p, before + i);
      if (array == nullptr) continue;
      ASSERT_NEAR(static_cast<const float*>(array)[i], state, 2e-4)
          << "state of piece " << p << " element " << i;
    }
    before += kCounts[p];
  }
  // Nobody frees what another still reads.
  EXPECT_OK(comm.Barrier());
}

TEST_P(CommunicatorUpdateTest, EachElementIsUpdatedOnOneRankForAll) {
  Run([](Communicator& comm) { CheckUpdates(comm, /*shared=*/false); });
}

TEST_P(CommunicatorUpdateTest, SharedArraysAreUpdatedWhereTheyAre) {
  Run([](Communicator& comm) { CheckUpdates(comm, /*shared=*/true); });
}

TEST_P(CommunicatorUpdateTest, SmallSegmentsTakeSeveralRounds) {
  Run([](Communicator& comm) { CheckUpdates(comm, /*shared=*/false); },
      {.half_bytes = kTinyHalf});
}

// Arrays that only some ranks share are copied by all.
TEST_P(CommunicatorUpdateTest, SharedAndOtherArraysMeet) {
  Run([](Communicator& comm) {
    constexpr int64_t kCount = 20'000;
    Arrays arrays(comm, /*shared=*/comm.rank() % 2 == 0);
    float* x = arrays.Make(kCount);
    for (int64_t i = 0; i < kCount; ++i) x[i] = Contribution(comm.rank(), 0, i);
    EXPECT_OK(comm.AllReduce(x, x, kCount, kFloat));
    for (int64_t i = 0; i < kCount; ++i) {
      float sum = 0;
      for (int r = 0; r < comm.size(); ++r) sum += Contribution(r, 0, i);
      ASSERT_EQ(x[i], sum) << i;
    }
    EXPECT_OK(comm.Barrier());
  });
}

// Whether they are seen where they are makes no difference to the bits.
TEST_P(CommunicatorUpdateTest, InPlaceAndCopiedSumsHaveEqualBits) {
  Run([](Communicator& comm) {
    constexpr int64_t kCount = 30'000;
    Arrays shared(comm, true), own(comm, false);
    float* a = shared.Make(kCount);
    float* b = own.Make(kCount);
    for (int64_t i = 0; i < kCount; ++i) {
      a[i] = b[i] = 1.0f / static_cast<float>(1 + i + 7 * comm.rank());
    }
    const double factor = 1.0 / (3 + comm.rank());
    for (float* x : {a, b}) {
      const Piece piece{x, x, kCount};
      EXPECT_OK(comm.AllReduce({&piece, 1}, kFloat, ReduceOp::kSum, factor));
    }
    EXPECT_EQ(std::memcmp(a, b, kCount * sizeof(float)), 0);
    EXPECT_OK(comm.Barrier());
  });
}

// However many ranks each machine has, and of integers too.
TEST_P(CommunicatorUpdateTest, AnUpdateByTheMeanGetsTheMeanOfAllRanks) {
  Run([](Communicator& comm) {
    constexpr int64_t kCount = 5'000;
    std::vector<int32_t> in(kCount), out(kCount, -1);
    for (int64_t i = 0; i < kCount; ++i) {
      in[static_cast<size_t>(i)] =
          static_cast<int32_t>(i) * (comm.rank() * comm.rank() + 1);
    }
    const Piece piece{in.data(), out.data(), kCount};
    EXPECT_OK(comm.AllReduceUpdate({&piece, 1}, kInt32, ReduceOp::kMean, 1.0,
                                   [&](const Part& part, const void* mean) {
                                     std::copy_n(
                                         static_cast<const int32_t*>(mean),
                                         part.count, out.data() + part.begin);
                                     return Ok();
                                   }));
    int64_t factors = 0;
    for (int r = 0; r < comm.size(); ++r) factors += r * r + 1;
    for (int64_t i = 0; i < kCount; ++i) {
      ASSERT_EQ(out[static_cast<size_t>(i)], i * factors / comm.size()) << i;
    }
  });
}

// Each rank adds up its slice of what all show, and gives it to all.
TEST_P(CommunicatorUpdateTest, RanksWorkOnWhatTheyShow) {
  Run([](Communicator& comm) {
    constexpr int64_t kCount = 10'007;
    constexpr size_t kBytes = kCount * sizeof(float);
    Arrays arrays(comm, /*shared=*/true);
    float *x = arrays.Make(kCount), *sums = arrays.Make(kCount);
    const ShownArray shown[] = {{x, kBytes}, {sums, kBytes}};
    const auto of = [&](int r, size_t i) {
      return static_cast<float*>(comm.Shown(r, i));
    };
    const auto work = [&] {
      const Slice mine = SliceOf(kCount, comm.rank(), comm.size());
      for (int64_t i = mine.begin; i < mine.end; ++i) {
        float sum = 0;
        for (int r = 0; r < comm.size(); ++r) sum += of(r, 0)[i];
        for (int r = 0; r < comm.size(); ++r) of(r, 1)[i] = sum;
      }
      return Ok();
    };
    for (int t = 0; t < kTimes; ++t) {
      for (int64_t i = 0; i < kCount; ++i) {
        x[i] = Contribution(comm.rank(), 0, i + t);
      }
      const Status s = comm.WorkTogether(shown, kCount, kFloat, work);
      if (!comm.works_together()) {
        EXPECT_EQ(s.code(), Code::kUnimplemented);
        break;
      }
      EXPECT_OK(s);
      for (int64_t i = 0; i < kCount; ++i) {
        float sum = 0;
        for (int r = 0; r < comm.size(); ++r) sum += Contribution(r, 0, i + t);
        ASSERT_EQ(sums[i], sum) << i;
      }
    }
    EXPECT_OK(comm.Barrier());
  });
}

TEST_P(CommunicatorUpdateTest, ArraysThatOthersDoNotSeeAreRefused) {
  Run([](Communicator& comm) {
    if (!comm.works_together() || comm.host() == nullptr) return;
    float own[16] = {};
    const ShownArray shown{own, sizeof(own)};
    EXPECT_FALSE(comm.CanShow(shown));
    const Status s = comm.WorkTogether({&shown, 1}, 16, kFloat, [&] {
      ADD_FAILURE() << "works";
      return Ok();
    });
    EXPECT_EQ(s.code(), Code::kFailedPrecondition) << s.ToString();
  });
}

TEST_P(CommunicatorUpdateTest, WorkThatFailsEndsTheCallEverywhere) {
  Run([](Communicator& comm) {
    if (!comm.works_together()) return;
    const int failing = comm.size() - 1;
    const Status s = comm.WorkTogether({}, 1, kFloat, [&] {
      return comm.rank() == failing ? DataLoss("no disk") : Ok();
    });
    EXPECT_EQ(s.code(), Code::kDataLoss) << s.ToString();
    EXPECT_THAT(s.message(), ::testing::HasSubstr("no disk"));
  });
}

TEST_P(CommunicatorUpdateTest, AFailingUpdateEndsTheCallEverywhere) {
  Run([](Communicator& comm) {
    if (comm.size() == 1) return;
    std::vector<float> x(10'000, 1.0f);
    const Piece piece{x.data(), x.data(), 10'000};
    const int failing = comm.size() - 1;
    Status s = comm.AllReduceUpdate(
        {&piece, 1}, kFloat, ReduceOp::kSum, 1.0,
        [&](const Part&, const void*) {
          return comm.rank() == failing ? DataLoss("no disk") : Ok();
        });
    // Another machine may have its part of this call done.
    if (s.ok() && comm.between_machines()) s = comm.Barrier();
    EXPECT_EQ(s.code(), Code::kDataLoss) << s.ToString();
    EXPECT_THAT(s.message(), ::testing::HasSubstr("no disk"));
  });
}

}  // namespace
}  // namespace lockstep
