// SPDX-License-Identifier: Apache-2.0
#include "ops/ops.h"
#include "tests/testing/op_test.h"

namespace lockstep {
namespace {

Result<Tensor> RunFor(const Graph& graph, const std::string& fetch) {
  LS_ASSIGN_OR_RETURN(auto session, Session::Create(graph));
  return session->RunOne({}, fetch);
}

TEST(StackTest, LastInFirstOut) {
  Graph graph;
  Scope s(&graph);
  const Output stack =
      s.Op("StackV2").In(int32_t{-1}).Attr("elem_type", kFloat).Out();
  auto push = [&](const Scope& at, const Tensor& value) {
    return at.Op("StackPushV2").In(stack).In(value).Out();
  };
  const Output a = push(s, F({1}, {1}));
  const Output b = push(s.WithControlDependencies({a.node}), F({2}, {2, 3}));
  auto pop = [&](const Scope& at) {
    return at.Op("StackPopV2").In(stack).Attr("elem_type", kFloat).Out();
  };
  const Output first = pop(s.WithControlDependencies({b.node}));
  const Output second = pop(s.WithControlDependencies({first.node}));
  ops::Concat(s.WithName("y"), {first, second}, 0);
  pop(s.WithName("third").WithControlDependencies({second.node}));
  ASSERT_TRUE(s.ok()) << s.status().ToString();
  // Twice: each run has a stack of its own.
  for (int i = 0; i < 2; ++i) {
    Result<Tensor> y = RunFor(graph, "y");
    ASSERT_TRUE(y.ok()) << y.status().ToString();
    EXPECT_TRUE(SameTensor(*y, F({3}, {2, 3, 1})));
  }
  Result<Tensor> empty = RunFor(graph, "third");
  EXPECT_EQ(empty.code(), Code::kInvalidArgument);
  EXPECT_THAT(empty.status().message(), testing::HasSubstr("is empty"));
}

TEST(StackTest, OverflowAndWrongTypesAreErrors) {
  Graph graph;
  Scope s(&graph);
  const Output stack =
      s.Op("StackV2").In(int32_t{0}).Attr("elem_type", kFloat).Out();
  s.WithName("full").Op("StackPushV2").In(stack).In(1.0f).Out();
  s.WithName("type").Op("StackPushV2").In(stack).In(int32_t{1}).Out();
  const Output no_stack =
      s.Op("TensorArrayV3").In(int32_t{1}).Attr("dtype", kFloat).Out();
  s.WithName("none").Op("StackPushV2").In(no_stack).In(1.0f).Out();
  ASSERT_TRUE(s.ok()) << s.status().ToString();
  for (const char* name : {"full", "type", "none"}) {
    EXPECT_EQ(RunFor(graph, name).code(), Code::kInvalidArgument) << name;
  }
}

// An array of `size` floats, and its flow.
Node* Array(const Scope& s, int32_t size, AttrMap attrs = {}) {
  NodeBuilder b = s.Op("TensorArrayV3").In(size).Attr("dtype", kFloat);
  for (auto& [name, value] : attrs) b.Attr(name, value);
  return b.Build();
}
Output Write(const Scope& s, Node* array, int32_t index, const Input& value,
             Output flow) {
  return s.Op("TensorArrayWriteV3")
      .In(array->output(0))
      .In(index)
      .In(value)
      .In(flow)
      .Out();
}
Output Read(const Scope& s, Node* array, int32_t index, Output flow) {
  return s.Op("TensorArrayReadV3")
      .In(array->output(0))
      .In(index)
      .In(flow)
      .Attr("dtype", kFloat)
      .Out();
}

TEST(TensorArrayTest, WritesReadsAndGathers) {
  Graph graph;
  Scope s(&graph);
  Node* array =
      Array(s, 2, {{"dynamic_size", true}, {"clear_after_read", false}});
  Output flow = Write(s, array, 1, F({2}, {3, 4}), array->output(1));
  flow = Write(s, array, 0, F({2}, {1, 2}), flow);
  flow = Write(s, array, 2, F({2}, {5, 6}), flow);
  s.WithName("all")
      .Op("TensorArrayGatherV3")
      .In(array->output(0))
      .In({2, 0, 1})
      .In(flow)
      .Attr("dtype", kFloat)
      .Out();
  s.WithName("size")
      .Op("TensorArraySizeV3")
      .In(array->output(0))
      .In(flow)
      .Out();
  Node* concat = s.WithName("concat")
                     .Op("TensorArrayConcatV3")
                     .In(array->output(0))
                     .In(flow)
                     .Attr("dtype", kFloat)
                     .Build();
  ASSERT_TRUE(concat) << s.status().ToString();
  EXPECT_TRUE(SameTensor(*RunFor(graph, "all"), F({3, 2}, {5, 6, 1, 2, 3, 4})));
  EXPECT_EQ(RunFor(graph, "size")->scalar<int32_t>(), 3);
  EXPECT_TRUE(SameTensor(*RunFor(graph, "concat"), F({6}, {1, 2, 3, 4, 5, 6})));
  EXPECT_TRUE(SameTensor(*RunFor(graph, "concat:1"),
                         Tensor::Vector<int64_t>({2, 2, 2})));
}

TEST(TensorArrayTest, ScattersAndSplits) {
  Graph graph;
  Scope s(&graph);
  Node* array = Array(s, 3);
  const Output flow = s.Op("TensorArrayScatterV3")
                          .In(array->output(0))
                          .In({2, 0})
                          .In(F({2, 1}, {7, 8}))
                          .In(array->output(1))
                          .Out();
  ops::Identity(s.WithName("y"), Read(s, array, 2, flow));
  Node* parts = Array(s, 2);
  const Output split = s.Op("TensorArraySplitV3")
                           .In(parts->output(0))
                           .In(F({3}, {1, 2, 3}))
                           .In(Tensor::Vector<int64_t>({2, 1}))
                           .In(parts->output(1))
                           .Out();
  ops::Identity(s.WithName("z"), Read(s, parts, 0, split));
  ASSERT_TRUE(s.ok()) << s.status().ToString();
  EXPECT_TRUE(SameTensor(*RunFor(graph, "y"), F({1}, {7})));
  EXPECT_TRUE(SameTensor(*RunFor(graph, "z"), F({2}, {1, 2})));
}

// Of elements that have all one shape, the first tells that of the others.
TEST(TensorArrayTest, IdenticalShapesAreKnownFromTheFirst) {
  Graph graph;
  Scope s(&graph);
  Node* a = Array(s, 2, {{"identical_element_shapes", true}});
  const Output flow =
      Write(s, a, 0, Tensor::Of<float>({2}, {1, 2}), a->output(1));
  const Output other = Read(s, a, 1, flow);
  const Output wrong = Write(s, a, 1, 3.0f, flow);
  ASSERT_TRUE(s.ok()) << s.status().ToString();
  Result<Tensor> zeros = RunFor(graph, other.name());
  ASSERT_TRUE(zeros.ok()) << zeros.status().ToString();
  EXPECT_TRUE(SameTensor(*zeros, F({2}, {0, 0})));
  EXPECT_EQ(RunFor(graph, wrong.name()).code(), Code::kInvalidArgument);
}

TEST(TensorArrayTest, MisuseIsAnError) {
  struct Case {
    const char* text;
    std::function<Output(const Scope&)> build;
  };
  const Case cases[] = {
      {"already been written",
       [](const Scope& s) {
         Node* a = Array(s, 1);
         return Write(s, a, 0, 1.0f, Write(s, a, 0, 2.0f, a->output(1)));
       }},
      {"not resizeable",
       [](const Scope& s) {
         Node* a = Array(s, 1);
         return Write(s, a, 1, 1.0f, a->output(1));
       }},
      {"Tried to write to index -1",
       [](const Scope& s) {
         Node* a = Array(s, 1, {{"dynamic_size", true}});
         return Write(s, a, -1, 1.0f, a->output(1));
       }},
      {"twice",
       [](const Scope& s) {
         Node* a = Array(s, 1);
         const Output flow = Write(s, a, 0, 1.0f, a->output(1));
         const Output one = Read(s, a, 0, flow);
         return Read(s.WithControlDependencies({one.node}), a, 0, flow);
       }},
      {"never written",
       [](const Scope& s) {
         Node* a = Array(s, 1);
         return Read(s, a, 0, a->output(1));
       }},
      {"size must be", [](const Scope& s) { return Array(s, -1)->output(1); }},
  };
  for (const Case& c : cases) {
    Graph graph;
    Scope s(&graph);
    const Output y = c.build(s);
    ASSERT_TRUE(s.ok()) << s.status().ToString();
    Result<Tensor> r = RunFor(graph, y.name());
    EXPECT_EQ(r.code(), Code::kInvalidArgument) << c.text;
    EXPECT_THAT(r.status().message(), testing::HasSubstr(c.text));
  }
}

// Writes of gradients to one place add up; what was never written is zero.
TEST(TensorArrayTest, GradientsAddUp) {
  Graph graph;
  Scope s(&graph);
  Node* array = Array(s, 2, {{"clear_after_read", false}});
  Output flow = Write(s, array, 0, F({2}, {1, 2}), array->output(1));
  flow = Write(s, array, 1, F({2}, {3, 4}), flow);
  auto gradient = [&](Output after) {
    return s.Op("TensorArrayGradV3")
        .In(array->output(0))
        .In(after)
        .Attr("source", "gradients")
        .Build();
  };
  Node* g = gradient(flow);
  Output back = Write(s, g, 1, F({2}, {10, 20}), g->output(1));
  Node* same = gradient(back);
  back = Write(s, same, 1, F({2}, {1, 1}), same->output(1));
  s.WithName("y")
      .Op("TensorArrayGatherV3")
      .In(same->output(0))
      .In({0, 1})
      .In(back)
      .Attr("dtype", kFloat)
      .Out();
  ASSERT_TRUE(s.ok()) << s.status().ToString();
  Result<Tensor> y = RunFor(graph, "y");
  ASSERT_TRUE(y.ok()) << y.status().ToString();
  EXPECT_TRUE(SameTensor(*y, F({2, 2}, {0, 0, 11, 21})));
}

// Gradients of conditions within conditions need zeros for what a branch hands
// to its gradient, and sums.
TEST(OptionalTest, HasZerosAndSums) {
  Graph graph;
  Scope s(&graph);
  const Output a = ops::Const(s, F({2}, {1, 2}));
  const Output b = ops::Const(s, 5.0f);
  const Output some = s.Op("OptionalFromValue").In({a, b}).Out();
  const Output none = s.Op("OptionalNone").Out();
  auto value = [&](const char* name, Output optional) {
    return s.WithName(name)
        .Op("OptionalGetValue")
        .In(optional)
        .Attr("output_types", std::vector<DType>{kFloat, kFloat})
        .Attr("output_shapes", std::vector<Shape>{Shape{2}, Shape{}})
        .Build();
  };
  value("zeros", s.Op("ZerosLike").In(some).Out());
  value("sum", s.Op("AddN").In({some, some}).Out());
  value("mixed", s.Op("AddN").In({some, none}).Out());
  s.WithName("has")
      .Op("OptionalHasValue")
      .In(s.Op("ZerosLike").In(none).Out())
      .Out();
  ASSERT_TRUE(s.ok()) << s.status().ToString();
  EXPECT_TRUE(SameTensor(RunFor(graph, "zeros").value(), F({2}, {0, 0})));
  EXPECT_TRUE(SameTensor(RunFor(graph, "zeros:1").value(), F({}, {0})));
  EXPECT_TRUE(SameTensor(RunFor(graph, "sum").value(), F({2}, {2, 4})));
  EXPECT_FALSE(RunFor(graph, "has").value().scalar<bool>());
  EXPECT_EQ(RunFor(graph, "mixed").code(), Code::kInvalidArgument);
}

}  // namespace
}  // namespace lockstep
