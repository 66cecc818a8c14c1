// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <limits>
#include <numeric>

#include "ops/ops.h"
#include "runtime/core/per_thread.h"
#include "runtime/exec/session.h"
#include "tests/testing/op_test.h"

namespace lockstep {
namespace {

OpCase Op(const char* name) {
  return OpCase([name](const Scope& s, const Outputs& in) {
    NodeBuilder b = s.Op(name);
    for (const Output& x : in) b.In(x);
    return b.Out();
  });
}

TEST(SegmentTest, CombinesRowsWithOneId) {
  const Tensor x = F({4, 2}, {1, 2, 3, 4, 5, -6, 7, 8});
  const Tensor ids = I({4}, {0, 0, 2, 2});
  Op("SegmentSum").In(x).In(ids).Want(F({3, 2}, {4, 6, 0, 0, 12, 2}));
  Op("SegmentMean").In(x).In(ids).Want(F({3, 2}, {2, 3, 0, 0, 6, 1}));
  Op("SegmentProd").In(x).In(ids).Want(F({3, 2}, {3, 8, 1, 1, 35, -48}));
  Op("SegmentMax").In(x).In(ids).Want(F({3, 2}, {3, 4, 0, 0, 7, 8}));
  Op("SegmentMin").In(x).In(ids).Want(F({3, 2}, {1, 2, 0, 0, 5, -6}));
  Op("SegmentSum").In(F({0, 2}, {})).In(L({0}, {})).Want(F({0, 2}, {}));
  Op("SegmentMax")
      .In(I({2}, {-3, -4}))
      .In(L({2}, {1, 1}))
      .Want(I({2}, {0, -3}));
}

TEST(SegmentTest, RefusesIdsOutOfOrder) {
  Op("SegmentSum")
      .In(F({2}, {1, 2}))
      .In(I({2}, {1, 0}))
      .WantError(Code::kInvalidArgument, "segment ids are not increasing");
  Op("SegmentSum")
      .In(F({2}, {1, 2}))
      .In(I({2}, {-1, 0}))
      .WantError(Code::kInvalidArgument, "Segment id -1 out of range");
  Op("SegmentSum")
      .In(F({2}, {1, 2}))
      .In(I({3}, {0, 0, 1}))
      .WantError(Code::kInvalidArgument, "same size as dimension 0");
}

TEST(SegmentTest, Gradients) {
  const Tensor ids = I({4}, {0, 0, 1, 1});
  for (const char* op : {"SegmentSum", "SegmentMean", "SegmentProd",
                         "SegmentMax", "SegmentMin"}) {
    SCOPED_TRACE(op);
    Op(op).In(Doubles({4, 2})).Constant(ids).Gradient();
  }
  Op("SegmentProd")
      .In(D({4}, {2, 0, 3, 4}))
      .Constant(I({4}, {0, 0, 0, 1}))
      .Gradient();
}

TEST(UnsortedSegmentTest, CombinesRowsAndLeavesNegativeIdsOut) {
  const Tensor x = I({4}, {5, 2, 3, 4});
  const Tensor ids = I({4}, {1, -1, 1, 0}), n = I({}, {3});
  Op("UnsortedSegmentSum").In(x).In(ids).In(n).Want(I({3}, {4, 8, 0}));
  Op("UnsortedSegmentProd").In(x).In(ids).In(n).Want(I({3}, {4, 15, 1}));
  Op("UnsortedSegmentMax")
      .In(x)
      .In(ids)
      .In(n)
      .Want(I({3}, {4, 5, std::numeric_limits<int32_t>::min()}));
  Op("UnsortedSegmentMin")
      .In(x)
      .In(ids)
      .In(n)
      .Want(I({3}, {4, 3, std::numeric_limits<int32_t>::max()}));
  Op("UnsortedSegmentMax")
      .In(x)
      .In(ids)
      .In(I({}, {1}))
      .WantError(Code::kInvalidArgument,
                 "segment_ids[0] = 1 is out of range [0, 1)");
}

TEST(UnsortedSegmentTest, Gradients) {
  const Tensor ids = I({4}, {1, -1, 1, 0}), n = I({}, {2});
  for (const char* op : {"UnsortedSegmentSum", "UnsortedSegmentProd",
                         "UnsortedSegmentMax", "UnsortedSegmentMin"}) {
    SCOPED_TRACE(op);
    Op(op).In(Doubles({4, 2})).Constant(ids).Constant(n).Gradient();
  }
}

TEST(SparseSegmentTest, CombinesTheRowsThatIndicesName) {
  const Tensor x = F({3, 2}, {1, 2, 3, 4, 5, 6});
  const Tensor at = I({4}, {2, 0, 1, 1}), ids = I({4}, {0, 0, 0, 2});
  Op("SparseSegmentSum")
      .In(x)
      .In(at)
      .In(ids)
      .Want(F({3, 2}, {9, 12, 0, 0, 3, 4}));
  Op("SparseSegmentMean")
      .In(x)
      .In(at)
      .In(ids)
      .Want(F({3, 2}, {3, 4, 0, 0, 3, 4}));
  const float root = std::sqrt(3.0f);
  Op("SparseSegmentSqrtN")
      .In(x)
      .In(at)
      .In(ids)
      .Within(1e-6)
      .Want(F({3, 2}, {9 / root, 12 / root, 0, 0, 3, 4}));
  Op("SparseSegmentSumWithNumSegments")
      .In(x)
      .In(at)
      .In(ids)
      .In(I({}, {4}))
      .Want(F({4, 2}, {9, 12, 0, 0, 3, 4, 0, 0}));
  Op("SparseSegmentSum")
      .In(x)
      .In(I({1}, {3}))
      .In(I({1}, {0}))
      .WantError(Code::kInvalidArgument, "indices[0] == 3 out of range [0, 3)");
}

TEST(SparseSegmentTest, Gradients) {
  for (const char* op :
       {"SparseSegmentSum", "SparseSegmentMean", "SparseSegmentSqrtN"}) {
    SCOPED_TRACE(op);
    Op(op)
        .In(Doubles({3, 2}))
        .Constant(I({4}, {2, 0, 1, 1}))
        .Constant(I({4}, {0, 0, 0, 1}))
        .Gradient();
  }
}

// As TensorFlow has them.
TEST(SparseSegmentTest, GradientOfTheRowsThatAreNotZero) {
  const auto output = [](const char* op, int which) {
    return OpCase([=](const Scope& s, const Outputs& in) {
             return s.Op(op).In(in[0]).In(in[1]).In(in[2]).In(6).Out(which);
           })
        .In(F({3, 2}, {1, 2, 3, 4, 5, 6}))
        .Within(1e-6);
  };
  const Tensor indices = I({4}, {4, 0, 4, 2}), ids = I({4}, {0, 0, 1, 2});
  output("SparseSegmentSumGradV2", 0)
      .In(indices)
      .In(ids)
      .Want(F({3, 2}, {1, 2, 5, 6, 4, 6}));
  output("SparseSegmentMeanGradV2", 0)
      .In(indices)
      .In(ids)
      .Want(F({3, 2}, {.5, 1, 5, 6, 3.5, 5}));
  output("SparseSegmentSqrtNGradV2", 0)
      .In(indices)
      .In(ids)
      .Want(F({3, 2}, {.70710677f, 1.4142135f, 5, 6, 3.7071068f, 5.4142137f}));
  output("SparseSegmentSumGradV2", 1)
      .In(indices)
      .In(ids)
      .Want(I({3}, {0, 2, 4}));
  output("SparseSegmentSumGradV2", 1)
      .In(I({0}, {}))
      .In(I({0}, {}))
      .Want(I({0}, {}));
  output("SparseSegmentSumGradV2", 0)
      .In(I({1}, {7}))
      .In(I({1}, {0}))
      .WantError(Code::kInvalidArgument, "out of range [0, 6)");
  output("SparseSegmentSumGradV2", 0)
      .In(I({1}, {0}))
      .In(I({1}, {3}))
      .WantError(Code::kInvalidArgument, "out of range [0, 3)");
}

OpCase TopK(int which) {
  return OpCase([which](const Scope& s, const Outputs& in) {
    const ops::TopKOutputs t = ops::TopK(s, in[0], in[1]);
    return which == 0 ? t.values : t.indices;
  });
}

TEST(TopKTest, FindsTheLargestInOrder) {
  const Tensor x = F({2, 4}, {1, 3, 2, 3, -1, -5, 0, -2});
  TopK(0).In(x).In(I({}, {2})).Want(F({2, 2}, {3, 3, 0, -1}));
  TopK(1).In(x).In(I({}, {2})).Want(I({2, 2}, {1, 3, 2, 0}));
  TopK(0).In(I({3}, {1, 2, 3})).In(I({}, {0})).Want(I({0}, {}));
  TopK(0)
      .In(x)
      .In(I({}, {5}))
      .WantError(Code::kInvalidArgument, "must have at least k columns");
  TopK(0)
      .In(x)
      .In(I({}, {-1}))
      .WantError(Code::kInvalidArgument, "Need k >= 0");
}

TEST(TopKTest, GradientGoesBackToThePositions) {
  TopK(0).In(Doubles({2, 2, 4})).Constant(I({}, {3})).Gradient();
  TopK(0).In(Doubles({4})).Constant(I({}, {2})).Gradient();
}

// Sorted as a whole, or only the first few; many rows on several threads.
TEST(TopKTest, RowsAreThoseOfAStableSort) {
  constexpr int64_t kRows = 40, kColumns = 300;
  Tensor x(kFloat, Shape{kRows, kColumns});
  uint32_t random = 1;
  for (float& v : x.flat<float>()) {
    random = random * 1664525 + 1013904223;
    v = static_cast<float>(random >> 25);  // many ties
  }
  for (const int32_t k : {1, 7, 100, 300}) {
    for (const int threads : {1, 3}) {
      Graph graph;
      const Scope root(&graph);
      const Output fed =
          ops::Placeholder(root.WithName("x"), kFloat, x.shape());
      const auto top = ops::TopK(root, fed, k);
      SessionOptions options;
      options.intra_op_threads = threads;
      auto session = Session::Create(graph, options);
      ASSERT_TRUE(session.ok()) << session.status().ToString();
      const auto got = (*session)->Run({{"x:0", x}},
                                       {top.values.name(), top.indices.name()});
      ASSERT_TRUE(got.ok()) << got.status().ToString();
      for (int64_t row = 0; row < kRows; ++row) {
        std::vector<int32_t> order(kColumns);
        std::iota(order.begin(), order.end(), 0);
        const float* in = x.flat<float>().data() + row * kColumns;
        std::ranges::stable_sort(
            order, [in](int32_t a, int32_t b) { return in[a] > in[b]; });
        for (int32_t i = 0; i < k; ++i) {
          const auto at = static_cast<size_t>(row * k + i);
          const int32_t want = order[static_cast<size_t>(i)];
          ASSERT_EQ((*got)[1].flat<int32_t>()[at], want) << k << " " << row;
          ASSERT_EQ((*got)[0].flat<float>()[at], in[want]);
        }
      }
    }
  }
}

// Threads of a team that run plans of their own, as virtual replicas do, have
// numbers beyond the one thread that each may use.
TEST(TopKTest, WithinAnotherTeam) {
  const ThreadsScope width(4);
  std::vector<std::vector<int32_t>> got(4);
  ParallelFor(4, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const ThreadsScope one(1);
      const PerThread<int> numbers(0);
      EXPECT_EQ(numbers.count(), 1);
      Graph graph;
      const Scope root(&graph);
      const Output x =
          ops::Placeholder(root.WithName("x"), kFloat, Shape{1, 3});
      const auto top = ops::TopK(root, x, 2);
      SessionOptions options;
      options.intra_op_threads = 1;
      auto session = Session::Create(graph, options);
      const auto indices = (*session)->RunOne({{"x:0", F({1, 3}, {1, 3, 2})}},
                                              top.indices.name());
      const auto span = indices->flat<int32_t>();
      got[static_cast<size_t>(i)] = {span.begin(), span.end()};
    }
  });
  for (const auto& indices : got) {
    EXPECT_EQ(indices, (std::vector<int32_t>{1, 2}));
  }
}

TEST(TopKTest, NansDoNoHarm) {
  Tensor x(kFloat, Shape{3, 200});
  for (int64_t i = 0; i < x.NumElements(); ++i) {
    x.flat<float>()[static_cast<size_t>(i)] =
        i % 3 == 0 ? std::numeric_limits<float>::quiet_NaN()
                   : static_cast<float>(i * 37 % 100);
  }
  for (const int32_t k : {5, 200}) {
    Graph graph;
    const Scope root(&graph);
    const auto top = ops::TopK(root, x, k);
    auto session = Session::Create(graph, {});
    const auto got = (*session)->RunOne({}, top.indices.name());
    ASSERT_TRUE(got.ok()) << got.status().ToString();
    for (const int32_t i : got->flat<int32_t>()) {
      EXPECT_GE(i, 0);
      EXPECT_LT(i, 200);
    }
  }
}

}  // namespace
}  // namespace lockstep
