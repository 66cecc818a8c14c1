// SPDX-License-Identifier: Apache-2.0

// Ops that change part of a variable, of references and of resources alike.

#include "ops/ops.h"
#include "tests/testing/op_test.h"

namespace lockstep {
namespace {

using Change = std::function<Output(const Scope&, Output)>;

// The variable's value after `change`; both kinds of variables must agree.
Result<Tensor> After(const Tensor& start, const Change& change) {
  std::vector<Result<Tensor>> results;
  for (const bool resource : {false, true}) {
    Graph graph;
    const Scope s(&graph);
    const auto make =
        resource ? ops::InitializedResource : ops::InitializedVariable;
    const Output v = make(s.WithName("v"), start);
    const Output changed = change(s, v);
    Node* init = ops::VariablesInitializer(s);
    const Output read = ops::ReadVariable(s, v);
    const auto run = [&]() -> Result<Tensor> {
      LS_RETURN_IF_ERROR(s.status());
      LS_ASSIGN_OR_RETURN(auto session, Session::Create(graph));
      LS_RETURN_IF_ERROR(session->RunTargets({init->name()}));
      const Result<Tensor> after = session->Run({}, changed);
      LS_ASSIGN_OR_RETURN(Tensor value, session->Run({}, read));
      if (!after.ok()) {
        EXPECT_TRUE(SameTensor(value, start)) << "written before the error";
        return after.status();
      }
      EXPECT_TRUE(SameTensor(*after, value)) << "what the op hands on";
      return value;
    };
    results.push_back(run());
  }
  EXPECT_EQ(results[0].code(), results[1].code());
  if (results[0].ok() && results[1].ok()) {
    EXPECT_TRUE(SameTensor(*results[0], *results[1])) << "resource";
  }
  return results[0];
}

void ExpectAfter(const Tensor& start, const Change& change,
                 const Tensor& want) {
  const Result<Tensor> got = After(start, change);
  ASSERT_TRUE(got.ok()) << got.status().ToString();
  EXPECT_TRUE(SameTensor(*got, want));
}
void ExpectError(const Tensor& start, const Change& change,
                 const std::string& text) {
  const Result<Tensor> got = After(start, change);
  EXPECT_EQ(got.code(), Code::kInvalidArgument);
  EXPECT_THAT(got.status().message(), testing::HasSubstr(text));
}

using Scatter = Output (*)(const Scope&, const Input&, const Input&,
                           const Input&);
Change Rows(Scatter f, Tensor indices, Tensor updates) {
  return [=](const Scope& s, Output v) { return f(s, v, indices, updates); };
}

TEST(UpdateTest, AddAndSubtractAll) {
  for (const DType t : {kFloat, kDouble, kHalf, kInt32, kUint8}) {
    ExpectAfter(
        As(t, D({2}, {5, 7})),
        [](const Scope& s, Output v) {
          return ops::AssignAdd(s, v, {1.0f, 2.0f});
        },
        As(t, D({2}, {6, 9})));
    ExpectAfter(
        As(t, D({2}, {5, 7})),
        [](const Scope& s, Output v) {
          return ops::AssignSub(s, v, {1.0f, 2.0f});
        },
        As(t, D({2}, {4, 5})));
  }
  ExpectError(
      F({2}, {1, 2}),
      [](const Scope& s, Output v) { return ops::AssignAdd(s, v, 1.0f); },
      "[2]");
}

TEST(UpdateTest, RowsInTheOrderOfTheirIndices) {
  const Tensor rows = I({3}, {2, 0, 2});
  const Tensor by = D({3, 2}, {1, 2, 3, 4, 5, 6});
  const Tensor start = D({3, 2}, {10, 20, 30, 40, 50, 60});
  const std::pair<Scatter, Tensor> cases[] = {
      {ops::ScatterUpdate, D({3, 2}, {3, 4, 30, 40, 5, 6})},
      {ops::ScatterAdd, D({3, 2}, {13, 24, 30, 40, 56, 68})},
      {ops::ScatterSub, D({3, 2}, {7, 16, 30, 40, 44, 52})},
      {ops::ScatterMul, D({3, 2}, {30, 80, 30, 40, 250, 720})},
      {ops::ScatterDiv, D({3, 2}, {10. / 3, 5, 30, 40, 10, 5})},
      {ops::ScatterMin, D({3, 2}, {3, 4, 30, 40, 1, 2})},
      {ops::ScatterMax, D({3, 2}, {10, 20, 30, 40, 50, 60})}};
  for (const auto& [f, want] : cases) {
    ExpectAfter(start, Rows(f, rows, by), want);
    ExpectAfter(start, Rows(f, As(kInt64, rows), by), want);
    if (f == static_cast<Scatter>(ops::ScatterDiv)) continue;
    for (const DType t : {kFloat, kInt32, kInt64}) {
      ExpectAfter(As(t, start), Rows(f, rows, As(t, by)), As(t, want));
    }
  }
}

TEST(UpdateTest, ComplexNumbers) {
  using C = std::complex<float>;
  const Tensor start = Tensor::Of<C>({2}, {C(1, 2), C(3, -1)});
  const Tensor by = Tensor::Of<C>({1}, {C(0, 1)});
  const auto want = [](C second) {
    return Tensor::Of<C>({2}, {C(1, 2), second});
  };
  ExpectAfter(start, Rows(ops::ScatterAdd, I({1}, {1}), by), want(C(3, 0)));
  ExpectAfter(start, Rows(ops::ScatterMul, I({1}, {1}), by), want(C(1, 3)));
  ExpectAfter(start, Rows(ops::ScatterDiv, I({1}, {1}), by), want(C(-1, -3)));
  ExpectAfter(start, Rows(ops::ScatterNdSub, I({1, 1}, {1}), by),
              want(C(3, -2)));
  ExpectAfter(
      start,
      [](const Scope& s, Output v) {
        return ops::AssignAdd(
            s, v, v.dtype() == kResource ? ops::ReadVariable(s, v) : v);
      },
      Tensor::Of<C>({2}, {C(2, 4), C(6, -2)}));
}

TEST(UpdateTest, OneScalarForAllRows) {
  ExpectAfter(F({2, 2}, {1, 2, 3, 4}),
              Rows(ops::ScatterAdd, I({2}, {1, 1}), Tensor(10.0f)),
              F({2, 2}, {1, 2, 23, 24}));
  ExpectAfter(F({3}, {1, 2, 3}),
              Rows(ops::ScatterUpdate, I({1, 2}, {0, 2}), Tensor(9.0f)),
              F({3}, {9, 2, 9}));
}

TEST(UpdateTest, RowsOfOtherTypesAreReplaced) {
  ExpectAfter(S({2}, {"a", "b"}),
              Rows(ops::ScatterUpdate, I({1}, {1}), S({1}, {"longer than b"})),
              S({2}, {"a", "longer than b"}));
  ExpectAfter(B({2}, {true, true}),
              Rows(ops::ScatterUpdate, I({1}, {0}), B({1}, {false})),
              B({2}, {false, true}));
}

// As TensorFlow: what is there stays unless the other is really smaller.
TEST(UpdateTest, MinAndMaxOfNan) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  ExpectAfter(F({2}, {1, nan}),
              Rows(ops::ScatterMin, I({2}, {0, 1}), F({2}, {nan, 1})),
              F({2}, {1, nan}));
}

TEST(UpdateTest, IntegersDivideTowardsZeroAndWrap) {
  const int32_t least = std::numeric_limits<int32_t>::min();
  ExpectAfter(I({2}, {least, -7}),
              Rows(ops::ScatterDiv, I({2}, {0, 1}), I({2}, {-1, 2})),
              I({2}, {least, -3}));
  ExpectError(I({2}, {1, 2}),
              Rows(ops::ScatterDiv, I({2}, {0, 1}), I({2}, {1, 0})),
              "division by zero");
}

TEST(UpdateTest, IndicesAreCheckedBeforeAnythingIsWritten) {
  ExpectError(F({2}, {1, 2}),
              Rows(ops::ScatterAdd, I({2}, {0, 2}), F({2}, {1, 1})),
              "indices[1] = 2 is not in [0, 2)");
  ExpectError(F({2}, {1, 2}),
              Rows(ops::ScatterUpdate, I({2}, {0, -1}), F({2}, {1, 1})),
              "indices[1] = -1 is not in [0, 2)");
  ExpectError(F({2, 2}, {1, 2, 3, 4}),
              Rows(ops::ScatterAdd, I({1}, {0}), F({1, 3}, {1, 2, 3})),
              "[1,2]");
  ExpectError(F({2, 2}, {1, 2, 3, 4}),
              Rows(ops::ScatterNdAdd, I({1, 2}, {0, 2}), F({1}, {1})),
              "indices[0] = [0, 2]");
}

TEST(UpdateTest, SlicesByPosition) {
  const Tensor start = F({2, 3}, {1, 2, 3, 4, 5, 6});
  const Tensor at = I({2, 2}, {0, 1, 1, 2});
  const Tensor by = F({2}, {10, 4});
  ExpectAfter(start, Rows(ops::ScatterNdUpdate, at, by),
              F({2, 3}, {1, 10, 3, 4, 5, 4}));
  ExpectAfter(start, Rows(ops::ScatterNdAdd, at, by),
              F({2, 3}, {1, 12, 3, 4, 5, 10}));
  ExpectAfter(start, Rows(ops::ScatterNdSub, at, by),
              F({2, 3}, {1, -8, 3, 4, 5, 2}));
  ExpectAfter(start, Rows(ops::ScatterNdMin, at, by),
              F({2, 3}, {1, 2, 3, 4, 5, 4}));
  ExpectAfter(start, Rows(ops::ScatterNdMax, at, by),
              F({2, 3}, {1, 10, 3, 4, 5, 6}));
  ExpectAfter(start,
              Rows(ops::ScatterNdAdd, I({1, 1}, {1}), F({1, 3}, {1, 1, 1})),
              F({2, 3}, {1, 2, 3, 5, 6, 7}));
}

// updates read from the variable itself: what it was before.
TEST(UpdateTest, UpdatesThatAreTheVariable) {
  ExpectAfter(
      F({3}, {1, 2, 3}),
      [](const Scope& s, Output v) {
        return ops::ScatterUpdate(s, v, {2, 1, 0}, ops::ReadVariable(s, v));
      },
      F({3}, {3, 2, 1}));
}

Change AssignSlice(std::vector<int32_t> begin, std::vector<int32_t> end,
                   std::vector<int32_t> strides, Tensor value,
                   ops::StridedSliceMasks masks = {}) {
  return [=](const Scope& s, Output v) {
    return ops::StridedSliceAssign(s, v, Tensor::Vector(begin),
                                   Tensor::Vector(end), Tensor::Vector(strides),
                                   value, masks);
  };
}

TEST(UpdateTest, StridedSlices) {
  const Tensor start = F({2, 3}, {1, 2, 3, 4, 5, 6});
  ExpectAfter(start,
              AssignSlice({0, 1}, {2, 3}, {1, 1}, F({2, 2}, {9, 8, 7, 6})),
              F({2, 3}, {1, 9, 8, 4, 7, 6}));
  // v[::-1, 0]
  ExpectAfter(start,
              AssignSlice({0, 0}, {0, 1}, {-1, 1}, F({2}, {10, 20}),
                          {.begin = 1, .end = 1, .shrink_axis = 2}),
              F({2, 3}, {20, 2, 3, 10, 5, 6}));
  // A scalar, a row, and a row with too many leading ones are spread.
  ExpectAfter(start, AssignSlice({0, 1}, {2, 3}, {1, 1}, Tensor(0.0f)),
              F({2, 3}, {1, 0, 0, 4, 0, 0}));
  ExpectAfter(start, AssignSlice({0, 0}, {2, 3}, {1, 2}, F({1, 2}, {8, 9})),
              F({2, 3}, {8, 2, 9, 8, 5, 9}));
  ExpectAfter(
      start,
      AssignSlice({1}, {2}, {1}, F({1, 3}, {7, 8, 9}), {.shrink_axis = 1}),
      F({2, 3}, {1, 2, 3, 7, 8, 9}));
  // Nothing taken, nothing written.
  ExpectAfter(start, AssignSlice({1, 0}, {1, 3}, {1, 1}, Tensor(0.0f)), start);
  ExpectError(start,
              AssignSlice({0}, {1}, {1}, F({2}, {1, 2}), {.shrink_axis = 1}),
              "Cannot broadcast input shape [2] into final shape [3]");
}

TEST(ResourceReadTest, RowsSlicesAndShape) {
  Graph graph;
  const Scope s(&graph);
  const Output v =
      ops::InitializedResource(s.WithName("v"), F({3, 2}, {1, 2, 3, 4, 5, 6}));
  Node* init = ops::VariablesInitializer(s);
  const Output rows = ops::ResourceGather(s, v, {2, 0});
  const Output slices = ops::ResourceGatherNd(s, v, I({2, 2}, {1, 1, 2, 0}));
  const Output shape = ops::VariableShape(s, v, kInt64);
  const Output bad = ops::ResourceGather(s, v, I({1}, {3}));
  ASSERT_TRUE(s.ok()) << s.status().ToString();
  auto session = Session::Create(graph).value();
  ASSERT_TRUE(session->RunTargets({init->name()}).ok());
  auto got = session->RunOne({}, rows.name());
  ASSERT_TRUE(got.ok()) << got.status().ToString();
  EXPECT_TRUE(SameTensor(*got, F({2, 2}, {5, 6, 1, 2})));
  EXPECT_TRUE(SameTensor(session->Run({}, slices).value(), F({2}, {4, 5})));
  EXPECT_TRUE(SameTensor(session->Run({}, shape).value(), L({2}, {3, 2})));
  EXPECT_EQ(session->Run({}, bad).code(), Code::kInvalidArgument);
}

TEST(ResourceReadTest, GradientsOfRowsAndSlices) {
  Graph graph;
  const Scope s(&graph);
  const Output v =
      ops::InitializedResource(s.WithName("v"), F({3, 2}, {1, 2, 3, 4, 5, 6}));
  Node* init = ops::VariablesInitializer(s);
  const Output rows = ops::ResourceGather(s, v, {2, 0, 2});
  const Output slices = ops::ResourceGatherNd(s, v, I({1, 2}, {1, 1}));
  std::vector<Output> d;
  ASSERT_TRUE(
      AddGradients(s, {ops::Sum(s, rows, {0, 1}), slices}, {v}, &d).ok());
  ASSERT_TRUE(s.ok()) << s.status().ToString();
  auto session = Session::Create(graph).value();
  ASSERT_TRUE(session->RunTargets({init->name()}).ok());
  auto got = session->Run({}, d[0]);
  ASSERT_TRUE(got.ok()) << got.status().ToString();
  EXPECT_TRUE(SameTensor(*got, F({3, 2}, {1, 1, 0, 1, 2, 2})));
}

// Recorded from TensorFlow.
TEST(RngReadAndSkipTest, MovesTheCounterBy256ForEachDraw) {
  Graph graph;
  const Scope s(&graph);
  const Output v = ops::InitializedResource(
      s.WithName("v"), Tensor::Of<int64_t>({3}, {-5, 0, 7}));
  const Output few = ops::InitializedResource(s.WithName("few"),
                                              Tensor::Of<int64_t>({2}, {1, 2}));
  Node* init = ops::VariablesInitializer(s);
  const auto read = [&](Output state, int32_t alg, uint64_t delta) {
    return s.Op("RngReadAndSkip")
        .In(state)
        .In(alg)
        .In(Tensor::Of<uint64_t>({}, {delta}))
        .Out();
  };
  const Output three = read(v, 1, 3), huge = read(v, 3, uint64_t{1} << 57);
  const Output other = read(v, 2, 1), unknown = read(v, 7, 1);
  const Output small = read(few, 1, 1);
  ASSERT_TRUE(s.ok()) << s.status().ToString();
  auto session = Session::Create(graph).value();
  ASSERT_TRUE(session->RunTargets({init->name()}).ok());
  const auto got = [&](Output x) { return session->Run({}, x).value(); };
  EXPECT_TRUE(SameTensor(got(three), Tensor::Of<int64_t>({3}, {-5, 0, 7})));
  EXPECT_TRUE(SameTensor(got(huge), Tensor::Of<int64_t>({3}, {763, 1, 7})));
  EXPECT_TRUE(SameTensor(got(three), Tensor::Of<int64_t>({3}, {763, 3, 7})));
  EXPECT_EQ(session->Run({}, other).code(), Code::kUnimplemented);
  EXPECT_EQ(session->Run({}, unknown).code(), Code::kInvalidArgument);
  EXPECT_EQ(session->Run({}, small).code(), Code::kInvalidArgument);
}

TEST(CountUpToTest, CountsToTheLimit) {
  for (const bool resource : {false, true}) {
    Graph graph;
    const Scope s(&graph);
    const auto make =
        resource ? ops::InitializedResource : ops::InitializedVariable;
    const Output v = make(s.WithName("v"), int64_t{1});
    Node* init = ops::VariablesInitializer(s);
    const Output next = ops::CountUpTo(s, v, 3);
    ASSERT_TRUE(s.ok()) << s.status().ToString();
    auto session = Session::Create(graph).value();
    ASSERT_TRUE(session->RunTargets({init->name()}).ok());
    EXPECT_EQ(session->Run({}, next).value().scalar<int64_t>(), 1);
    EXPECT_EQ(session->Run({}, next).value().scalar<int64_t>(), 2);
    EXPECT_EQ(session->Run({}, next).code(), Code::kOutOfRange);
    EXPECT_EQ(session->Run({}, next).code(), Code::kOutOfRange);
  }
}

}  // namespace
}  // namespace lockstep
