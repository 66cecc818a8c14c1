// SPDX-License-Identifier: Apache-2.0
#include "ops/array/array.h"
#include "runtime/core/env.h"
#include "tests/testing/op_test.h"
#include "tests/testing/run_program.h"

namespace lockstep {
namespace {

// Values and errors are TensorFlow's.

OpCase Op(const char* name, const std::vector<Tensor>& in) {
  OpCase c([=](const Scope& s, const Outputs& x) {
    NodeBuilder b = s.Op(name);
    for (const Output& one : x) b.In(one);
    return b.Out();
  });
  for (const Tensor& t : in) c.In(t);
  return c;
}

class FilesTest : public testing::Test {
 protected:
  void SetUp() override {
    for (const char* name : {"b.txt", ".hid.txt", "a.txt", "sub/c.txt"}) {
      const std::string path = dir_ / name;
      ASSERT_TRUE(env_.CreateDirs(std::string(DirName(path))).ok());
      ASSERT_TRUE(env_.WriteFileAtomically(path, StrCat("<", name, ">")).ok());
    }
  }
  Tensor Name(const std::string& name) { return Tensor(dir_ / name); }
  void ExpectMatches(const std::vector<std::string>& patterns,
                     const std::vector<std::string>& want) {
    const auto paths = [&](const std::vector<std::string>& names) {
      Tensor t(kString, Shape{static_cast<int64_t>(names.size())});
      for (size_t i = 0; i < names.size(); ++i) {
        t.flat<std::string>()[i] = dir_ / names[i];
      }
      return t;
    };
    Op("MatchingFiles", {paths(patterns)}).Want(paths(want));
  }

  Env& env_ = *Env::Default();
  ScratchFolder dir_;
};

TEST_F(FilesTest, Read) {
  Op("ReadFile", {Name("a.txt")}).Want(Tensor(std::string("<a.txt>")));
  Op("ReadFile", {Name("none")})
      .WantError(Code::kNotFound, "No such file or directory");
  Op("ReadFile", {Name("sub")})
      .WantError(Code::kFailedPrecondition, "Is a directory");
  Op("ReadFile", {Tensor(kString, Shape{1})})
      .WantError(Code::kInvalidArgument,
                 "Input filename tensor must be scalar, but had shape: [1]");
}

TEST_F(FilesTest, Match) {
  ExpectMatches({"*.txt"}, {".hid.txt", "a.txt", "b.txt"});
  ExpectMatches({"?.txt"}, {"a.txt", "b.txt"});
  ExpectMatches({"[!a].txt"}, {"b.txt"});
  ExpectMatches({"*/c.txt"}, {"sub/c.txt"});
  ExpectMatches({"s*"}, {"sub"});
  ExpectMatches({"sub/../b.*"}, {"sub/../b.txt"});
  ExpectMatches({"b*", "a*", "a.txt"}, {"a.txt", "a.txt", "b.txt"});
  ExpectMatches({"none*", "none", "none/*", "{a,b}.txt"}, {});
  Op("MatchingFiles", {Tensor(kString, Shape{1, 1})})
      .WantError(Code::kInvalidArgument,
                 "Input patterns tensor must be scalar or vector");
}

TEST_F(FilesTest, Write) {
  const auto write = [](const Tensor& name, const Tensor& contents) {
    Graph graph;
    const Scope s(&graph);
    const Node* node = s.Op("WriteFile")
                           .In(ops::Const(s, name))
                           .In(ops::Const(s, contents))
                           .Build();
    if (!s.ok()) return s.status();
    return Session::Create(graph).value()->RunTargets({node->name()});
  };
  const Tensor data(std::string("data"));
  ASSERT_TRUE(write(Name("new/deep/f"), data).ok());
  EXPECT_EQ(env_.ReadFile(dir_ / "new/deep/f").value(), "data");
  ASSERT_TRUE(write(Name("new/deep/f"), Tensor(std::string("d"))).ok());
  EXPECT_EQ(env_.ReadFile(dir_ / "new/deep/f").value(), "d");
  EXPECT_EQ(write(Name("sub"), data).code(), Code::kFailedPrecondition);
  EXPECT_EQ(write(Name("a.txt/x"), data).code(), Code::kFailedPrecondition);
  EXPECT_EQ(write(Tensor(kString, Shape{1}), data).code(),
            Code::kInvalidArgument);
}

}  // namespace
}  // namespace lockstep
