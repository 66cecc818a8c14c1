// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <limits>

#include "ops/ops.h"
#include "runtime/core/threads.h"
#include "tests/testing/op_test.h"

namespace lockstep {
namespace {

const float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInf = std::numeric_limits<float>::infinity();

OpCase Reduce(const char* op, bool keep_dims = false) {
  return OpCase([=](const Scope& s, const Outputs& in) {
    return s.Op(op).In(in[0]).In(in[1]).Attr("keep_dims", keep_dims).Out();
  });
}

TEST(SumTest, OverAnyAxes) {
  const Tensor x = F({2, 3}, {1, 2, 3, 4, 5, 6});
  Reduce("Sum").In(x).In(I({1}, {0})).Want(F({3}, {5, 7, 9}));
  Reduce("Sum").In(x).In(I({1}, {1})).Want(F({2}, {6, 15}));
  Reduce("Sum").In(x).In(I({}, {-1})).Want(F({2}, {6, 15}));
  Reduce("Sum").In(x).In(L({2}, {0, 1})).Want(F({}, {21}));
  Reduce("Sum").In(x).In(I({0}, {})).Want(x);
  Reduce("Sum", true).In(x).In(I({1}, {1})).Want(F({2, 1}, {6, 15}));
  Reduce("Sum")
      .In(F({2, 2, 2}, {1, 2, 3, 4, 5, 6, 7, 8}))
      .In(I({2}, {0, 2}))
      .Want(F({2}, {14, 22}));
  Reduce("Sum")
      .In(F({2, 2, 2}, {1, 2, 3, 4, 5, 6, 7, 8}))
      .In(I({1}, {1}))
      .Want(F({2, 2}, {4, 6, 12, 14}));
  Reduce("Sum").In(F({}, {3})).In(I({0}, {})).Want(F({}, {3}));
}

// Short runs are reduced 16 at a time, the last ones alone: with the same bits.
TEST(ReduceTest, EqualRunsGiveEqualBits) {
  using Fold = double (*)(double, double);
  const struct {
    const char* op;
    double first;
    Fold fold;
  } kOps[] = {{"Sum", 0, [](double a, double b) { return a + b; }},
              {"Prod", 1, [](double a, double b) { return a * b; }},
              {"Max", -1, [](double a, double b) { return std::max(a, b); }},
              {"Min", 9, [](double a, double b) { return std::min(a, b); }}};
  for (const auto& [op, first, fold] : kOps) {
    for (int64_t n = 1; n < 40; ++n) {
      SCOPED_TRACE(StrCat(op, " of ", n));
      Tensor x(kFloat, Shape{37, n});
      double want = first;
      for (int64_t i = 0; i < x.NumElements(); ++i) {
        const auto at = static_cast<float>(i % n);
        const float value = std::sin(at * at + 0.1f) + 1.5f;
        x.flat<float>()[static_cast<size_t>(i)] = value;
        if (i < n) want = fold(want, static_cast<double>(value));
      }
      const Result<Tensor> y = Reduce(op).In(x).In(I({}, {1})).Run();
      ASSERT_TRUE(y.ok()) << y.status().ToString();
      const float last = y->flat<float>().back();
      EXPECT_THAT(y->flat<float>(), ::testing::Each(last));
      EXPECT_NEAR(static_cast<double>(last), want, 1e-5 * want);
    }
  }
}

TEST(SumTest, OfNothingIsZero) {
  Reduce("Sum").In(F({0, 2}, {})).In(I({1}, {0})).Want(F({2}, {0, 0}));
  Reduce("Sum").In(F({2, 0}, {})).In(I({1}, {0})).Want(F({0}, {}));
  Reduce("Mean").In(F({0}, {})).In(I({1}, {0})).Want(F({}, {kNan}));
  Reduce("Prod").In(F({0}, {})).In(I({1}, {0})).Want(F({}, {1}));
  Reduce("Max").In(F({0}, {})).In(I({1}, {0})).Want(F({}, {-kInf}));
  Reduce("Min")
      .In(I({0}, {}))
      .In(I({1}, {0}))
      .Want(I({}, {std::numeric_limits<int32_t>::max()}));
}

TEST(SumTest, RefusesAxesOutOfRangeOrTwice) {
  const Tensor x = F({2}, {1, 2});
  Reduce("Sum")
      .In(x)
      .In(I({1}, {1}))
      .WantError(Code::kInvalidArgument, "Invalid reduction dimension");
  Reduce("Mean")
      .In(x)
      .In(I({1}, {-2}))
      .WantError(Code::kInvalidArgument, "Invalid reduction dimension");
  Reduce("Sum")
      .In(x)
      .In(I({2}, {0, -1}))
      .WantError(Code::kInvalidArgument, "duplicate");
}

TEST(SumTest, WorksForEveryRealType) {
  for (DType t : {kFloat, kDouble, kHalf, kBfloat16, kInt8, kInt16, kInt32,
                  kInt64, kUint8, kUint16, kUint32, kUint64}) {
    SCOPED_TRACE(DTypeName(t));
    const Tensor x = As(t, D({2, 2}, {1, 2, 3, 6}));
    Reduce("Sum").In(x).In(I({1}, {0})).Want(As(t, D({2}, {4, 8})));
    Reduce("Mean").In(x).In(I({1}, {0})).Want(As(t, D({2}, {2, 4})));
    Reduce("Prod").In(x).In(I({1}, {1})).Want(As(t, D({2}, {2, 18})));
    Reduce("Max").In(x).In(I({1}, {1})).Want(As(t, D({2}, {2, 6})));
    Reduce("Min").In(x).In(I({2}, {0, 1})).Want(As(t, D({}, {1})));
  }
}

TEST(MeanTest, OfAMillionFloatsKeepsSevenDigits) {
  const int64_t n = 1000003;
  const Tensor x = As(kFloat, Doubles({n}, 0, 1, 3));
  double sum = 0;
  for (float v : x.flat<float>()) sum += v;
  Result<Tensor> mean = Reduce("Mean").In(x).Constant(I({1}, {0})).Run();
  ASSERT_TRUE(mean.ok()) << mean.status().ToString();
  EXPECT_NEAR(mean->scalar<float>(), sum / n, 1e-7);
}

// The bits must not depend on how many threads share the work.
TEST(ReduceTest, ThreadsDoNotChangeTheResult) {
  const Tensor x = As(kFloat, Doubles({61, 37, 129}, -1, 1, 4));
  const int before = Threads();
  for (Tensor axes : {I({3}, {0, 1, 2}), I({1}, {0}), I({2}, {0, 2}),
                      I({1}, {1}), I({1}, {2}), I({2}, {0, 1})}) {
    std::vector<Tensor> sums;
    for (int threads : {1, 2, 3}) {
      Graph graph;
      const Scope s(&graph);
      const Output y = ops::Sum(s, ops::Placeholder(s, kFloat, x.shape()),
                                ops::Const(s, axes));
      SessionOptions options;
      options.intra_op_threads = threads;
      auto session = Session::Create(graph, options);
      ASSERT_TRUE(session.ok());
      auto sum = (*session)->Run({{y.node->input(0), x}}, y);
      ASSERT_TRUE(sum.ok()) << sum.status().ToString();
      sums.push_back(*sum);
    }
    EXPECT_TRUE(BitwiseEqual(sums[0], sums[1]));
    EXPECT_TRUE(BitwiseEqual(sums[0], sums[2]));
  }
  SetThreads(before);
}

// Sizes beyond every block and chunk, against sums in the plain order.
TEST(ReduceTest, LargeReductionsMatchTheDefinition) {
  const int64_t a = 7, b = 300, c = 290;
  const Tensor x = Doubles({a, b, c}, -1, 1, 5);
  const auto at = [&](int64_t i, int64_t j, int64_t k) {
    return x.flat<double>()[static_cast<size_t>((i * b + j) * c + k)];
  };
  Tensor rows(kDouble, Shape{c}), columns(kDouble, Shape{b}),
      middle(kDouble, Shape{a, c});
  for (Tensor* t : {&rows, &columns, &middle}) {
    std::ranges::fill(t->flat<double>(), 0);
  }
  double all = 0;
  for (int64_t i = 0; i < a; ++i) {
    for (int64_t j = 0; j < b; ++j) {
      for (int64_t k = 0; k < c; ++k) {
        rows.flat<double>()[static_cast<size_t>(k)] += at(i, j, k);
        columns.flat<double>()[static_cast<size_t>(j)] += at(i, j, k);
        middle.flat<double>()[static_cast<size_t>(i * c + k)] += at(i, j, k);
        all += at(i, j, k);
      }
    }
  }
  Reduce("Sum").In(x).In(I({2}, {0, 1})).Within(1e-10).Want(rows);
  Reduce("Sum").In(x).In(I({2}, {0, 2})).Within(1e-10).Want(columns);
  Reduce("Sum").In(x).In(I({1}, {1})).Within(1e-10).Want(middle);
  Reduce("Sum").In(x).In(I({3}, {0, 1, 2})).Within(1e-9).Want(Tensor(all));
}

// A few columns, of rows that follow each other or have others between them.
TEST(ReduceTest, FewColumnsMatchTheDefinition) {
  const int64_t n = 5, h = 37, w = 41;
  for (const int64_t c : {1, 3, 16, 17, 24, 32, 63, 64, 65}) {
    SCOPED_TRACE(c);
    const Tensor x = As(kFloat, Doubles({n, h, w, c}, -1, 1, 6));
    std::vector<double> pixels(static_cast<size_t>(n * c)),
        rows(static_cast<size_t>(h * c));
    for (int64_t i = 0; i < n * h * w * c; ++i) {
      const double value = x.flat<float>()[static_cast<size_t>(i)];
      pixels[static_cast<size_t>(i / (h * w * c) * c + i % c)] += value;
      rows[static_cast<size_t>(i / (w * c) % h * c + i % c)] += value;
    }
    const auto floats = [](const std::vector<double>& sums, Shape shape) {
      Tensor t(kFloat, shape);
      std::ranges::copy(sums, t.flat<float>().begin());
      return t;
    };
    Reduce("Sum")
        .In(x)
        .In(I({2}, {1, 2}))
        .Within(1e-6)
        .Want(floats(pixels, {n, c}));
    Reduce("Sum")
        .In(x)
        .In(I({2}, {0, 2}))
        .Within(1e-6)
        .Want(floats(rows, {h, c}));
  }
}

TEST(MeanTest, OfIntegersTruncates) {
  Reduce("Mean").In(I({2}, {3, 4})).In(I({1}, {0})).Want(I({}, {3}));
  Reduce("Mean").In(I({2}, {-3, -4})).In(I({1}, {0})).Want(I({}, {-3}));
}

TEST(ReduceTest, OverAxesOfSizeOneTakesNoStep) {
  Graph graph;
  const Scope s = Scope(&graph).WithDevice("/cpu:0");
  const Output x = ops::Placeholder(s, kFloat, {-1, 1, 2});
  const Output y = ops::Neg(s, ops::Mean(s, x, {1}));
  auto session = Session::Create(graph);
  ASSERT_TRUE(session.ok());
  const Tensor v = F({2, 1, 2}, {1, 2, 3, 4});
  auto plan = (*session)->Explain({{x.name(), v}}, {y.name()});
  ASSERT_TRUE(plan.ok()) << plan.status().ToString();
  EXPECT_EQ(plan->num_steps, 1) << Join(plan->steps, "\n");
  auto out = (*session)->Run({{x, v}}, y);
  ASSERT_TRUE(out.ok()) << out.status().ToString();
  EXPECT_TRUE(SameTensor(*out, F({2, 2}, {-1, -2, -3, -4})));
}

TEST(MaxTest, PropagatesNan) {
  Reduce("Max").In(F({3}, {1, kNan, 2})).In(I({1}, {0})).Want(F({}, {kNan}));
  Reduce("Min")
      .In(F({2, 2}, {1, kNan, 2, 0}))
      .In(I({1}, {0}))
      .Want(F({2}, {1, kNan}));
  Reduce("Max").In(F({2}, {-kInf, -5})).In(I({1}, {0})).Want(F({}, {-5}));
}

TEST(AllAnyTest, CombineBooleans) {
  const Tensor x = B({2, 2}, {true, false, true, true});
  Reduce("All").In(x).In(I({1}, {1})).Want(B({2}, {false, true}));
  Reduce("Any").In(x).In(I({1}, {0})).Want(B({2}, {true, true}));
  Reduce("All").In(B({0}, {})).In(I({1}, {0})).Want(B({}, {true}));
  Reduce("Any").In(B({0}, {})).In(I({1}, {0})).Want(B({}, {false}));
}

TEST(ReduceGradientTest, MatchesDifferences) {
  for (const char* op : {"Sum", "Mean", "Max", "Min"}) {
    for (bool keep : {false, true}) {
      SCOPED_TRACE(StrCat(op, keep ? " keeping axes" : ""));
      Reduce(op, keep).In(Doubles({2, 3, 2})).In(I({2}, {0, 2})).Gradient();
      Reduce(op, keep).In(Doubles({2, 3})).In(I({1}, {-1})).Gradient();
      Reduce(op, keep).In(Doubles({2, 3})).In(I({2}, {0, 1})).Gradient();
    }
  }
  Reduce("Sum").In(Doubles({3})).In(I({0}, {})).Gradient();
}

TEST(ProdTest, GradientIsRightAlsoAtZeros) {
  const auto prod = [](std::vector<int32_t> axes) {
    return OpCase([axes](const Scope& s, const Outputs& in) {
      // Of known rank, as its gradient needs.
      const Output x = ops::Reshape(s, in[0], {2, 3});
      return ops::Prod(s, x, Tensor::Vector(axes));
    });
  };
  prod({1}).In(Doubles({2, 3}, 0.5, 2)).Gradient();
  prod({0}).In(Doubles({2, 3}, 0.5, 2)).Gradient();
  prod({0, 1}).In(D({2, 3}, {1, 0, 2, 3, 4, 5})).Gradient();
  prod({1}).In(D({2, 3}, {1, 0, 0, 3, 0, 5})).Gradient();
}

TEST(MaxTest, GradientIsSharedAmongEqualElements) {
  OpCase([](const Scope& s, const Outputs& in) {
    std::vector<Output> dx;
    const Output y = ops::Max(s, in[0], {0});
    EXPECT_TRUE(AddGradients(s, {y}, {in[0]}, &dx).ok());
    return dx[0];
  })
      .In(F({3}, {2, 1, 2}))
      .Want(F({3}, {0.5, 0, 0.5}));
}

OpCase Arg(const char* op, int axis, DType type = kInt64) {
  return OpCase([=](const Scope& s, const Outputs& in) {
    return s.Op(op).In(in[0]).In(axis).Attr("output_type", type).Out();
  });
}

TEST(ArgMaxTest, GivesTheFirstOfTheLargest) {
  const Tensor x = F({2, 3}, {1, 5, 5, 7, 0, 7});
  Arg("ArgMax", 1).In(x).Want(L({2}, {1, 0}));
  Arg("ArgMax", 0).In(x).Want(L({3}, {1, 0, 1}));
  Arg("ArgMin", -1, kInt32).In(x).Want(I({2}, {0, 1}));
  Arg("ArgMax", 0).In(F({3}, {kNan, 1, 2})).Want(L({}, {2}));
  Arg("ArgMax", 0).In(B({3}, {false, true, true})).Want(L({}, {1}));
  Arg("ArgMax", 0).In(F({0}, {})).WantError(Code::kInvalidArgument, "empty");
  Arg("ArgMax", 1)
      .In(F({2}, {1, 2}))
      .WantError(Code::kInvalidArgument, "in the range [-1, 1), but got 1");
  Arg("ArgMax", 1).In(F({0, 3}, {})).Want(L({0}, {}));
}

OpCase Scan(const char* op, int axis, bool exclusive, bool reverse) {
  return OpCase([=](const Scope& s, const Outputs& in) {
    return s.Op(op)
        .In(in[0])
        .In(axis)
        .Attr("exclusive", exclusive)
        .Attr("reverse", reverse)
        .Out();
  });
}

TEST(ScanTest, RunsForwardsAndBackwards) {
  const Tensor x = F({2, 3}, {1, 2, 3, 4, 5, 6});
  Scan("Cumsum", 1, false, false).In(x).Want(F({2, 3}, {1, 3, 6, 4, 9, 15}));
  Scan("Cumsum", 0, false, false).In(x).Want(F({2, 3}, {1, 2, 3, 5, 7, 9}));
  Scan("Cumsum", 1, true, false).In(x).Want(F({2, 3}, {0, 1, 3, 0, 4, 9}));
  Scan("Cumsum", -1, true, true).In(x).Want(F({2, 3}, {5, 3, 0, 11, 6, 0}));
  Scan("Cumprod", 1, false, true)
      .In(I({3}, {2, 3, 4}))
      .WantError(Code::kInvalidArgument, "in the range [-1, 1), but got 1");
  Scan("Cumprod", 0, false, true)
      .In(I({3}, {2, 3, 4}))
      .Want(I({3}, {24, 12, 4}));
  Scan("Cumsum", 0, false, false).In(F({0}, {})).Want(F({0}, {}));
  for (bool exclusive : {false, true}) {
    for (bool reverse : {false, true}) {
      Scan("Cumsum", 1, exclusive, reverse).In(Doubles({2, 3})).Gradient();
      Scan("Cumprod", 0, exclusive, reverse)
          .In(Doubles({3, 2}, 0.5, 1.5))
          .Gradient();
    }
  }
}

TEST(L2LossTest, IsHalfTheSumOfSquares) {
  OpCase l2(
      [](const Scope& s, const Outputs& in) { return ops::L2Loss(s, in[0]); });
  OpCase(l2).In(F({2, 2}, {1, 2, 3, 4})).Want(F({}, {15}));
  OpCase(l2).In(F({0}, {})).Want(F({}, {0}));
  OpCase(l2).In(Doubles({5})).Gradient();
}

TEST(UnsortedSegmentSumTest, SumsRowsById) {
  OpCase sum([](const Scope& s, const Outputs& in) {
    return ops::UnsortedSegmentSum(s, in[0], in[1], 3);
  });
  const Tensor x = F({3, 2}, {1, 2, 3, 4, 5, 6});
  OpCase(sum).In(x).In(I({3}, {2, 0, 2})).Want(F({3, 2}, {3, 4, 0, 0, 6, 8}));
  OpCase(sum).In(x).In(L({3}, {-1, 0, 0})).Want(F({3, 2}, {8, 10, 0, 0, 0, 0}));
  OpCase(sum).In(x).In(I({3, 2}, {0, 0, 1, 1, 1, 1})).Want(F({3}, {3, 18, 0}));
  OpCase(sum)
      .In(x)
      .In(I({3}, {0, 3, 0}))
      .WantError(Code::kInvalidArgument, "segment_ids[1] = 3");
  OpCase(sum)
      .In(x)
      .In(I({2}, {0, 1}))
      .WantError(Code::kInvalidArgument, "[3,2]");
  OpCase(sum).In(Doubles({3, 2})).In(I({3}, {2, -1, 2})).Gradient();
}

}  // namespace
}  // namespace lockstep
