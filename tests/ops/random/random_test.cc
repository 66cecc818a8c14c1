// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>

#include "ops/ops.h"
#include "runtime/device/device_set.h"
#include "runtime/exec/dynamic_step.h"
#include "tests/testing/op_test.h"

namespace lockstep {
namespace {

using RandomFn = Output (*)(const Scope&, const Input&, DType, int64_t);

struct Draw {
  RandomFn fn = ops::RandomUniform;
  Shape shape{64};
  DType dtype = kFloat;
  int64_t seed = 0;  // the op's
  int64_t graph_seed = 0;
  std::string name = "r";
  int threads = 1;
  int runs = 1;  // the last one's values are returned

  Tensor Values() const {
    Graph graph;
    const Scope s = Scope(&graph).WithSeed(graph_seed).WithName(name);
    Tensor dims(kInt32, Shape{shape.rank()});
    for (int d = 0; d < shape.rank(); ++d) {
      dims.flat<int32_t>()[static_cast<size_t>(d)] =
          static_cast<int32_t>(shape.dim(d));
    }
    const Output y = fn(s, dims, dtype, seed);
    SessionOptions options;
    options.intra_op_threads = threads;
    auto session = Session::Create(graph, options);
    EXPECT_TRUE(session.ok()) << session.status().ToString();
    Tensor out;
    for (int i = 0; i < runs; ++i) {
      Result<Tensor> r = (*session)->Run({}, y);
      EXPECT_TRUE(r.ok()) << r.status().ToString();
      if (r.ok()) out = *r;
    }
    return out;
  }
};

struct Moments {
  double mean = 0, variance = 0, least = 0, greatest = 0;
};
Moments Of(const Tensor& t) {
  const Tensor x = As(kDouble, t);
  const auto v = x.flat<double>();
  Moments m;
  for (double e : v) m.mean += e / static_cast<double>(v.size());
  for (double e : v) {
    m.variance += (e - m.mean) * (e - m.mean) / static_cast<double>(v.size());
  }
  m.least = *std::ranges::min_element(v);
  m.greatest = *std::ranges::max_element(v);
  return m;
}

TEST(RandomUniformTest, IsUniformOverTheUnitInterval) {
  for (DType t : {kFloat, kDouble, kHalf, kBfloat16}) {
    SCOPED_TRACE(DTypeName(t));
    const Moments m = Of(Draw{.shape = {200000}, .dtype = t}.Values());
    const double step = t == kBfloat16 ? 0x1p-8 : t == kHalf ? 0x1p-11 : 0;
    EXPECT_NEAR(m.mean + step / 2, 0.5, 0.005);
    EXPECT_NEAR(m.variance, 1.0 / 12, 0.002);
    EXPECT_GE(m.least, 0);
    EXPECT_LT(m.greatest, 1);
  }
}

TEST(RandomNormalTest, HasTheMomentsOfTheNormal) {
  for (DType t : {kFloat, kDouble}) {
    const Moments m =
        Of(Draw{.fn = ops::RandomStandardNormal, .shape = {200000}, .dtype = t}
               .Values());
    EXPECT_NEAR(m.mean, 0, 0.01);
    EXPECT_NEAR(m.variance, 1, 0.02);
    EXPECT_GT(m.greatest, 3.5);
    EXPECT_LT(m.least, -3.5);
  }
}

TEST(TruncatedNormalTest, StaysWithinTwoStandardDeviations) {
  for (DType t : {kFloat, kDouble, kHalf}) {
    const Moments m =
        Of(Draw{.fn = ops::TruncatedNormal, .shape = {200000}, .dtype = t}
               .Values());
    EXPECT_NEAR(m.mean, 0, 0.01);
    EXPECT_NEAR(m.variance, 0.7737, 0.01);  // of the truncated distribution
    EXPECT_GE(m.least, -2);
    EXPECT_LE(m.greatest, 2);
    EXPECT_GT(m.greatest, 1.95);
  }
}

TEST(RandomTest, ThreadsDoNotChangeTheValues) {
  for (RandomFn fn : {&ops::RandomUniform, &ops::RandomStandardNormal,
                      &ops::TruncatedNormal}) {
    const Tensor one = Draw{.fn = fn, .shape = {123457}, .threads = 1}.Values();
    const Tensor three =
        Draw{.fn = fn, .shape = {123457}, .threads = 3}.Values();
    EXPECT_TRUE(BitwiseEqual(one, three));
  }
}

TEST(RandomTest, SeedsNamesAndRunsEachChangeTheStream) {
  const Tensor base = Draw{}.Values();
  EXPECT_TRUE(BitwiseEqual(base, Draw{}.Values()));
  EXPECT_FALSE(BitwiseEqual(base, Draw{.graph_seed = 1}.Values()));
  EXPECT_FALSE(BitwiseEqual(base, Draw{.seed = 1}.Values()));
  EXPECT_FALSE(BitwiseEqual(base, Draw{.name = "q"}.Values()));
  EXPECT_FALSE(BitwiseEqual(base, Draw{.runs = 2}.Values()));
  // An op's own seed stands for its name.
  EXPECT_TRUE(BitwiseEqual(Draw{.seed = 5, .name = "a"}.Values(),
                           Draw{.seed = 5, .name = "b"}.Values()));
}

TEST(RandomTest, AShorterTensorIsABeginningOfALongerOne) {
  for (RandomFn fn : {&ops::RandomUniform, &ops::RandomStandardNormal,
                      &ops::TruncatedNormal}) {
    for (DType t : {kFloat, kDouble}) {
      const Tensor whole = Draw{.fn = fn, .shape = {1001}, .dtype = t}.Values();
      const Tensor part = Draw{.fn = fn, .shape = {37}, .dtype = t}.Values();
      EXPECT_EQ(std::memcmp(whole.data(), part.data(), part.bytes()), 0);
    }
  }
}

// What a rank whose part begins at sample `offset` draws for `rows` samples.
Tensor DrawPart(const char* op, DType dtype, int64_t offset, int32_t rows) {
  Graph graph;
  const Scope s(&graph);
  const Output y = s.Op(op)
                       .In(Input({rows, 3}))
                       .Attr("dtype", dtype)
                       .Attr("seed2", 5)
                       .Attr("_per_sample", true)
                       .Out();
  EXPECT_TRUE(s.ok()) << s.status().ToString();
  RunInfo run;
  run.sample_offset = offset;
  SessionResources resources;
  const DeviceSet devices = DeviceSet::Local(0, 1);
  DynamicStep step(*y.node,
                   {.device = &devices.all()[0],
                    .kernel = y.node->def().FindKernel(kCpu, y.node->attrs())},
                   {}, &run, &resources);
  Tensor shape = I({2}, {rows, 3}), out;
  Tensor* in[] = {&shape};
  Tensor* outs[] = {&out};
  const Status status = step.Run(in, outs);
  EXPECT_TRUE(status.ok()) << status.ToString();
  return out;
}

TEST(RandomTest, RanksDrawTheirRowsOfTheGlobalBatch) {
  for (const char* op :
       {"RandomUniform", "RandomStandardNormal", "TruncatedNormal"}) {
    for (DType t : {kFloat, kDouble, kHalf}) {
      SCOPED_TRACE(StrCat(op, " ", DTypeName(t)));
      const Tensor whole = DrawPart(op, t, 0, 1000);
      for (auto [offset, rows] :
           {std::pair{0, 7}, {1, 2}, {7, 500}, {999, 1}}) {
        const Tensor part = DrawPart(op, t, offset, rows);
        EXPECT_EQ(
            std::memcmp(static_cast<const char*>(whole.data()) +
                            3 * static_cast<size_t>(offset) * DTypeSize(t),
                        part.data(), part.bytes()),
            0)
            << rows << " rows from " << offset;
      }
    }
  }
}

TEST(RandomTest, NothingAndNegativeShapes) {
  const Tensor none = Draw{.shape = {0, 3}}.Values();
  EXPECT_EQ(none.NumElements(), 0);
  const Tensor one = Draw{.shape = {}}.Values();
  EXPECT_EQ(one.NumElements(), 1);
  OpCase([](const Scope& s, const Outputs& in) {
    return ops::RandomUniform(s, in[0]);
  })
      .In(I({1}, {-2}))
      .WantError(Code::kInvalidArgument, "must be >= 0");
}

TEST(RandomUniformIntTest, CoversItsRangeEvenly) {
  Graph graph;
  const Scope s(&graph);
  const Output y = ops::RandomUniformInt(s, {60000}, -3, 3);
  auto session = Session::Create(graph);
  ASSERT_TRUE(session.ok());
  Result<Tensor> out = (*session)->Run({}, y);
  ASSERT_TRUE(out.ok()) << out.status().ToString();
  std::array<int, 6> counts{};
  for (int32_t v : out->flat<int32_t>()) {
    ASSERT_GE(v, -3);
    ASSERT_LT(v, 3);
    ++counts[static_cast<size_t>(v + 3)];
  }
  for (int c : counts) EXPECT_NEAR(c, 10000, 400);
}

TEST(RandomUniformIntTest, RefusesAnEmptyRange) {
  OpCase([](const Scope& s, const Outputs& in) {
    return ops::RandomUniformInt(s, {2}, in[0], in[1]);
  })
      .In(L({}, {4}))
      .In(L({}, {4}))
      .WantError(Code::kInvalidArgument, "Need minval < maxval");
}

}  // namespace
}  // namespace lockstep
