// SPDX-License-Identifier: Apache-2.0
#include "tools/lockstep/case_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/io/npy.h"
#include "tests/testing/run_program.h"

namespace lockstep {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Result<Case> Parse(std::string_view text) {
  return ParseCase(*Env::Default(), text, "/case", "/out");
}

TEST(CaseFileTest, StepsHaveFeedsFetchesAndTargets) {
  const Case c = Parse(R"({
      "what": "ignored", "config": {"allow_soft_placement": true, "new": 1},
      "steps": [
        {"fetch": ["a:0", "b:1"], "targets": ["init"], "expect": {"a:0": "x"}},
        {"feed": {"s:0": {"strings": ["x", {"b64": "/w=="}], "shape": [2, 1]},
                  "p:0": {"path": "model.ckpt"},
                  "o:0": {"out": "sub/new.ckpt"},
                  "v:0": {"strings": ["y"]},
                  "e:0": {"strings": ["z"], "shape": []}}}]})")
                     .value();
  EXPECT_TRUE(c.options.allow_soft_placement);
  ASSERT_EQ(c.steps.size(), 2u);
  EXPECT_THAT(c.steps[0].fetches, ElementsAre("a:0", "b:1"));
  EXPECT_THAT(c.steps[0].targets, ElementsAre("init"));
  const auto& feeds = c.steps[1].feeds;
  ASSERT_EQ(feeds.size(), 5u);
  EXPECT_EQ(feeds[0].first, "s:0");
  EXPECT_TRUE(BitwiseEqual(feeds[0].second,
                           Tensor::Of<std::string>({2, 1}, {"x", "\xff"})));
  EXPECT_TRUE(BitwiseEqual(feeds[1].second, Tensor("/case/model.ckpt")));
  EXPECT_TRUE(BitwiseEqual(feeds[2].second, Tensor("/out/sub/new.ckpt")));
  EXPECT_TRUE(
      BitwiseEqual(feeds[3].second, Tensor::Of<std::string>({1}, {"y"})));
  EXPECT_TRUE(BitwiseEqual(feeds[4].second, Tensor("z")));
}

TEST(CaseFileTest, ArraysAreReadOnce) {
  const ScratchFolder dir;
  Env& env = *Env::Default();
  ASSERT_TRUE(WriteNpy(env, dir / "x.npy", Tensor(1.5f)).ok());
  const Case c = ParseCase(env, R"({"steps": [{"feed": {"a:0": "x.npy"}},
                                              {"feed": {"b:0": "x.npy"}}]})",
                           dir.path(), "/out")
                     .value();
  EXPECT_EQ(c.steps[0].feeds[0].second.scalar<float>(), 1.5f);
  EXPECT_EQ(c.steps[0].feeds[0].second.data(),
            c.steps[1].feeds[0].second.data());
}

TEST(CaseFileTest, MistakesNameStepAndField) {
  const std::pair<const char*, const char*> cases[] = {
      {"[]", "object"},
      {"{}", "\"steps\" is missing"},
      {R"({"steps": {}})", "\"steps\" has to be a list"},
      {R"({"steps": [{}, 1]})", "step 1: a step has to be"},
      {R"({"steps": [{"fetch": "a:0"}]})", "step 0: \"fetch\""},
      {R"({"steps": [{"fetch": [1]}]})", "step 0: \"fetch\""},
      {R"({"steps": [{"targets": {}}]})", "step 0: \"targets\""},
      {R"({"steps": [{"feed": []}]})", "step 0: \"feed\""},
      {R"({"steps": [{"feed": {"a:0": 3}}]})", "feed of 'a:0'"},
      {R"({"steps": [{"feed": {"a:0": {"path": 3}}}]})", "\"path\""},
      {R"({"steps": [{"feed": {"a:0": {"strings": "a"}}}]})", "\"strings\""},
      {R"({"steps": [{"feed": {"a:0": {"strings": ["a"], "shape": [2]}}}]})",
       "feed of 'a:0'"},
      {R"({"steps": [{"feed": {"a:0": {"strings": ["a"], "shape": [-1]}}}]})",
       "\"shape\""},
      {R"({"steps": [], "config": {"allow_soft_placement": 1}})",
       "\"allow_soft_placement\""},
  };
  for (const auto& [text, part] : cases) {
    const auto r = Parse(text);
    ASSERT_FALSE(r.ok()) << text;
    EXPECT_EQ(r.code(), Code::kInvalidArgument) << text;
    EXPECT_THAT(r.status().message(), HasSubstr(part)) << text;
  }
}

TEST(CaseFileTest, AMissingArrayIsAnError) {
  const auto r = Parse(R"({"steps": [{"feed": {"a:0": "none.npy"}}]})");
  EXPECT_EQ(r.code(), Code::kNotFound);
  EXPECT_THAT(r.status().message(), HasSubstr("/case/none.npy"));
}

// Sizes whose product overflows are no way around the element count.
TEST(CaseFileTest, ShapesDoNotOverflow) {
  EXPECT_FALSE(Parse(R"({"steps": [{"feed": {"a:0": {"strings": [],
      "shape": [4294967296, 4294967296]}}}]})")
                   .ok());
  EXPECT_FALSE(Parse(R"({"steps": [{"feed": {"a:0": {"strings": [],
      "shape": [18446744073709551615]}}}]})")
                   .ok());
}

}  // namespace
}  // namespace lockstep
