// SPDX-License-Identifier: Apache-2.0
#include "runtime/graph/graph.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ops/ops.h"
#include "runtime/graph/graph_def.h"

namespace lockstep {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class GraphTest : public ::testing::Test {
 protected:
  Graph graph_;
  Scope root_{&graph_};
};

TEST_F(GraphTest, ScopesNameNodes) {
  const Scope layer = root_.SubScope("layer");
  Output a = ops::Const(layer.WithName("a"), Tensor(1.0f));
  Output b = ops::Const(layer.WithName("a"), Tensor(1.0f));
  Output c = ops::Const(root_.SubScope("layer"), Tensor(1.0f));
  EXPECT_EQ(a.name(), "layer/a:0");
  EXPECT_EQ(b.name(), "layer/a_1:0");
  EXPECT_EQ(c.name(), "layer_1/Const:0");
}

TEST_F(GraphTest, ShapesAreInferredWithUnknownDimensions) {
  Output x = ops::Placeholder(root_, kFloat, Shape{-1, 784});
  Output row = ops::Const(root_, Tensor(kFloat, Shape{784}));
  EXPECT_EQ(ops::Add(root_, x, row).shape(), (Shape{-1, 784}));
  EXPECT_EQ(ops::Reshape(root_, x, {-1, 28, 28, 1}).shape(),
            (Shape{-1, 28, 28, 1}));
  EXPECT_EQ(ops::Shape(root_, x).shape(), (Shape{2}));
  EXPECT_TRUE(root_.ok()) << root_.status().ToString();
}

TEST_F(GraphTest, UnknownOpsAndNamesSuggestTheNearest) {
  EXPECT_THAT(graph_.AddNode({.name = "x", .op = "Reshap"}).status().message(),
              HasSubstr("did you mean 'Reshape'"));
  ops::Const(root_.WithName("weights"), Tensor(1.0f));
  EXPECT_THAT(graph_.FindOutput("wieghts:0").status().message(),
              HasSubstr("did you mean 'weights'"));
  EXPECT_EQ(graph_.FindOutput("weights:1").code(), Code::kInvalidArgument);
  EXPECT_EQ(graph_.FindOutput("weights:x").code(), Code::kInvalidArgument);
}

TEST_F(GraphTest, DtypesThatDisagreeAreRefusedAtTheNode) {
  Output a = ops::Const(root_.WithName("a"), Tensor(1.0f));
  Output b = ops::Const(root_.WithName("b"), Tensor(int32_t{1}));
  EXPECT_FALSE(ops::Mul(root_.WithName("product"), a, b).defined());
  EXPECT_THAT(root_.status().message(), HasSubstr("node 'product'"));
  EXPECT_THAT(root_.status().message(), HasSubstr("'b:0' is int32"));
}

TEST_F(GraphTest, TopologicalOrderFollowsAllEdgesAndFindsCycles) {
  Output a = ops::Const(root_.WithName("a"), Tensor(1.0f));
  Output b = ops::Neg(root_.WithName("b"), a);
  Output c = ops::Neg(root_.WithName("c"), a);
  graph_.AddControlEdge(c.node, b.node);
  auto order = graph_.TopologicalOrder();
  ASSERT_TRUE(order.ok());
  EXPECT_THAT(*order, ElementsAre(a.node, c.node, b.node));
  graph_.AddControlEdge(b.node, c.node);
  EXPECT_EQ(graph_.TopologicalOrder().code(), Code::kFailedPrecondition);
}

TEST_F(GraphTest, CloneIsIndependent) {
  Output a = ops::Const(root_.WithName("a"), Tensor(1.0f));
  Output b = ops::Neg(root_.WithName("b"), a);
  Graph copy = graph_.Clone();
  EXPECT_NE(copy.Find("b"), b.node);
  EXPECT_EQ(copy.Find("b")->input(0).node, copy.Find("a"));
  copy.RemoveNode(copy.Find("b"));
  EXPECT_EQ(graph_.num_nodes(), 2);
  EXPECT_EQ(copy.num_nodes(), 1);
}

TEST_F(GraphTest, GraphDefRoundTripKeepsEverything) {
  Output x = ops::Placeholder(root_.WithName("x"), kFloat, Shape{-1, 3});
  Output s = ops::Sum(root_.WithDevice("/gpu:0"), x,
                      ops::Const(root_, Tensor::Of<int32_t>({1}, {1})));
  Output text = ops::Const(root_.WithName("text"), Tensor("a\0b\xff"));
  graph_.AddControlEdge(text.node, s.node);
  auto bytes = ToGraphDef(graph_);
  ASSERT_TRUE(bytes.ok()) << bytes.status().ToString();
  auto back = FromGraphDef(*bytes);
  ASSERT_TRUE(back.ok()) << back.status().ToString();
  ASSERT_EQ(back->num_nodes(), graph_.num_nodes());
  for (Node* n : graph_.nodes()) {
    Node* m = back->Find(n->name());
    ASSERT_NE(m, nullptr) << n->name();
    EXPECT_EQ(m->op(), n->op());
    EXPECT_EQ(m->requested_device(), n->requested_device());
    EXPECT_EQ(m->control_inputs().size(), n->control_inputs().size());
    ASSERT_EQ(m->attrs().size(), n->attrs().size()) << n->name();
    for (const auto& [name, value] : n->attrs()) {
      EXPECT_TRUE(m->attrs().at(name).Equals(value)) << n->name() << name;
    }
    for (int i = 0; i < n->num_inputs(); ++i) {
      EXPECT_EQ(m->input(i).name(), n->input(i).name());
    }
    for (int i = 0; i < n->num_outputs(); ++i) {
      EXPECT_EQ(m->output_shape(i), n->output_shape(i));
    }
  }
}

TEST_F(GraphTest, DeeplyNestedGraphDefTextIsRefused) {
  std::string text = "node { attr { value { ";
  for (int i = 0; i < 200000; ++i) text += "list { func { attr { value { ";
  EXPECT_EQ(FromGraphDefText(text).code(), Code::kInvalidArgument);
}

TEST_F(GraphTest, GraphDefTextMayNameInputsBeforeTheyAreMade) {
  auto graph = FromGraphDefText(R"(
    node { name: "y" op: "Neg" input: "x" attr { key: "T" value { type: DT_FLOAT } } }
    node { name: "x" op: "Const"
      attr { key: "dtype" value { type: DT_FLOAT } }
      attr { key: "value" value { tensor { dtype: DT_FLOAT
        tensor_shape { dim { size: 3 } } float_val: 2 } } } })");
  ASSERT_TRUE(graph.ok()) << graph.status().ToString();
  EXPECT_EQ(graph->Find("y")->output_shape(0), (Shape{3}));
  const Tensor& splat = graph->Find("x")->Attr<Tensor>("value");
  EXPECT_EQ(splat.flat<float>()[2], 2);
}

struct BadGraph {
  const char* text;
  Code code;
  const char* message;
};

TEST_F(GraphTest, BadGraphDefsAreRefusedWithTheNode) {
  const BadGraph cases[] = {
      {"node { name: 'a' op: 'Conzt' } node { name: 'b' op: 'Conzt' }"
       "node { name: 'c' op: 'Mystery' }",
       Code::kUnimplemented,
       "2 unknown ops: Conzt (node 'a' and 1 more), Mystery"},
      {"node { name: 'a' op: 'NoOp' input: '^b' }", Code::kInvalidArgument,
       "node 'a': its input '^b' does not exist"},
      {"node { name: 'a' op: 'NoOp' input: '^b' }"
       "node { name: 'b' op: 'NoOp' input: '^a' }",
       Code::kInvalidArgument, "cycle"},
      {"node { name: 'a' op: 'NoOp' } node { name: 'a' op: 'NoOp' }",
       Code::kInvalidArgument, "two nodes 'a'"},
      {"node { name: 'a' op: 'NoOp' } node { name: 'x' op: 'Placeholder'"
       "  attr { key: 'dtype' value { type: DT_FLOAT } } }"
       "node { name: 'b' op: 'Neg' input: '^a' input: 'x' }",
       Code::kInvalidArgument,
       "node 'b': Control dependencies must come after regular dependencies"},
      {"node { name: 'a' op: ", Code::kInvalidArgument, "line 1"}};
  for (const BadGraph& c : cases) {
    auto graph = FromGraphDefText(c.text);
    EXPECT_EQ(graph.code(), c.code) << c.text;
    EXPECT_THAT(graph.status().message(), HasSubstr(c.message));
  }
  EXPECT_EQ(FromGraphDef("\xff\xff\xff").code(), Code::kInvalidArgument);
}

}  // namespace
}  // namespace lockstep
