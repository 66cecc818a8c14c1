// SPDX-License-Identifier: Apache-2.0
// A first layer, convolution and pool in tiles of images, beside the same
// network without rewrites.
#include <gtest/gtest.h>

#include "ops/array/array.h"
#include "ops/conv/conv.h"
#include "ops/math/math.h"
#include "ops/nn/nn.h"
#include "ops/reduce/reduce.h"
#include "runtime/core/threads.h"
#include "runtime/graph/gradients.h"
#include "tests/ops/conv/rewritten.h"

namespace lockstep::testing {
namespace {

struct Layer {
  Shape image, filter;
  bool bias = true, relu = true;
  const char* padding = "SAME";
  std::vector<int64_t> pool = kTwo;
  bool see_inside = false;  // what is pooled is fetched, too
};

// What comes out of it and the gradients by filter and bias.
BuildFn Build(const Layer& l) {
  return [l](const Scope& s, const std::vector<Output>& in) {
    Output y = ops::Conv2D(s, in[0], in[1], kOne, l.padding);
    if (l.bias) y = ops::BiasAdd(s, y, in[2]);
    if (l.relu) y = ops::Relu(s, y);
    const Output pooled = ops::MaxPool(s, y, l.pool, l.pool, "VALID");
    const Output loss = ops::Mean(s, ops::Square(s, pooled), {0, 1, 2, 3});
    std::vector<Output> by(in.begin() + 1, in.end()), all;
    s.graph()->UpdateStatus(AddGradients(s, {loss}, by, &all));
    all.push_back(pooled);
    if (l.see_inside) all.push_back(y);
    return all;
  };
}

// How many of the layer's two steps run in tiles, after comparing its values.
int StepsInTiles(const Layer& l) {
  std::vector<Tensor> in = {Numbers(kFloat, l.image, -1, 1, 3),
                            Numbers(kFloat, l.filter, -0.2, 0.2, 4)};
  if (l.bias) {
    in.push_back(Numbers(kFloat, Shape{l.filter.dim(3)}, -0.1, 0.1, 5));
  }
  const auto steps = CompareRewritten(in, Build(l), 2e-4);
  return CountSteps(steps, "_BlockedConvMaxPool") +
         CountSteps(steps, "_BlockedMaxPoolFilterGrad");
}

TEST(PooledConvTest, AnyNumberOfImagesAndThreads) {
  for (const int threads : {1, 2, 3}) {
    const ThreadsScope scope(threads);
    // One image, fewer than threads, tiles that do and do not divide them.
    for (const int64_t images : {1, 2, 5, 16, 37}) {
      SCOPED_TRACE(StrCat(images, " images, ", threads, " threads"));
      EXPECT_EQ(
          StepsInTiles({.image = {images, 96, 96, 1}, .filter = {3, 3, 1, 32}}),
          2);
    }
  }
}

TEST(PooledConvTest, OtherSizesAndEpilogues) {
  EXPECT_EQ(StepsInTiles({.image = {128, 28, 28, 1}, .filter = {3, 3, 1, 32}}),
            2);
  EXPECT_EQ(StepsInTiles({.image = {9, 20, 14, 3}, .filter = {3, 3, 3, 16}}),
            2);
  EXPECT_EQ(StepsInTiles({.image = {9, 20, 14, 2},
                          .filter = {5, 5, 2, 48},
                          .padding = "VALID"}),
            2);
  EXPECT_EQ(StepsInTiles({.image = {4, 64, 64, 1},
                          .filter = {3, 3, 1, 16},
                          .bias = false,
                          .relu = false}),
            2);
  EXPECT_EQ(
      StepsInTiles(
          {.image = {4, 64, 64, 1}, .filter = {3, 3, 1, 16}, .bias = false}),
      2);
}

TEST(PooledConvTest, OthersStayTwo) {
  // Products enough to wait for, rows that no window has, other windows.
  for (const Layer& l :
       {Layer{.image = {4, 64, 64, 8}, .filter = {3, 3, 8, 16}},
        Layer{.image = {4, 65, 64, 1}, .filter = {3, 3, 1, 16}},
        Layer{.image = {4, 66, 66, 1},
        .filter = {3, 3, 1, 16},
        .pool = {1, 3, 3, 1}}}) {
    SCOPED_TRACE(l.image.ToString());
    EXPECT_EQ(StepsInTiles(l), 0);
  }
}

// As many windows as without a pad, each a row further up.
TEST(PooledConvTest, APadInFrontShiftsTheWindows) {
  const Tensor x = Numbers(kFloat, Shape{2, 12, 12, 16}, -1, 1, 3);
  const auto build = [](const Scope& s, const std::vector<Output>& in) {
    const Output y = s.Op("MaxPool")
                         .In(in[0])
                         .Attr("ksize", kTwo)
                         .Attr("strides", kTwo)
                         .Attr("padding", "EXPLICIT")
                         .Attr("explicit_paddings",
                               std::vector<int64_t>{0, 0, 1, 0, 0, 0, 0, 0})
                         .Out();
    std::vector<Output> all;
    s.graph()->UpdateStatus(AddGradients(
        s, {ops::Mean(s, ops::Square(s, y), {0, 1, 2, 3})}, {in[0]}, &all));
    all.push_back(y);
    return all;
  };
  const auto steps = CompareRewritten({x}, build, 1e-6);
  EXPECT_EQ(CountSteps(steps, "_MaxPoolIndex"), 1);
}

TEST(PooledConvTest, WhatSomebodyElseReadsIsMade) {
  EXPECT_EQ(StepsInTiles({.image = {4, 64, 64, 1},
                          .filter = {3, 3, 1, 16},
                          .see_inside = true}),
            0);
}

}  // namespace
}  // namespace lockstep::testing
