// SPDX-License-Identifier: Apache-2.0
#include "ops/fused/evaluator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

#include "runtime/core/threads.h"

namespace lockstep {
namespace {

using ::testing::HasSubstr;

struct Given {
  DType dtype = kFloat;
  Shape shape;
  Shape over;
};

Result<ElementProgram> Program(int64_t size, const std::vector<Given>& inputs,
                               std::vector<std::string> code,
                               std::vector<int64_t> results) {
  std::vector<DType> types;
  std::vector<Shape> shapes, over;
  for (const Given& g : inputs) {
    types.push_back(g.dtype);
    shapes.push_back(g.shape);
    over.push_back(g.over);
  }
  return ElementProgram::Read({{"size", size},
                               {"over", over},
                               {"program", std::move(code)},
                               {"results", std::move(results)}},
                              types, shapes);
}

ElementEvaluator Evaluator(const Result<ElementProgram>& program) {
  EXPECT_TRUE(program.ok()) << program.status().ToString();
  Result<ElementEvaluator> made = ElementEvaluator::Make(*program);
  EXPECT_TRUE(made.ok()) << made.status().ToString();
  return *std::move(made);
}

// The sizes around blocks of vectors, of registers and of threads.
const int64_t kSizes[] = {1, 2, 15, 16, 17, 31, 100, 1023, 1024, 1025, 70001};

std::vector<float> Ramp(int64_t n, float from) {
  std::vector<float> v(static_cast<size_t>(n));
  std::iota(v.begin(), v.end(), from);
  return v;
}

TEST(ElementProgramTest, ReadsWhatItWrites) {
  const auto p =
      Program(6, {{kUint8, {2, 3}, {2, 3}}, {kFloat, {3}, {2, 3}}},
              {"Cast DstT=float SrcT=uint8 0", "Mul T=float 2 1"}, {3, 2});
  ASSERT_TRUE(p.ok()) << p.status().ToString();
  AttrMap attrs;
  p->WriteTo(&attrs);
  EXPECT_THAT(*GetIf<std::vector<std::string>>(attrs, "program"),
              ::testing::ElementsAre("Cast DstT=float SrcT=uint8 0",
                                     "Mul T=float 2 1"));
  EXPECT_EQ(p->TypeOf(0), kUint8);
  EXPECT_EQ(p->TypeOf(2), kFloat);
  EXPECT_THAT(LastReads(*p), ::testing::ElementsAre(0, 1, 2, 2));
}

TEST(ElementProgramTest, SaysWhatIsWrong) {
  const auto error = [](std::vector<std::string> code,
                        std::vector<int64_t> results = {1}) {
    return Program(4, {{kFloat, {4}, {4}}}, std::move(code), std::move(results))
        .status()
        .ToString();
  };
  EXPECT_THAT(error({"Relo T=float 0"}), HasSubstr("no op 'Relo'"));
  EXPECT_THAT(error({"Relu T=float 1"}), HasSubstr("'1' is not one of the 1"));
  EXPECT_THAT(error({"Relu T=float x"}), HasSubstr("'x'"));
  EXPECT_THAT(error({"Relu T=string 0"}), HasSubstr("no rule"));
  EXPECT_THAT(error({"MatMul T=float 0 0"}), HasSubstr("no rule"));
  EXPECT_THAT(error({"FloorDiv T=int32 0 0"}), HasSubstr("no rule"));
  EXPECT_THAT(error({"Relu T=float"}), HasSubstr("0 operands"));
  EXPECT_THAT(error({"Relu T=float 0"}, {2}), HasSubstr("result 2"));
  EXPECT_THAT(Program(4, {{kFloat, {3}, {4}}}, {}, {}).status().ToString(),
              HasSubstr("cannot be spread over [4]"));
}

TEST(ElementEvaluatorTest, ComputesEverySizeToItsEnd) {
  for (const int64_t n : kSizes) {
    const ElementEvaluator e =
        Evaluator(Program(n, {{kFloat, {n}, {n}}, {kFloat, {}, {n}}},
                          {"Mul T=float 0 1", "Sub T=float 2 0"}, {3, 2}));
    const std::vector<float> x = Ramp(n, -5);
    const float two = 2;
    // A guard behind each: nothing is written there.
    std::vector<float> y(x.size() + 1, -77), z(x.size() + 1, -77);
    const void* in[] = {x.data(), &two};
    void* out[] = {y.data(), z.data()};
    e.Run(in, out);
    for (size_t i = 0; i < x.size(); ++i) {
      ASSERT_EQ(y[i], x[i]) << i << " of " << n;
      ASSERT_EQ(z[i], 2 * x[i]) << i << " of " << n;
    }
    EXPECT_EQ(y.back(), -77);
    EXPECT_EQ(z.back(), -77);
  }
}

TEST(ElementEvaluatorTest, SpreadsAsNumPyDoes) {
  const int64_t rows = 37, columns = 29;
  const Shape all{rows, columns};
  const ElementEvaluator e = Evaluator(Program(
      rows * columns,
      {{kFloat, {columns}, all}, {kFloat, {rows, 1}, all}, {kFloat, {1}, all}},
      {"Mul T=float 0 2", "Add T=float 3 1"}, {4}));
  const std::vector<float> row = Ramp(columns, 0), column = Ramp(rows, 100);
  const float scale = 1000;
  std::vector<float> y(static_cast<size_t>(rows * columns));
  const void* in[] = {row.data(), column.data(), &scale};
  void* out[] = {y.data()};
  e.Run(in, out);
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = 0; c < columns; ++c) {
      ASSERT_EQ(y[static_cast<size_t>(r * columns + c)],
                static_cast<float>(c * 1000 + r + 100));
    }
  }
}

