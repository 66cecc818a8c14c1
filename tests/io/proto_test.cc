// SPDX-License-Identifier: Apache-2.0
// The wire formats against bytes and text that TensorFlow wrote.
#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include <complex>
#include <filesystem>
#include <string>

#include "proto/config.pb.h"
#include "proto/event.pb.h"
#include "proto/meta_graph.pb.h"
#include "proto/saved_model.pb.h"
#include "runtime/io/event_reader.h"
#include "runtime/io/parse_proto.h"
#include "runtime/io/tensor_proto.h"
#include "tests/testing/test_files.h"

namespace lockstep {
namespace {

using google::protobuf::TextFormat;
using testing::HasSubstr;

std::string Read(const std::string& path) {
  return Env::Default()->ReadFile(path).value();
}

TEST(ProtoTest, PackageIsOurOwn) {
  EXPECT_EQ(proto::GraphDef::descriptor()->full_name(),
            "lockstep.proto.GraphDef");
}

TEST(ProtoTest, GoldenGraphParses) {
  const auto events =
      ReadEvents(*Env::Default(), TestFile("io/data/events.golden")).value();
  proto::GraphDef graph;
  ASSERT_TRUE(graph.ParseFromString(events.at(1).graph_def));
  const auto node = std::find_if(
      graph.node().begin(), graph.node().end(),
      [](const proto::NodeDef& n) { return n.op() == "MergeV2Checkpoints"; });
  ASSERT_NE(node, graph.node().end());
  EXPECT_FALSE(node->attr().at("delete_old_dirs").b());
  EXPECT_GT(graph.versions().producer(), 1000);
}

TEST(ProtoTest, UnknownFieldsSurvive) {
  proto::NodeDef node;
  node.set_name("x");
  std::string bytes = node.SerializeAsString();
  const std::string unknown("\xba\x3e\3abc", 6);  // field 999, "abc"
  bytes += unknown;
  proto::NodeDef back;
  ASSERT_TRUE(back.ParseFromString(bytes));
  EXPECT_EQ(back.SerializeAsString(), bytes);
}

TEST(ProtoTest, ConfigTextIsAccepted) {
  proto::ConfigProto config;
  ASSERT_TRUE(TextFormat::ParseFromString(
      "device_count { key: 'CPU' value: 1 } allow_soft_placement: true "
      "gpu_options { per_process_gpu_memory_fraction: 0.5 allow_growth: true "
      "experimental { virtual_devices { memory_limit_mb: [256, 128] } } } "
      "graph_options { optimizer_options { opt_level: L0 } }",
      &config));
  EXPECT_EQ(config.device_count().at("CPU"), 1);
  EXPECT_EQ(
      config.gpu_options().experimental().virtual_devices(0).memory_limit_mb(1),
      128);
  EXPECT_EQ(config.graph_options().optimizer_options().opt_level(),
            proto::OptimizerOptions::L0);
}

TEST(ParseProtoTest, DamageIsAnErrorAndPrintsNothing) {
  proto::NodeDef node;
  testing::internal::CaptureStderr();
  EXPECT_EQ(ParseProto("\n\x7f", node).code(), Code::kInvalidArgument);
  EXPECT_EQ(ParseProto("\n\1\xff", node).code(), Code::kInvalidArgument);
  const Status s = ParseTextProto("name: 'x'\n op: }", node);
  EXPECT_EQ(s.code(), Code::kInvalidArgument);
  EXPECT_THAT(s.message(), HasSubstr("line 2, column 6"));
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

TEST(ParseProtoTest, DeepNestingIsRefused) {
  proto::AttrValue value;
  std::string known;
  std::string unknown;
  std::string lists = "zzz: ";
  for (int i = 0; i < 200000; ++i) {
    known += "list { func { attr { value { ";
    unknown += "zzz {";
    lists += "[";
  }
  for (const std::string& text : {known, unknown, lists}) {
    const Status s = ParseTextProto(text, value, UnknownFields::kSkip);
    EXPECT_EQ(s.code(), Code::kInvalidArgument);
    EXPECT_THAT(s.message(), HasSubstr("within each other"));
  }
  // Brackets in strings and comments do not count.
  const std::string many(500, '{');
  EXPECT_TRUE(
      ParseTextProto(StrCat("s: '\\'", many, "' # ", many, "\n"), value).ok());
  EXPECT_TRUE(ParseTextProto("list { s: ['a', \"b\"] }", value).ok());
}

TEST(ParseProtoTest, UnknownFieldsAreSkippedOnlyWhenAsked) {
  proto::NodeDef node;
  const char* text = "name: 'x' zzz { a: 1 b: [2, 3] } zz: 'y'";
  EXPECT_FALSE(ParseTextProto(text, node).ok());
  EXPECT_TRUE(ParseTextProto(text, node, UnknownFields::kSkip).ok());
  EXPECT_EQ(node.name(), "x");
}

template <class Message>
void ParseBinary(const std::string& path) {
  Message m;
  const std::string bytes = Read(path);
  EXPECT_TRUE(m.ParseFromString(bytes)) << path;
  Message again;
  EXPECT_TRUE(again.ParseFromString(m.SerializeAsString())) << path;
  EXPECT_EQ(m.ByteSizeLong(), again.ByteSizeLong()) << path;
}

TEST(TensorProtoTest, ComplexValuesAreReadFromPairsAndFromBytes) {
  using Complex = std::complex<float>;
  proto::TensorProto message;
  message.set_dtype(proto::DT_COMPLEX64);
  message.mutable_tensor_shape()->add_dim()->set_size(3);
  for (float part : {1.0f, 2.0f, 3.0f, -4.0f}) message.add_scomplex_val(part);
  const Tensor want =
      Tensor::Of<Complex>({3}, {{1, 2}, {3, -4}, {3, -4}});  // the last goes on
  EXPECT_TRUE(BitwiseEqual(FromProto(message).value(), want));
  proto::TensorProto bytes;
  ASSERT_TRUE(ToProto(want, &bytes).ok());
  EXPECT_TRUE(BitwiseEqual(FromProto(bytes).value(), want));
  message.add_scomplex_val(5);
  EXPECT_EQ(FromProto(message).code(), Code::kInvalidArgument);
}

// What TensorFlow writes for a constant without elements.
TEST(TensorProtoTest, AValueForNoElementsIsIgnored) {
  proto::TensorProto message;
  message.set_dtype(proto::DT_STRING);
  message.mutable_tensor_shape()->add_dim()->set_size(0);
  message.add_string_val("a");
  EXPECT_EQ(FromProto(message).value().shape(), Shape{0});
}

TEST(ProtoFixtureTest, EveryRecordedFileParses) {
  LS_REQUIRE_FIXTURES();
  int graphs = 0;
  int metas = 0;
  int texts = 0;
  namespace fs = std::filesystem;
  for (const auto& e : fs::recursive_directory_iterator(FixtureFile(""))) {
    const fs::path& path = e.path();
    if (path.string().find("bad_") != std::string::npos) continue;
    if (path.filename() == "graph.pb") {
      ParseBinary<proto::GraphDef>(path);
      ++graphs;
    } else if (path.extension() == ".meta") {
      ParseBinary<proto::MetaGraphDef>(path);
      ++metas;
    } else if (path.filename() == "saved_model.pb") {
      ParseBinary<proto::SavedModel>(path);
    } else if (path.extension() == ".pbtxt") {
      proto::GraphDef graph;
      EXPECT_TRUE(TextFormat::ParseFromString(Read(path), &graph)) << path;
      EXPECT_GT(graph.node_size(), 0) << path;
      ++texts;
    }
  }
  EXPECT_GT(graphs, 10);
  EXPECT_GT(metas, 10);
  EXPECT_GT(texts, 5);
}

TEST(ProtoFixtureTest, CutGraphDoesNotParse) {
  LS_REQUIRE_FIXTURES();
  proto::GraphDef graph;
  EXPECT_FALSE(
      graph.ParseFromString(Read(FixtureFile("bad_graph_truncated/graph.pb"))));
}

}  // namespace
}  // namespace lockstep
