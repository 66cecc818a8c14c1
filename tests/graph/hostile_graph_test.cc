// SPDX-License-Identifier: Apache-2.0
// Graphs made to harm. What fuzzing found is kept here.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "proto/graph.pb.h"
#include "runtime/graph/graph_def.h"

namespace lockstep {
namespace {

using testing::HasSubstr;

// A constant of `n` floats that are all 1, in a few bytes.
void AddSplat(proto::NodeDef& node, const std::string& name, int64_t n) {
  node.set_name(name);
  node.set_op("Const");
  (*node.mutable_attr())["dtype"].set_type(proto::DT_FLOAT);
  proto::TensorProto& t = *(*node.mutable_attr())["value"].mutable_tensor();
  t.set_dtype(proto::DT_FLOAT);
  t.mutable_tensor_shape()->add_dim()->set_size(n);
  t.add_float_val(1);
}

TEST(HostileGraphTest, ConstantsThatRepeatAValueHaveALimitTogether) {
  proto::GraphDef def;
  AddSplat(*def.add_node(), "small", 1000);
  EXPECT_TRUE(FromGraphDef(def.SerializeAsString()).ok());
  // Each below the limit of a constant.
  for (int i = 0; i < 5; ++i) {
    AddSplat(*def.add_node(), StrCat("c", i), int64_t{1} << 26);
  }
  const Status s = FromGraphDef(def.SerializeAsString()).status();
  EXPECT_EQ(s.code(), Code::kResourceExhausted);
  EXPECT_THAT(s.message(), HasSubstr("node 'c3'"));
  EXPECT_THAT(s.message(), HasSubstr("the limit is 1.0 GiB"));
}

TEST(HostileGraphTest, ConstantsOfFunctionsCount) {
  proto::GraphDef def;
  proto::FunctionDef& f = *def.mutable_library()->add_function();
  f.mutable_signature()->set_name("f");
  AddSplat(*f.add_node_def(), "c", int64_t{1} << 40);
  EXPECT_EQ(FromGraphDef(def.SerializeAsString()).code(),
            Code::kResourceExhausted);
}

TEST(HostileGraphTest, TextWithANameThatIsNotUtf8IsRefused) {
  const std::string text =
      "node { name: 'x' op: 'NoOp' attr { key: '_a\\377' value { i: 1 } } }";
  EXPECT_THAT(FromGraphDefText(text).status().message(),
              HasSubstr("is not UTF-8"));
  // Values may be any bytes.
  const auto graph = FromGraphDefText(
      "node { name: 'x' op: 'NoOp' attr { key: '_a' value { s: '\\377' } } }");
  ASSERT_TRUE(graph.ok()) << graph.status().ToString();
  EXPECT_TRUE(FromGraphDef(ToGraphDef(*graph).value()).ok());
}

}  // namespace
}  // namespace lockstep