// Outputs are where inputs were, which are read later than the outputs are
// made, and more than once.
TEST(ElementEvaluatorTest, WorksInPlace) {
  for (const int64_t n : kSizes) {
    const ElementEvaluator e = Evaluator(Program(
        n, {{kFloat, {n}, {n}}, {kFloat, {n}, {n}}},
        {"Add T=float 0 1", "Sub T=float 0 1", "Mul T=float 2 3"}, {2, 4}));
    std::vector<float> a = Ramp(n, 1), b = Ramp(n, 3);
    const std::vector<float> x = a, y = b;
    const void* in[] = {a.data(), b.data()};
    void* out[] = {a.data(), b.data()};
    e.Run(in, out);
    for (size_t i = 0; i < x.size(); ++i) {
      ASSERT_EQ(a[i], x[i] + y[i]) << i << " of " << n;
      ASSERT_EQ(b[i], (x[i] + y[i]) * (x[i] - y[i])) << i << " of " << n;
    }
  }
}

TEST(ElementEvaluatorTest, SumsOfManyInPlaceOfOne) {
  const int64_t n = 1000;
  const ElementEvaluator e =
      Evaluator(Program(n, {{kFloat, {n}, {n}}, {kFloat, {n}, {n}}},
                        {"AddN T=float 0 1 0 1"}, {2}));
  std::vector<float> a = Ramp(n, 1), b = Ramp(n, 2);
  const std::vector<float> x = a, y = b;
  const void* in[] = {a.data(), b.data()};
  void* out[] = {a.data()};
  e.Run(in, out);
  for (size_t i = 0; i < x.size(); ++i) ASSERT_EQ(a[i], 2 * (x[i] + y[i]));
}

TEST(ElementEvaluatorTest, AResultMayBeAnInputAndBeGivenTwice) {
  const int64_t n = 21;
  const ElementEvaluator e =
      Evaluator(Program(n, {{kFloat, {1}, {n}}, {kFloat, {n}, {n}}},
                        {"Neg T=float 1"}, {0, 2, 2}));
  const std::vector<float> x = Ramp(n, 0);
  const float seven = 7;
  std::vector<float> y(x.size()), z(x.size()), w(x.size());
  const void* in[] = {&seven, x.data()};
  void* out[] = {y.data(), z.data(), w.data()};
  e.Run(in, out);
  for (size_t i = 0; i < x.size(); ++i) {
    ASSERT_EQ(y[i], 7);
    ASSERT_EQ(z[i], -x[i]);
    ASSERT_EQ(w[i], -x[i]);
  }
}

// Registers are used again; those of other sizes are not mixed up with them.
TEST(ElementEvaluatorTest, LongProgramsOfSeveralTypes) {
  for (const int64_t n : {int64_t{1}, int64_t{333}, int64_t{40000}}) {
    std::vector<std::string> code;
    int value = 0, next = 1;
    for (int i = 0; i < 200; ++i) {
      code.push_back(StrCat("Add T=float ", value, " 0"));
      code.push_back(StrCat("Cast DstT=double SrcT=float ", next));
      code.push_back(StrCat("Sub T=double ", next + 1, " ", next + 1));
      code.push_back(StrCat("Cast DstT=float SrcT=double ", next + 2));
      code.push_back(StrCat("Add T=float ", next, " ", next + 3));
      value = next + 4;
      next += 5;
    }
    const ElementEvaluator e =
        Evaluator(Program(n, {{kFloat, {n}, {n}}}, code, {value}));
    EXPECT_EQ(e.block() % kElementBlock, 0);
    std::vector<float> x(static_cast<size_t>(n), 0.5f), y(x.size());
    const void* in[] = {x.data()};
    void* out[] = {y.data()};
    e.Run(in, out);
    for (const float v : y) ASSERT_EQ(v, 0.5f * 201);
  }
}

TEST(ElementEvaluatorTest, TooManyValuesAreRefusedNotOverrun) {
  const int64_t n = 64;
  std::vector<std::string> code;
  // All kept until the end.
  for (int i = 0; i < 700; ++i) code.push_back("Neg T=float 0");
  int sum = 1;
  for (int i = 1; i < 700; ++i) {
    code.push_back(StrCat("Add T=float ", sum, " ", i + 1));
    sum = 700 + i;
  }
  const auto program = Program(n, {{kFloat, {n}, {n}}}, code, {sum});
  ASSERT_TRUE(program.ok()) << program.status().ToString();
  EXPECT_FALSE(FitsRegisters(*program));
  EXPECT_THAT(ElementEvaluator::Make(*program).status().ToString(),
              HasSubstr("too many values"));
}

TEST(ElementEvaluatorTest, TheNumberOfThreadsDoesNotMatter) {
  const int64_t rows = 700, columns = 301, n = rows * columns;
  const Shape all{rows, columns};
  const ElementEvaluator e = Evaluator(Program(
      n, {{kFloat, all, all}, {kFloat, {columns}, all}},
      {"Add T=float 0 1", "Tanh T=float 2", "TanhGrad T=float 3 0"}, {3, 4}));
  ASSERT_LT(e.grain(), n);
  std::vector<float> x = Ramp(n, 0), bias = Ramp(columns, -150);
  for (float& v : x) v = 1 / (1 + v);
  std::vector<std::vector<float>> first;
  for (const int threads : {1, 2, 3, 5}) {
    SetThreads(threads);
    std::vector<float> y(x.size()), z(x.size());
    const void* in[] = {x.data(), bias.data()};
    void* out[] = {y.data(), z.data()};
    e.Run(in, out);
    if (first.empty()) first = {y, z};
    EXPECT_EQ(first[0], y);
    EXPECT_EQ(first[1], z);
  }
  SetThreads(0);
}

}  // namespace
}  // namespace lockstep
