// SPDX-License-Identifier: Apache-2.0
#include <filesystem>

#include "ops/ops.h"
#include "runtime/io/checkpoint_reader.h"
#include "tests/testing/op_test.h"

namespace lockstep {
namespace {

TEST(ShardedFilenameTest, NumbersHaveFiveDigits) {
  OpCase([](const Scope& s, const Outputs& in) {
    return s.Op("ShardedFilename").In(in[0]).In(in[1]).In(in[2]).Out();
  })
      .In(S({}, {"dir/part"}))
      .In(I({}, {3}))
      .In(I({}, {123456}))
      .Want(S({}, {"dir/part-00003-of-123456"}));
  OpCase([](const Scope& s, const Outputs& in) {
    return s.Op("ShardedFilename").In(in[0]).In(1).In(2).Out();
  })
      .In(S({1}, {"a"}))
      .WantError(Code::kInvalidArgument, "rank 0");
}

TEST(MergeV2CheckpointsTest, SavesOfTwoShardsBecomeOneCheckpoint) {
  const std::string dir = ::testing::TempDir() + "/merge_v2_checkpoints";
  std::filesystem::remove_all(dir);
  std::filesystem::create_directories(dir);  // SaveV2 makes one folder only
  Graph graph;
  Scope root(&graph);
  std::vector<Output> names;
  std::vector<Node*> saves;
  for (int i = 0; i < 2; ++i) {
    const Output name = root.Op("ShardedFilename")
                            .In(Input(dir + "/m_temp/part"))
                            .In(i)
                            .In(2)
                            .Out();
    names.push_back(name);
    saves.push_back(root.Op("SaveV2")
                        .In(name)
                        .In(S({1}, {i == 0 ? "a" : "b"}))
                        .In(S({1}, {""}))
                        .In(std::vector<Output>{
                            ops::Const(root, Tensor(static_cast<float>(i)))})
                        .Build());
  }
  const Output prefixes = ops::Pack(root.WithControlDependencies(saves), names);
  Node* merge = root.WithName("merge")
                    .Op("MergeV2Checkpoints")
                    .In(prefixes)
                    .In(dir + "/m")
                    .Build();
  ASSERT_TRUE(root.ok()) << root.status().ToString();
  auto session = Session::Create(graph).value();
  const Status s = session->RunTargets({merge->name()});
  ASSERT_TRUE(s.ok()) << s.ToString();
  const auto reader =
      CheckpointReader::Open(*Env::Default(), dir + "/m").value();
  EXPECT_EQ(reader->Read("a").value().scalar<float>(), 0);
  EXPECT_EQ(reader->Read("b").value().scalar<float>(), 1);
  EXPECT_FALSE(std::filesystem::exists(dir + "/m_temp"));
  std::filesystem::remove_all(dir);
}

}  // namespace
}  // namespace lockstep
