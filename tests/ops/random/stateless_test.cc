// SPDX-License-Identifier: Apache-2.0

// Random numbers against those of TensorFlow 2.21.

#include <algorithm>
#include <numeric>

#include "ops/ops.h"
#include "tests/testing/graph_run.h"

namespace lockstep::testing {
namespace {

using ::testing::HasSubstr;
using Outputs = std::vector<Output>;

const Tensor kSeed = Tensor::Of<int32_t>({2}, {3, 5});
constexpr int64_t kLargeSeed = int64_t{1} << 40;

Tensor Draw(const std::function<Output(const Scope&)>& build) {
  return EvaluateOne(
      {}, [&](const Scope& s, const Outputs&) { return Outputs{build(s)}; });
}

using Stateless = Output (*)(const Scope&, const Input&, const Input&, DType);
struct Recorded {
  Stateless draw;
  DType dtype;
  std::vector<double> want;
};

const Recorded kRecorded[] = {
    {ops::StatelessRandomUniform,
     kFloat,
     {0.308667541, 0.0959700346, 0.370370388, 0.393663526, 0.888383627,
      0.924850702, 0.96639502}},
    {ops::StatelessRandomUniform,
     kDouble,
     {0.469340567, 0.962963627, 0.107069408, 0.731160729, 0.964510786,
      0.723070212, 0.564194357}},
    {ops::StatelessRandomUniform,
     kHalf,
     {0.604492188, 0.186523438, 0.07421875, 0.891601562, 0.638671875,
      0.376953125, 0.708007812}},
    {ops::StatelessRandomUniform,
     kBfloat16,
     {0.8359375, 0.4921875, 0.59375, 0.1328125, 0.109375, 0.015625, 0.6640625}},
    {ops::StatelessRandomNormal,
     kFloat,
     {0.869550526, 1.26287878, 0.873173177, -1.10637796, -0.221282676,
      0.433286518, -0.0502690561}},
    {ops::StatelessRandomNormal,
     kDouble,
     {-0.283648147, 1.19682788, -2.09910366, -0.249639261, -0.264988925,
      -0.0452702708, 0.0262733368}},
    {ops::StatelessRandomNormal,
     kHalf,
     {0.869628906, 1.26269531, 0.873046875, -1.10644531, -0.221313477,
      0.433349609, -0.0502624512}},
    {ops::StatelessRandomNormal,
     kBfloat16,
     {0.87109375, 1.265625, 0.875, -1.109375, -0.221679688, 0.43359375,
      -0.0502929688}},
    {ops::StatelessTruncatedNormal,
     kFloat,
     {0.869550526, 1.26287878, 0.873173177, -1.10637796, -0.352974534,
      0.125482425, 0.753021121}},
    {ops::StatelessTruncatedNormal,
     kDouble,
     {-0.283648147, 1.19682788, -1.31084293, 0.558684189, 0.193236848,
      1.23486485, 1.63608435}},
    {ops::StatelessTruncatedNormal,
     kHalf,
     {0.869628906, 1.26269531, 0.873046875, -1.10644531, -0.353027344,
      0.125488281, 0.752929688}},
    {ops::StatelessTruncatedNormal,
     kBfloat16,
     {0.87109375, 1.265625, 0.875, -1.109375, -0.353515625, 0.125, 0.75390625}},
};

TEST(StatelessRandomTest, FloatsAreTensorFlows) {
  for (const Recorded& r : kRecorded) {
    const Tensor y =
        Draw([&](const Scope& s) { return r.draw(s, {7}, kSeed, r.dtype); });
    EXPECT_EQ(y.dtype(), r.dtype);
    const bool exact = r.draw == Stateless(ops::StatelessRandomUniform);
    ExpectValues(y, {7}, r.want,
                 exact                ? 1e-9
                 : r.dtype == kDouble ? 1e-8
                                      : 1e-6);
  }
}

TEST(StatelessRandomTest, SeedsOf64Bits) {
  const Tensor seed = Tensor::Of<int64_t>({2}, {-7, kLargeSeed});
  const auto draw = [&](Stateless f) {
    return Draw([&](const Scope& s) { return f(s, {7}, seed, kFloat); });
  };
  ExpectValues(draw(ops::StatelessRandomUniform), {7},
               {0.902487636, 0.543716073, 0.628800273, 0.00922620296,
                0.307379961, 0.799597144, 0.112945437});
  ExpectValues(draw(ops::StatelessRandomNormal), {7},
               {-0.122867055, -0.436009496, 0.0558092594, 0.961648881,
                -1.46203375, 0.470955223, 1.80055749});
  ExpectValues(draw(ops::StatelessTruncatedNormal), {7},
               {-0.122867055, -0.436009496, 0.0558092594, 0.961648881,
                0.295704156, 1.78590417, 0.339322835});
}

// Many pieces, and groups that need more than one block.
TEST(StatelessRandomTest, LongTensorsGoOnAsTensorFlows) {
  const Tensor y = Draw([](const Scope& s) {
    return ops::StatelessTruncatedNormal(s, {3000}, kSeed, kFloat);
  });
  const std::vector<double> v = Values(y);
  EXPECT_NEAR(v[100], 0.94781131, 2e-6);
  EXPECT_NEAR(v[999], -1.31197464, 2e-6);
  EXPECT_NEAR(v[1500], 1.38217854, 2e-6);
  EXPECT_NEAR(v[2998], -1.63168859, 2e-6);
  EXPECT_NEAR(v[2999], -0.10084134, 2e-6);
  EXPECT_NEAR(std::accumulate(v.begin(), v.end(), 0.0), 143.873352, 1e-3);
}

template <class T>
void ExpectInts(const Tensor& y, const std::vector<T>& want) {
  ASSERT_EQ(y.dtype(), DTypeOf<T>::value);
  EXPECT_TRUE(std::ranges::equal(y.flat<T>(), want)) << y.ToString(20);
}

TEST(StatelessRandomTest, IntegersAreTensorFlows) {
  const auto in_range = [](auto low, auto high) {
    return Draw([&](const Scope& s) {
      return ops::StatelessRandomUniformInt(s, {7}, kSeed, low, high);
    });
  };
  ExpectInts<int32_t>(in_range(-5, 100), {22, 80, -2, 69, 52, 70, 45});
  ExpectInts<int64_t>(in_range(int64_t{-5}, int64_t{100}),
                      {47, 42, 37, 62, 97, 24, 5});
  const auto full = [](DType t) {
    return Draw([&](const Scope& s) {
      return ops::StatelessRandomUniformFullInt(s, {4}, kSeed, t);
    });
  };
  ExpectInts<int32_t>(full(kInt32),
                      {-1045986709, 1091324095, 145713228, -1942854767});
  ExpectInts<int64_t>(full(kInt64),
                      {4687201300610777707, -8344497684996986804,
                       7599368635277227662, -7510894832601287979});
  ExpectInts<uint32_t>(full(kUint32),
                       {3248980587, 1091324095, 145713228, 2352112529});
  ExpectInts<uint64_t>(full(kUint64),
                       {4687201300610777707u, 10102246388712564812u,
                        7599368635277227662u, 10935849241108263637u});
}

// The second versions, from the key and counter of the first ones' seed.
TEST(StatelessRandomTest, KeysAndCounters) {
  const auto y = Evaluate({}, [](const Scope& s, const Outputs&) {
    const Outputs from =
        s.Op("StatelessRandomGetKeyCounterAlg").In(Input(kSeed)).Outs();
    const Outputs two =
        s.Op("StatelessRandomGetKeyCounter").In(Input(kSeed)).Outs();
    const auto draw = [&](const char* op, const Input& counter, int32_t n) {
      NodeBuilder node = s.Op(op);
      node.In(Input({n})).In(from[0]).In(counter).In(from[2]);
      return node;
    };
    const Tensor wraps = Tensor::Of<uint64_t>({2}, {~uint64_t{1}, 9});
    return Outputs{
        from[0],
        from[1],
        two[0],
        two[1],
        s.Op("StatelessRandomGetAlg").Out(),
        draw("StatelessRandomUniformV2", wraps, 12).Out(),
        draw("StatelessRandomNormalV2", from[1], 3).Out(),
        draw("StatelessTruncatedNormalV2", from[1], 3).Out(),
        draw("StatelessRandomUniformIntV2", from[1], 3).In(0).In(10).Out(),
        draw("StatelessRandomUniformFullIntV2", from[1], 3)
            .Attr("dtype", kInt32)
            .Out()};
  });
  ExpectInts<uint64_t>(y[0], {4551124392215935721u});
  ExpectInts<uint64_t>(y[1], {0, 13892792660983712975u});
  EXPECT_TRUE(BitwiseEqual(y[0], y[2]));
  EXPECT_TRUE(BitwiseEqual(y[1], y[3]));
  ExpectInts<int32_t>(y[4], {1});
  ExpectValues(y[5], {12},
               {0.374468088, 0.801052332, 0.189972401, 0.0392699242,
                0.391149879, 0.0819270611, 0.759304523, 0.574741364,
                0.156726718, 0.172622085, 0.299128175, 0.871977925});
  ExpectValues(y[6], {3}, {0.869550526, 1.26287878, 0.873173177});
  ExpectValues(y[7], {3}, {0.869550526, 1.26287878, 0.873173177});
  ExpectInts<int32_t>(y[8], {7, 5, 8});
  ExpectInts<int32_t>(y[9], {-1045986709, 1091324095, 145713228});
}

const Tensor kLogits = Tensor::Of<float>(
    {2, 4}, {0, 1, 2, -1, 3, 3, -std::numeric_limits<float>::infinity(), 0});

TEST(StatelessRandomTest, Multinomial) {
  const auto draw = [](const Tensor& logits, DType t) {
    return Draw([&](const Scope& s) {
      return ops::StatelessMultinomial(s, logits, 6, kSeed, t);
    });
  };
  ExpectInts<int64_t>(draw(kLogits, kInt64),
                      {2, 2, 1, 2, 2, 2, 1, 1, 1, 0, 1, 0});
  ExpectInts<int32_t>(draw(Tensor::Of<double>({1, 4}, {0, 1, 2, -1}), kInt32),
                      {2, 2, 1, 2, 2, 2});
  EXPECT_EQ(draw(Tensor(kFloat, Shape{0, 3}), kInt64).shape(), Shape({0, 6}));
}

TEST(StatelessRandomTest, WrongSeedsAndRangesAreTold) {
  const auto fails = [](const std::function<Output(const Scope&)>& build) {
    return RunGraph({}, [&](const Scope& s,
                            const Outputs&) { return Outputs{build(s)}; })
        .status();
  };
  const Status seed = fails([](const Scope& s) {
    return ops::StatelessRandomUniform(s, {2}, {1}, kFloat);
  });
  EXPECT_EQ(seed.code(), Code::kInvalidArgument);
  EXPECT_THAT(seed.message(), HasSubstr("seed must have shape [2], not [1]"));
  const Status range = fails([](const Scope& s) {
    return ops::StatelessRandomUniformInt(s, {2}, {1, 2}, 3, 3);
  });
  EXPECT_THAT(range.message(), HasSubstr("Need minval < maxval, got 3 >= 3"));
}

// With seeds of their own, the ops that keep a stream begin with TensorFlow's.
TEST(RandomStreamTest, TheFirstRunDrawsTensorFlowsNumbers) {
  const auto y = Evaluate({}, [](const Scope& scope, const Outputs&) {
    const Scope s = scope.WithSeed(3);
    const Tensor rows =
        Tensor::Of<int32_t>({5, 2}, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10});
    return Outputs{ops::RandomUniform(s, {7}, kFloat, 5),
                   ops::RandomUniform(s, {7}, kDouble, 5),
                   ops::RandomUniform(s, {7}, kHalf, 5),
                   ops::RandomStandardNormal(s, {7}, kFloat, 5),
                   ops::TruncatedNormal(s, {7}, kFloat, 5),
                   ops::RandomUniformInt(s, {7}, 0, 100, 5),
                   ops::RandomUniformInt(s, {7}, int64_t{0}, int64_t{100}, 5),
                   ops::RandomShuffle(s, {0, 1, 2, 3, 4, 5, 6, 7}, 5),
                   ops::RandomShuffle(s, rows, 5),
                   ops::Multinomial(s, kLogits, 6, 5)};
  });
  ExpectValues(y[0], {7},
               {0.397669196, 0.842568159, 0.00451898575, 0.60220015,
                0.802765369, 0.790801406, 0.838214517});
  ExpectValues(y[1], {7},
               {0.181353576, 0.0361527383, 0.422123719, 0.705716611,
                0.755663058, 0.842094085, 0.205215233});
  ExpectValues(y[2], {7},
               {0.706054688, 0.318359375, 0.01953125, 0.223632812, 0.25390625,
                0.245117188, 0.653320312});
  ExpectValues(y[3], {7},
               {-1.1347394, 0.746080577, -1.96813023, -2.6316154, -0.641198397,
                0.168077871, -0.530968308});
  ExpectValues(y[4], {7},
               {-1.1347394, 0.746080577, -1.96813023, -0.641198397, 0.161840767,
                0.359274596, -0.736108601});
  ExpectInts<int32_t>(y[5], {51, 98, 96, 77, 52, 95, 37});
  ExpectInts<int64_t>(y[6], {59, 88, 72, 25, 90, 91, 23});
  ExpectInts<int32_t>(y[7], {3, 0, 2, 5, 4, 7, 1, 6});
  ExpectInts<int32_t>(y[8], {3, 4, 7, 8, 5, 6, 9, 10, 1, 2});
  ExpectInts<int64_t>(y[9], {1, 0, 2, 2, 2, 2, 0, 0, 0, 0, 1, 1});
}

TEST(RandomShuffleTest, KeepsEveryRow) {
  const auto run = RunGraph({}, [](const Scope& s, const Outputs&) {
    return Outputs{
        ops::RandomShuffle(s, Tensor::Of<std::string>({3}, {"a", "b", "c"})),
        ops::RandomShuffle(s, Tensor(kFloat, Shape{0, 2})),
        ops::RandomShuffle(s, 1.5f)};
  });
  ASSERT_TRUE(run.ok()) << run.status().ToString();
  const std::vector<Tensor>& y = *run;
  EXPECT_THAT(y[0].flat<std::string>(),
              ::testing::UnorderedElementsAre("a", "b", "c"));
  EXPECT_EQ(y[1].shape(), Shape({0, 2}));
  ExpectValues(y[2], {}, {1.5});
}

}  // namespace
}  // namespace lockstep::testing
