// SPDX-License-Identifier: Apache-2.0
#include <set>

#include "ops/array/array.h"
#include "ops/random/random.h"
#include "tests/testing/graph_run.h"

namespace lockstep::testing {
namespace {

using ::testing::HasSubstr;

// Recorded from TensorFlow with graph seed 7 and op seed 3; as node attributes
// here, so that both agree.
std::vector<Tensor> Sample(const char* op, bool unique, int64_t range) {
  return Evaluate({}, [=](const Scope& s, const std::vector<Output>&) {
    return s.Op(op)
        .In(Tensor::Of<int64_t>({2, 1}, {0, 7}))
        .Attr("num_true", int64_t{1})
        .Attr("num_sampled", int64_t{5})
        .Attr("unique", unique)
        .Attr("range_max", range)
        .Attr("seed", int64_t{7})
        .Attr("seed2", int64_t{3})
        .Outs();
  });
}

TEST(CandidateSamplerTest, Uniform) {
  const std::vector<Tensor> y = Sample("UniformCandidateSampler", true, 100);
  ExpectValues(y[0], {5}, {61, 48, 22, 42, 58});
  ExpectValues(y[1], {2, 1}, {0.049999997, 0.049999997});
  ExpectValues(
      y[2], {5},
      {0.049999997, 0.049999997, 0.049999997, 0.049999997, 0.049999997});
}

TEST(CandidateSamplerTest, UniformWithRepeats) {
  const std::vector<Tensor> y = Sample("UniformCandidateSampler", false, 64);
  ExpectValues(y[0], {5}, {25, 40, 14, 50, 18});
  ExpectValues(y[1], {2, 1}, {0.078125, 0.078125});
  ExpectValues(y[2], {5}, {0.078125, 0.078125, 0.078125, 0.078125, 0.078125});
}

TEST(CandidateSamplerTest, LogUniform) {
  const std::vector<Tensor> y = Sample("LogUniformCandidateSampler", true, 12);
  ExpectValues(y[0], {5}, {0, 2, 10, 1, 5});
  ExpectValues(y[1], {2, 1}, {0.848961771, 0.245762438});
  ExpectValues(
      y[2], {5},
      {0.848961771, 0.510208428, 0.187038779, 0.643854499, 0.31056568});
}

TEST(CandidateSamplerTest, LogUniformWithRepeats) {
  const std::vector<Tensor> y =
      Sample("LogUniformCandidateSampler", false, 1000);
  ExpectValues(y[0], {5}, {3, 25, 804, 0, 12});
  ExpectValues(y[1], {2, 1}, {0.501644075, 0.0852418691});
  ExpectValues(
      y[2], {5},
      {0.161493331, 0.0273134094, 0.000898472441, 0.501644075, 0.053633377});
}

TEST(CandidateSamplerTest, EveryClassOfASmallRangeOnce) {
  const std::vector<Tensor> all = Sample("LogUniformCandidateSampler", true, 5);
  const std::vector<double> classes = Values(all[0]);
  EXPECT_EQ(std::set<double>(classes.begin(), classes.end()),
            (std::set<double>{0, 1, 2, 3, 4}));
}

TEST(CandidateSamplerTest, TooSmallARange) {
  const auto status = RunGraph({}, [](const Scope& s, const auto&) {
                        const ops::Candidates c = ops::UniformCandidateSampler(
                            s, Tensor::Of<int64_t>({1, 1}, {0}),
                            {.num_sampled = 5, .range_max = 4});
                        return std::vector<Output>{c.sampled};
                      }).status();
  EXPECT_EQ(status.code(), Code::kInvalidArgument);
  EXPECT_THAT(status.message(), HasSubstr("Sampler's range is too small"));
}

TEST(CandidateSamplerTest, AccidentalHits) {
  const std::vector<Tensor> hits =
      Evaluate({Tensor::Of<int64_t>({3, 2}, {5, 1, 2, 9, 1, 5}),
                Tensor::Of<int64_t>({4}, {9, 1, 4, 3})},
               [](const Scope& s, const std::vector<Output>& in) {
                 return s.Op("ComputeAccidentalHits")
                     .In(in[0])
                     .In(in[1])
                     .Attr("num_true", int64_t{2})
                     .Outs();
               });
  ExpectValues(hits[0], {3}, {0, 1, 2});
  ExpectValues(hits[1], {3}, {1, 0, 1});
  for (const double w : Values(hits[2])) {
    EXPECT_EQ(w, std::numeric_limits<float>::lowest());
  }
}

}  // namespace
}  // namespace lockstep::testing
