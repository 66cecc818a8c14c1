// SPDX-License-Identifier: Apache-2.0
// The suite of all communicators: results. rank_runner.h says which run it.
#include "distributed/communicator.h"

#include <functional>
#include <limits>

#include "tests/distributed/communicator_suite.h"

namespace lockstep {
namespace {

class CommunicatorTest : public CommunicatorTestBase {};
INSTANTIATE_TEST_SUITE_P(Backends, CommunicatorTest,
                         ::testing::ValuesIn(RankSetups()), SetupName);

constexpr ReduceOp kOps[] = {ReduceOp::kSum, ReduceOp::kMean, ReduceOp::kMin,
                             ReduceOp::kMax};

double Expected(ReduceOp op, int size, int64_t i, bool integer) {
  double sum = 0;
  double low = 1e9;
  double high = -1e9;
  for (int r = 0; r < size; ++r) {
    sum += Value(r, i);
    low = std::min<double>(low, Value(r, i));
    high = std::max<double>(high, Value(r, i));
  }
  switch (op) {
    case ReduceOp::kSum: return sum;
    case ReduceOp::kMean: return integer ? std::trunc(sum / size) : sum / size;
    case ReduceOp::kMin: return low;
    case ReduceOp::kMax: return high;
  }
  return 0;
}

template <class T>
void CheckAllReduce(Communicator& comm, int64_t count) {
  for (const ReduceOp op : kOps) {
    const std::vector<T> in = Values<T>(comm.rank(), count);
    std::vector<T> out(in.size());
    ASSERT_TRUE(
        comm.AllReduce(in.data(), out.data(), count, DTypeOf<T>::value, op)
            .ok());
    for (int64_t i = 0; i < count; ++i) {
      const T want = static_cast<T>(static_cast<float>(
          Expected(op, comm.size(), i, std::is_integral_v<T>)));
      ASSERT_NEAR(static_cast<double>(out[static_cast<size_t>(i)]),
                  static_cast<double>(want), 1e-6)
          << DTypeName(DTypeOf<T>::value) << " " << ReduceOpName(op) << " of "
          << count << " at " << i;
    }
  }
}

TEST_P(CommunicatorTest, AllReducesEveryDtypeOpAndOddSize) {
  Run([](Communicator& comm) {
    for (const int64_t count : {0, 1, 5, 63, 65, 1000, 5003}) {
      CheckAllReduce<float>(comm, count);
      CheckAllReduce<double>(comm, count);
      CheckAllReduce<Half>(comm, count);
      CheckAllReduce<BFloat16>(comm, count);
      CheckAllReduce<int8_t>(comm, count);
      CheckAllReduce<uint8_t>(comm, count);
      CheckAllReduce<int16_t>(comm, count);
      CheckAllReduce<uint16_t>(comm, count);
      CheckAllReduce<int32_t>(comm, count);
      CheckAllReduce<uint32_t>(comm, count);
      CheckAllReduce<int64_t>(comm, count);
      CheckAllReduce<uint64_t>(comm, count);
    }
  });
}

TEST_P(CommunicatorTest, AllReducesMoreThanASegmentHolds) {
  Run([](Communicator& comm) { CheckAllReduce<float>(comm, 50'021); },
      {.half_bytes = kTinyHalf});
  Run([](Communicator& comm) { CheckAllReduce<float>(comm, 1'300'003); });
}

// What ranks [first, last) have, combined along the tree of reduce.h.
float TreeSum(int first, int last, const std::function<float(int)>& value) {
  if (last - first == 1) return value(first);
  int left = 1;
  while (2 * left < last - first) left *= 2;
  return TreeSum(first, first + left, value) +
         TreeSum(first + left, last, value);
}

TEST_P(CommunicatorTest, EveryRankGetsTheBitsOfTheRanksSummedAlongOneTree) {
  Run([](Communicator& comm) {
    constexpr int64_t kCount = 40'009;
    const auto value = [](int rank, int64_t i) {
      const auto fraction = static_cast<float>((i * 31 + rank * 17) % 97);
      return std::ldexp(1.0f + fraction / 97.0f, (rank * 5) % 9 - 4);
    };
    std::vector<float> x(kCount);
    for (int64_t i = 0; i < kCount; ++i) {
      x[static_cast<size_t>(i)] = value(comm.rank(), i);
    }
    EXPECT_OK(comm.AllReduce(x.data(), x.data(), kCount, kFloat));
    for (int64_t i = 0; i < kCount; ++i) {
      const float want =
          TreeSum(0, comm.size(), [&](int r) { return value(r, i); });
      ASSERT_EQ(x[static_cast<size_t>(i)], want) << i;
    }
  });
}

TEST_P(CommunicatorTest, AllReducesSeveralArraysAsOneWithEachRanksFactor) {
  Run([](Communicator& comm) {
    const float mine = static_cast<float>(comm.rank() + 1);
    std::vector<float> a(3, mine);
    std::vector<float> b;
    std::vector<float> c(9000, 10 * mine);
    std::vector<float> c_out(9000);
    const Piece pieces[] = {{a.data(), a.data(), 3},
                            {b.data(), b.data(), 0},
                            {c.data(), c_out.data(), 9000}};
    const int n = comm.size();
    EXPECT_OK(comm.AllReduce(pieces, kFloat, ReduceOp::kSum, 0.5));
    const float sum = 0.5f * static_cast<float>(n * (n + 1) / 2);
    for (const float v : a) EXPECT_EQ(v, sum);
    for (const float v : c_out) ASSERT_EQ(v, 10 * sum);
    EXPECT_EQ(c[0], 10 * mine);
  });
}

TEST_P(CommunicatorTest, FactorZeroContributesZerosInsteadOfNan) {
  if (size() < 2) GTEST_SKIP() << "needs another rank";
  Run([](Communicator& comm) {
    const bool idle = comm.rank() == 0;
    std::vector<float> x(100, idle ? std::nanf("") : 2.0f);
    const Piece piece{x.data(), x.data(), 100};
    EXPECT_OK(
        comm.AllReduce({&piece, 1}, kFloat, ReduceOp::kSum, idle ? 0.0 : 1.0));
    for (const float v : x) {
      ASSERT_EQ(v, 2.0f * static_cast<float>(comm.size() - 1));
    }
  });
}

TEST_P(CommunicatorTest, ANanOfAnyRankReachesAll) {
  Run([](Communicator& comm) {
    for (const ReduceOp op : kOps) {
      for (int bad = 0; bad < comm.size(); ++bad) {
        double x = comm.rank() == bad ? std::nan("") : 1.0;
        EXPECT_OK(comm.AllReduce(&x, &x, 1, kDouble, op));
        EXPECT_TRUE(std::isnan(x)) << ReduceOpName(op) << " from " << bad;
      }
    }
  });
}

TEST_P(CommunicatorTest, IntegerSumsWrapAround) {
  Run([](Communicator& comm) {
    constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
    int64_t x = kMost;
    EXPECT_OK(comm.AllReduce(&x, &x, 1, kInt64));
    const auto n = static_cast<uint64_t>(comm.size());
    EXPECT_EQ(static_cast<uint64_t>(x), n * static_cast<uint64_t>(kMost));
  });
}

TEST_P(CommunicatorTest, ReduceScatterGivesEachRankItsPart) {
  const auto check = [](Communicator& comm) {
    const int n = comm.size();
    for (const int64_t count : {0, 1, 7, 500, 3001}) {
      const auto in = Values<float>(comm.rank(), count * n);
      std::vector<float> out(static_cast<size_t>(count));
      EXPECT_OK(comm.ReduceScatter(in.data(), out.data(), count, kFloat));
      for (int64_t i = 0; i < count; ++i) {
        ASSERT_EQ(out[static_cast<size_t>(i)],
                  Expected(ReduceOp::kSum, n, comm.rank() * count + i, false));
      }
    }
  };
  Run(check, {.half_bytes = kTinyHalf});
}

TEST_P(CommunicatorTest, AllGatherKeepsTheOrderOfTheRanks) {
  const auto check = [](Communicator& comm) {
    for (const int64_t count : {0, 1, 5, 1000, 5003}) {
      const auto in = Values<int32_t>(comm.rank(), count);
      std::vector<int32_t> out(static_cast<size_t>(count * comm.size()));
      EXPECT_OK(comm.AllGather(in.data(), out.data(), count, kInt32));
      for (int r = 0; r < comm.size(); ++r) {
        for (int64_t i = 0; i < count; ++i) {
          ASSERT_EQ(out[static_cast<size_t>(r * count + i)], Value(r, i));
        }
      }
    }
  };
  Run(check, {.half_bytes = kTinyHalf});
}

TEST_P(CommunicatorTest, BroadcastsFromEachRoot) {
  const auto check = [](Communicator& comm) {
    for (const int64_t count : {0, 1, 17, 5003}) {
      for (int root = 0; root < comm.size(); ++root) {
        auto x = Values<double>(comm.rank(), count);
        EXPECT_OK(comm.Broadcast(x.data(), count, kDouble, root));
        EXPECT_EQ(x, Values<double>(root, count));
      }
    }
    bool flag = comm.rank() == 0;
    EXPECT_OK(comm.Broadcast(&flag, 1, kBool, 0));
    EXPECT_TRUE(flag);
  };
  Run(check, {.half_bytes = kTinyHalf});
}

TEST_P(CommunicatorTest, MessagesGoRoundARing) {
  if (size() < 2) GTEST_SKIP() << "needs another rank";
  Run([](Communicator& comm) {
    const int n = comm.size();
    const int right = (comm.rank() + 1) % n;
    const int left = (comm.rank() + n - 1) % n;
    for (const int64_t count : {0, 3, 400'003}) {
      const auto x = Values<float>(comm.rank(), count);
      std::vector<float> from_left(x.size());
      if (comm.rank() % 2 == 0) {
        EXPECT_OK(comm.Send(x.data(), count, kFloat, right, 5));
        EXPECT_OK(comm.Recv(from_left.data(), count, kFloat, left, 5));
      } else {
        EXPECT_OK(comm.Recv(from_left.data(), count, kFloat, left, 5));
        EXPECT_OK(comm.Send(x.data(), count, kFloat, right, 5));
      }
      EXPECT_EQ(from_left, Values<float>(left, count));
      EXPECT_OK(comm.Barrier());
    }
  });
}

TEST_P(CommunicatorTest, MessagesOfOnePairKeepTheirOrder) {
  if (size() < 2) GTEST_SKIP() << "needs another rank";
  Run([](Communicator& comm) {
    for (int32_t i = 0; i < 50; ++i) {
      int32_t x = comm.rank() == 0 ? i : -1;
      if (comm.rank() == 0) {
        EXPECT_OK(comm.Send(&x, 1, kInt32, 1, i));
      } else if (comm.rank() == 1) {
        EXPECT_OK(comm.Recv(&x, 1, kInt32, 0, i));
        EXPECT_EQ(x, i);
      }
    }
    EXPECT_OK(comm.Barrier());
  });
}

TEST_P(CommunicatorTest, ManyRoundsKeepTheRanksTogether) {
  Run([](Communicator& comm) {
    for (int32_t round = 0; round < 200; ++round) {
      EXPECT_OK(comm.Barrier());
      int32_t x = round;
      EXPECT_OK(comm.AllReduce(&x, &x, 1, kInt32));
      ASSERT_EQ(x, round * comm.size());
    }
  });
}

TEST_P(CommunicatorTest, SplitGroupsByColorAndOrdersByKey) {
  Run([](Communicator& comm) {
    const int color = comm.rank() % 2;
    auto half = comm.Split(color, -comm.rank());
    ASSERT_TRUE(half.ok()) << half.status().ToString();
    Communicator& group = **half;
    const int members = (comm.size() + 1 - color) / 2;
    EXPECT_EQ(group.size(), members);
    EXPECT_EQ(group.rank(), members - 1 - comm.rank() / 2);
    // Parts of a hierarchy need not be one.
    if (comm.backend() != "hierarchical") {
      EXPECT_EQ(group.backend(), comm.backend());
    }
    std::vector<int32_t> ranks(static_cast<size_t>(members));
    const int32_t mine = comm.rank();
    EXPECT_OK(group.AllGather(&mine, ranks.data(), 1, kInt32));
    for (int i = 0; i < members; ++i) {
      EXPECT_EQ(ranks[static_cast<size_t>(i)], color + 2 * (members - 1 - i));
    }
    EXPECT_OK(comm.Barrier());
  });
}

TEST_P(CommunicatorTest, SumOverRanksAddsMetrics) {
  Run([](Communicator& comm) {
    double metrics[] = {0.5, static_cast<double>(comm.rank())};
    EXPECT_OK(SumOverRanks(comm, metrics));
    const int n = comm.size();
    EXPECT_EQ(metrics[0], 0.5 * n);
    EXPECT_EQ(metrics[1], n * (n - 1) / 2);
  });
}

}  // namespace
}  // namespace lockstep
