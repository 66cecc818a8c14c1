// SPDX-License-Identifier: Apache-2.0
#include "runtime/exec/saved_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <optional>

#include "ops/ops.h"
#include "runtime/exec/freeze.h"
#include "runtime/io/npy.h"
#include "tests/testing/test_files.h"

namespace lockstep {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// y = x * w, with w a reference or a resource.
class SavedModelTest : public ::testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    std::string name =
        ::testing::UnitTest::GetInstance()->current_test_info()->name();
    std::ranges::replace(name, '/', '_');
    dir_ = ::testing::TempDir() + "/saved_model_" + name;
    std::filesystem::remove_all(dir_);
    Scope root(&meta_.graph);
    Output x = ops::Placeholder(root.WithName("x"), kFloat, {-1});
    Output w = GetParam() ? ops::InitializedResource(root.WithName("w"), 2.0f)
                          : ops::InitializedVariable(root.WithName("w"), 2.0f);
    ops::AssignAdd(root.WithName("add"), w, 1.0f);
    ops::Mul(root.WithName("y"), x, ops::ReadVariable(root, w));
    meta_.signatures["serving_default"] = {
        .inputs = {{"in", {"x:0", kFloat, Shape{-1}}}},
        .outputs = {{"out", {"y:0", kFloat, Shape{-1}}}},
        .method = "tensorflow/serving/predict"};
    saver_ = Saver::Create(root, {w}).value();
    Node* init = ops::VariablesInitializer(root);
    session_ = Session::Create(meta_.graph).value();
    ASSERT_TRUE(session_->RunTargets({init->name()}).ok());
    ASSERT_TRUE(session_->RunTargets({"add"}).ok());
  }
  void TearDown() override { std::filesystem::remove_all(dir_); }

  Status Export() {
    MetaGraph meta;
    meta.graph = meta_.graph.Clone();
    meta.signatures = meta_.signatures;
    return ExportSavedModel(*Env::Default(), dir_, *session_, *saver_,
                            std::move(meta));
  }

  std::string dir_;
  MetaGraph meta_;
  std::optional<Saver> saver_;
  std::unique_ptr<Session> session_;
};

TEST_P(SavedModelTest, WhatIsExportedIsLoadedWithItsVariables) {
  ASSERT_TRUE(Export().ok());
  auto model = LoadSavedModel(*Env::Default(), dir_);
  ASSERT_TRUE(model.ok()) << model.status().ToString();
  const auto out =
      model->Call("serving_default", {{"in", Tensor::Of<float>({2}, {1, 4})}});
  ASSERT_TRUE(out.ok()) << out.status().ToString();
  EXPECT_THAT(out->at("out").flat<float>(), ElementsAre(3, 12));
}

TEST_P(SavedModelTest, ACallThatDoesNotFitSaysWhatIsWrong) {
  ASSERT_TRUE(Export().ok());
  auto model = LoadSavedModel(*Env::Default(), dir_).value();
  const Tensor x = Tensor::Of<float>({1}, {1});
  EXPECT_THAT(model.Call("serving_defualt", {}).status().message(),
              HasSubstr("did you mean 'serving_default'?"));
  EXPECT_THAT(model.Call("serving_default", {}).status().message(),
              HasSubstr("input 'in' is missing"));
  EXPECT_EQ(model.Call("serving_default", {{"in", x}, {"on", x}}).code(),
            Code::kNotFound);
  EXPECT_THAT(
      model.Call("serving_default", {{"in", Tensor(1.0f)}}).status().message(),
      HasSubstr("input 'in' is float [?], got float []"));
}

TEST_P(SavedModelTest, FolderOfNoModelIsNotFound) {
  const Status s = LoadSavedModel(*Env::Default(), dir_).status();
  EXPECT_EQ(s.code(), Code::kNotFound);
  EXPECT_THAT(s.message(), HasSubstr(dir_));
}

TEST_P(SavedModelTest, FrozenGraphHasTheValuesAndNothingElse) {
  auto frozen = FreezeGraph(meta_.graph, *session_, {"y"});
  ASSERT_TRUE(frozen.ok()) << frozen.status().ToString();
  EXPECT_EQ(frozen->Find("add"), nullptr);
  for (const Node* node : frozen->nodes()) {
    EXPECT_FALSE(node->traits().variable) << node->name();
  }
  auto session = Session::Create(*frozen).value();
  const Tensor y =
      session->RunOne({{"x:0", Tensor::Of<float>({1}, {5})}}, "y:0").value();
  EXPECT_THAT(y.flat<float>(), ElementsAre(15));
}

TEST_P(SavedModelTest, FreezingNeedsInitialisedVariables) {
  auto session = Session::Create(meta_.graph).value();
  EXPECT_EQ(FreezeGraph(meta_.graph, *session, {"y"}).code(),
            Code::kFailedPrecondition);
  EXPECT_EQ(FreezeGraph(meta_.graph, *session, {"nowhere"}).code(),
            Code::kNotFound);
}

INSTANTIATE_TEST_SUITE_P(Variables, SavedModelTest, ::testing::Bool(),
                         [](const auto& test) {
                           return test.param ? "Resource" : "Reference";
                         });

TEST(SavedModelFixtureTest, OfTensorFlow1) {
  LS_REQUIRE_FIXTURES();
  auto model =
      LoadSavedModel(*Env::Default(), FixtureFile("savedmodel_v1/saved_model"));
  ASSERT_TRUE(model.ok()) << model.status().ToString();
  ASSERT_FALSE(model->meta.signatures.empty());
  const auto& [name, signature] = *model->meta.signatures.begin();
  const Tensor x =
      ReadNpy(*Env::Default(), FixtureFile("savedmodel_v1/x.npy")).value();
  const auto out = model->Call(name, {{signature.inputs.begin()->first, x}});
  ASSERT_TRUE(out.ok()) << out.status().ToString();
  const Tensor want =
      ReadNpy(*Env::Default(), FixtureFile("savedmodel_v1/want1_y_0.npy"))
          .value();
  const Tensor& got = out->begin()->second;
  ASSERT_EQ(got.shape(), want.shape());
  for (size_t i = 0; i < got.flat<float>().size(); ++i) {
    EXPECT_NEAR(got.flat<float>()[i], want.flat<float>()[i], 1e-5) << i;
  }
}

TEST(SavedModelFixtureTest, OfTensorFlow2) {
  LS_REQUIRE_FIXTURES();
  auto model = LoadSavedModel(*Env::Default(),
                              FixtureFile("savedmodel_v2_module/saved_model"));
  ASSERT_TRUE(model.ok()) << model.status().ToString();
  const Tensor x =
      ReadNpy(*Env::Default(),
              FixtureFile("savedmodel_v2_module/serving_default_x.npy"))
          .value();
  const auto out = model->Call("serving_default", {{"x", x}});
  ASSERT_TRUE(out.ok()) << out.status().ToString();
  const Tensor want =
      ReadNpy(*Env::Default(),
              FixtureFile(
                  "savedmodel_v2_module/want1_StatefulPartitionedCall_0.npy"))
          .value();
  const Tensor& got = out->begin()->second;
  ASSERT_EQ(got.shape(), want.shape());
  for (size_t i = 0; i < got.flat<float>().size(); ++i) {
    EXPECT_NEAR(got.flat<float>()[i], want.flat<float>()[i], 1e-5) << i;
  }
}

}  // namespace
}  // namespace lockstep
