// SPDX-License-Identifier: Apache-2.0
// What is read from a checkpoint goes where the variables are while they have
// no value, and beside them when they have one.
#include "runtime/exec/restore_in_place.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "ops/ops.h"
#include "runtime/exec/saver.h"
#include "tests/testing/fault_env.h"

namespace lockstep {
namespace {

using ::testing::HasSubstr;

constexpr char kData[] = "m.data-00000-of-00001";
constexpr int64_t kMany = 1000;
constexpr std::pair<const char*, float> kValues[] = {{"a", 1}, {"b", 2}};

// Knows where its files' bytes were read to.
class WatchedEnv : public MemEnv {
 public:
  Result<std::unique_ptr<RandomAccessFile>> NewRandomAccessFile(
      const std::string& path) override {
    LS_ASSIGN_OR_RETURN(auto file, MemEnv::NewRandomAccessFile(path));
    return std::unique_ptr<RandomAccessFile>(
        new Watched(this, std::move(file)));
  }
  bool ReadTo(const void* at) {
    const std::lock_guard lock(mu_);
    return places_.contains(at);
  }

 private:
  class Watched : public RandomAccessFile {
   public:
    Watched(WatchedEnv* env, std::unique_ptr<RandomAccessFile> file)
        : env_(*env), file_(std::move(file)) {}
    Status Read(uint64_t offset, size_t n, char* out) const override {
      const std::lock_guard lock(env_.mu_);
      env_.places_.insert(out);
      return file_->Read(offset, n, out);
    }
    uint64_t size() const override { return file_->size(); }

   private:
    WatchedEnv& env_;
    std::unique_ptr<RandomAccessFile> file_;
  };

  std::mutex mu_;
  std::set<const void*> places_;  // guarded by mu_
};

class RestoreInPlaceTest : public ::testing::TestWithParam<bool> {
 protected:
  // Variables a and b begin with 0 and are saved with 1 and 2 as "m".
  void SetUp() override {
    std::vector<Output> variables;
    for (const auto& [name, value] : kValues) {
      variables.push_back(Make(name, value));
    }
    auto saver = Saver::Create(root_, variables, {.env = &env_});
    ASSERT_TRUE(saver.ok()) << saver.status().ToString();
    saver_ = *std::move(saver);
    auto session = Open();
    ASSERT_TRUE(session->RunTargets({"init_a", "init_b"}).ok());
    ASSERT_TRUE(session->RunTargets({"set_a", "set_b"}).ok());
    ASSERT_TRUE(saver_->Save(*session, "m").ok());
  }

  // References or resources, with nodes init_… and set_…
  Output Make(const std::string& name, float value) {
    const Output variable =
        GetParam()
            ? ops::Variable(root_.WithName(name), kFloat, Shape{kMany})
            : ops::VarHandleOp(root_.WithName(name), kFloat, Shape{kMany});
    for (const auto& [node, number] :
         {std::pair("init_", 0.0f), {"set_", value}}) {
      root_.WithName(node + name)
          .Op(GetParam() ? "Assign" : "AssignVariableOp")
          .In(variable)
          .In(Tensor::Vector(std::vector<float>(kMany, number)))
          .Build();
    }
    return variable;
  }

  std::unique_ptr<Session> Open() {
    SessionOptions options;
    options.services.push_back([this](SessionResources& resources) {
      resources.SetService<Env>(
          std::shared_ptr<Env>(&env_, [](Env*) { /* the test's */ }));
    });
    auto session = Session::Create(graph_, options);
    EXPECT_TRUE(session.ok()) << session.status().ToString();
    return *std::move(session);
  }

  const Variable& VariableIn(Session& session, const char* name) {
    return *session.resources().variables().Find(name);
  }
  void Damage() {
    auto bytes = env_.ReadFile(kData);
    ASSERT_TRUE(bytes.ok());
    char& one = (*bytes)[kMany * sizeof(float) + 5];  // of b
    one = static_cast<char>(one ^ 1);
    env_.Overwrite(kData, *bytes);
  }

  WatchedEnv env_;
  Graph graph_;
  Scope root_{&graph_};
  std::optional<Saver> saver_;
};

TEST_P(RestoreInPlaceTest, ReadsIntoVariablesWithoutValues) {
  auto session = Open();
  const Status s = saver_->Restore(*session, "m");
  ASSERT_TRUE(s.ok()) << s.ToString();
  for (const auto& [name, value] : kValues) {
    const Variable& v = VariableIn(*session, name);
    EXPECT_TRUE(v.initialized());
    EXPECT_EQ(v.value().flat<float>()[kMany - 1], value);
    EXPECT_TRUE(env_.ReadTo(v.value().data())) << name;
  }
}

TEST_P(RestoreInPlaceTest, ReadsBesideThoseThatHaveOne) {
  auto session = Open();
  ASSERT_TRUE(session->RunTargets({"init_a", "init_b"}).ok());
  const Variable& v = VariableIn(*session, "a");
  const_cast<Tensor&>(v.value()).flat<float>()[5] = 77;
  ASSERT_TRUE(saver_->Restore(*session, "m").ok());
  EXPECT_EQ(v.value().flat<float>()[5], 1);
  EXPECT_FALSE(env_.ReadTo(v.value().data()));
}

TEST_P(RestoreInPlaceTest, ADamagedFileLeavesThemWithoutValue) {
  Damage();
  auto session = Open();
  const Status s = saver_->Restore(*session, "m");
  EXPECT_EQ(s.code(), Code::kDataLoss) << s.ToString();
  EXPECT_THAT(s.message(), HasSubstr("tensor 'b'"));
  EXPECT_FALSE(VariableIn(*session, "a").initialized());
  EXPECT_FALSE(VariableIn(*session, "b").initialized());
}

TEST_P(RestoreInPlaceTest, ADamagedFileLeavesValuesAsTheyWere) {
  Damage();
  auto session = Open();
  ASSERT_TRUE(session->RunTargets({"init_a", "init_b"}).ok());
  const Variable& v = VariableIn(*session, "a");
  const_cast<Tensor&>(v.value()).flat<float>()[5] = 77;
  EXPECT_EQ(saver_->Restore(*session, "m").code(), Code::kDataLoss);
  EXPECT_EQ(v.value().flat<float>()[5], 77);
  EXPECT_EQ(VariableIn(*session, "b").value().flat<float>()[5], 0);
}

// The value that the same run gives the variable before is overwritten.
TEST_P(RestoreInPlaceTest, AnotherAssignmentOfTheRunMayComeFirst) {
  int assigned = 0;
  for (Node* n : graph_.Find(saver_->names().restore_op)->control_inputs()) {
    if (!n->traits().assigns) continue;
    const std::string& variable = n->input(0).node->name();
    graph_.AddControlEdge(graph_.Find("init_" + variable), n);
    ++assigned;
  }
  ASSERT_EQ(assigned, 2);
  auto session = Open();
  ASSERT_TRUE(saver_->Restore(*session, "m").ok());
  for (const auto& [name, value] : kValues) {
    EXPECT_EQ(VariableIn(*session, name).value().flat<float>()[7], value);
  }
}

INSTANTIATE_TEST_SUITE_P(Kinds, RestoreInPlaceTest, ::testing::Bool(),
                         [](const auto& info) {
                           return info.param ? "References" : "Resources";
                         });

}  // namespace
}  // namespace lockstep
