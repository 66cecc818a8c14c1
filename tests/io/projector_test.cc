// SPDX-License-Identifier: Apache-2.0
#include "runtime/io/projector.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/io/png.h"
#include "tests/testing/fault_env.h"

namespace lockstep {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(ProjectorTest, EmbeddingsComeBack) {
  MemEnv env;
  const ProjectorEmbedding embeddings[] = {
      {.name = "layer/codes",
       .values = Tensor::Of<float>({2, 3}, {0.5f, -1, 1e-9f, 3, 4, 5}),
       .labels = {"zero", "o\tn\ne"}},
      {.name = "in_checkpoint"}};
  ASSERT_TRUE(WriteProjector(env, "logs", embeddings).ok());
  EXPECT_THAT(env.ReadFile("logs/projector_config.pbtxt").value(),
              HasSubstr("tensor_path: \"layer_codes_0_values.tsv\""));
  EXPECT_EQ(env.ReadFile("logs/layer_codes_0_values.tsv").value(),
            "0.5\t-1\t1e-09\n3\t4\t5\n");
  const auto read = ReadProjector(env, "logs").value();
  ASSERT_EQ(read.size(), 2u);
  EXPECT_EQ(read[0].name, "layer/codes");
  EXPECT_TRUE(BitwiseEqual(read[0].values, embeddings[0].values));
  EXPECT_THAT(read[0].labels, ElementsAre("zero", "o n e"));
  EXPECT_FALSE(read[1].values.defined());
}

TEST(ProjectorTest, PicturesMakeASquareSheet) {
  MemEnv env;
  // Three pictures of 1 x 2 pixels: a sheet of 2 x 4.
  const ProjectorEmbedding e{
      .name = "e",
      .values = Tensor::Of<float>({3, 1}, {0, 1, 2}),
      .pictures = Tensor::Of<uint8_t>({3, 1, 2, 1}, {1, 2, 3, 4, 5, 6})};
  ASSERT_TRUE(WriteProjector(env, "logs", {&e, 1}).ok());
  const Tensor sheet =
      DecodePng(env.ReadFile("logs/e_0_pictures.png").value()).value();
  EXPECT_EQ(sheet.shape(), (Shape{2, 4, 1}));
  EXPECT_THAT(sheet.flat<uint8_t>(), ElementsAre(1, 2, 3, 4, 5, 6, 0, 0));
}

TEST(ProjectorTest, WhatDoesNotFitIsRefused) {
  MemEnv env;
  const Tensor values = Tensor::Of<float>({2, 1}, {0, 1});
  const ProjectorEmbedding bad[] = {
      {.name = "", .values = values},
      {.name = "e", .values = Tensor(1.0f)},
      {.name = "e", .values = values, .labels = {"one"}},
      {.name = "e",
       .values = values,
       .pictures = Tensor(kUint8, Shape{3, 1, 1, 1})},
      {.name = "e", .pictures = Tensor(kFloat, Shape{2, 1, 1, 1})}};
  for (const ProjectorEmbedding& e : bad) {
    EXPECT_EQ(WriteProjector(env, "logs", {&e, 1}).code(),
              Code::kInvalidArgument);
  }
  EXPECT_TRUE(env.Files().empty());
}

TEST(ProjectorTest, DamagedFilesAreDataLoss) {
  MemEnv env;
  EXPECT_EQ(ReadProjector(env, "logs").code(), Code::kNotFound);
  env.Overwrite("logs/projector_config.pbtxt", "embeddings {");
  EXPECT_EQ(ReadProjector(env, "logs").code(), Code::kDataLoss);
  env.Overwrite("logs/projector_config.pbtxt",
                "embeddings { tensor_name: 'e' tensor_path: 'v' }");
  for (const char* text : {"1\t2\n3\n", "1\tx\n", "1\t\n"}) {
    env.Overwrite("logs/v", text);
    EXPECT_EQ(ReadProjector(env, "logs").code(), Code::kDataLoss) << text;
  }
}

}  // namespace
}  // namespace lockstep
