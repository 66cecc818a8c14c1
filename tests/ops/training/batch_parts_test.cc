// SPDX-License-Identifier: Apache-2.0
#include "ops/training/batch_parts.h"

#include "ops/ops.h"
#include "tests/testing/graph_run.h"

namespace lockstep {
namespace {

using testing::EvaluateOne;
using testing::ExpectValues;
using ::testing::HasSubstr;
using Outputs = std::vector<Output>;

// Samples 0, 1, ... of two features.
Tensor Samples(int64_t n) {
  Tensor t(kFloat, Shape{n, 2});
  for (size_t i = 0; i < static_cast<size_t>(2 * n); ++i) {
    t.flat<float>()[i] = static_cast<float>(i / 2);
  }
  return t;
}

Tensor Part(int64_t samples, int count, int i) {
  return EvaluateOne({Samples(samples)},
                     [&](const Scope& s, const Outputs& in) {
                       const ops::BatchParts parts(s, in[0], count);
                       return Outputs{parts.Part(s, in[0], i)};
                     });
}

TEST(BatchPartsTest, PartsAreTheSamplesInOrder) {
  ExpectValues(Part(4, 2, 0), Shape{2, 2}, {0, 0, 1, 1});
  ExpectValues(Part(4, 2, 1), Shape{2, 2}, {2, 2, 3, 3});
  ExpectValues(Part(3, 1, 0), Shape{3, 2}, {0, 0, 1, 1, 2, 2});
}

TEST(BatchPartsTest, PartsThatAreNotEvenDifferByOne) {
  ExpectValues(Part(5, 3, 0), Shape{1, 2}, {0, 0});
  ExpectValues(Part(5, 3, 1), Shape{2, 2}, {1, 1, 2, 2});
  ExpectValues(Part(5, 3, 2), Shape{2, 2}, {3, 3, 4, 4});
  ExpectValues(Part(1, 2, 0), Shape{0, 2}, {});
}

// The mean of no samples is NaN.
TEST(BatchPartsTest, TheAverageOfMeansIsTheMeanOfTheBatch) {
  for (const int64_t samples : {1, 3, 5, 8}) {
    const Tensor mean =
        EvaluateOne({Samples(samples)}, [](const Scope& s, const Outputs& in) {
          const ops::BatchParts parts(s, in[0], 4);
          Outputs means;
          for (int i = 0; i < parts.count(); ++i) {
            means.push_back(ops::Mean(s, parts.Part(s, in[0], i), {0, 1}));
          }
          return Outputs{parts.Average(s, means)};
        });
    ExpectValues(mean, Shape{}, {static_cast<double>(samples - 1) / 2});
  }
}

TEST(BatchPartsTest, MistakesAreKeptInTheGraph) {
  Graph none, missing, few;
  const Scope a(&none), b(&missing), c(&few);
  const auto batch = [](const Scope& s) {
    return ops::Placeholder(s, kFloat, Shape{-1, 2});
  };
  const ops::BatchParts no_parts(a, batch(a), 0);
  EXPECT_THAT(a.status().message(), HasSubstr("cut into 0 parts"));
  const ops::BatchParts two(b, batch(b), 2);
  EXPECT_FALSE(two.Part(b, batch(b), 2).defined());
  EXPECT_THAT(b.status().message(), HasSubstr("no part 2 among 2"));
  const ops::BatchParts three(c, batch(c), 3);
  EXPECT_FALSE(three.Average(c, Outputs{batch(c)}).defined());
  EXPECT_THAT(c.status().message(), HasSubstr("3 parts of 1 values"));
}

}  // namespace
}  // namespace lockstep
