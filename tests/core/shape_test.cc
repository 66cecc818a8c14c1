// SPDX-License-Identifier: Apache-2.0
#include "runtime/core/shape.h"

#include <gtest/gtest.h>

#include <limits>
#include <vector>

namespace lockstep {
namespace {

constexpr int64_t kMax = std::numeric_limits<int64_t>::max();

Result<Shape> MakeShape(std::vector<int64_t> dims) {
  return Shape::Make(std::span<const int64_t>(dims));
}

TEST(ShapeTest, DefaultIsAScalar) {
  const Shape s;
  EXPECT_TRUE(s.IsScalar());
  EXPECT_TRUE(s.IsFullyKnown());
  EXPECT_EQ(s.rank(), 0);
  EXPECT_EQ(s.NumElements(), 1);
  EXPECT_EQ(s.ToString(), "[]");
}

TEST(ShapeTest, UnknownPartsAreSeen) {
  Shape s{-1, 784};
  EXPECT_FALSE(s.IsFullyKnown());
  EXPECT_EQ(s.NumElements(), -1);
  EXPECT_EQ(s.ToString(), "[?,784]");
  s.set_dim(0, 100);
  EXPECT_TRUE(s.IsFullyKnown());
  EXPECT_EQ(s.NumElements(), 78400);

  const Shape unknown = Shape::Unknown();
  EXPECT_FALSE(unknown.HasRank());
  EXPECT_FALSE(unknown.IsScalar());
  EXPECT_FALSE(unknown.IsFullyKnown());
  EXPECT_EQ(unknown.NumElements(), -1);
  EXPECT_TRUE(unknown.dims().empty());
  EXPECT_EQ(unknown.ToString(), "<unknown>");
  EXPECT_EQ(Shape::UnknownOfRank(3), (Shape{-1, -1, -1}));
}

TEST(ShapeTest, MakeRefusesWhatNoTensorCanHave) {
  EXPECT_EQ(MakeShape({2, 3}).value(), (Shape{2, 3}));
  EXPECT_EQ(MakeShape({}).value(), Shape{});
  EXPECT_EQ(MakeShape(std::vector<int64_t>(16, 1)).value().rank(), 16);

  EXPECT_EQ(MakeShape(std::vector<int64_t>(17, 1)).status().ToString(),
            "INVALID_ARGUMENT: shape has 17 dimensions; at most 16 are "
            "supported");
  EXPECT_EQ(MakeShape({2, -2}).status().ToString(),
            "INVALID_ARGUMENT: Dimension -2 must be >= 0: shape [2,-2]");
  EXPECT_EQ(MakeShape({kMax, 2}).code(), Code::kInvalidArgument);
  EXPECT_EQ(MakeShape({1ll << 32, 1ll << 31}).code(), Code::kInvalidArgument);
  EXPECT_EQ(MakeShape({1ll << 31, 1ll << 31}).value().NumElements(), 1ll << 62);
}

TEST(ShapeTest, ZeroDimensionsMakeEmptyHoweverLargeTheOthers) {
  EXPECT_EQ(MakeShape({1ll << 40, 1ll << 40, 0}).value().NumElements(), 0);
  EXPECT_EQ((Shape{0, 5}).NumElements(), 0);
}

TEST(ShapeTest, InsertAndRemoveShiftTheOthers) {
  Shape s{2, 3};
  s.InsertDim(0, 1);
  EXPECT_EQ(s, (Shape{1, 2, 3}));
  s.InsertDim(3, 9);
  EXPECT_EQ(s, (Shape{1, 2, 3, 9}));
  s.RemoveDim(1);
  EXPECT_EQ(s, (Shape{1, 3, 9}));
  s.RemoveDim(2);
  EXPECT_EQ(s, (Shape{1, 3}));
  s.AddDim(4);
  EXPECT_EQ(s, (Shape{1, 3, 4}));
}

TEST(ShapeTest, EqualityIgnoresUnusedDimensions) {
  Shape a{2, 3};
  a.RemoveDim(1);
  EXPECT_EQ(a, Shape{2});
  EXPECT_FALSE((Shape{2, 3}) == (Shape{2, 4}));
  EXPECT_FALSE(Shape{} == Shape::Unknown());
  EXPECT_EQ(Shape::Unknown(), Shape::Unknown());
}

TEST(ShapeTest, MergeTakesTheMorePrecise) {
  EXPECT_EQ(Shape::Merge({-1, 3}, {2, -1}).value(), (Shape{2, 3}));
  EXPECT_EQ(Shape::Merge(Shape::Unknown(), {2, -1}).value(), (Shape{2, -1}));
  EXPECT_EQ(Shape::Merge({2, -1}, Shape::Unknown()).value(), (Shape{2, -1}));
  EXPECT_EQ(Shape::Merge({2, 3}, {2, 4}).status().ToString(),
            "INVALID_ARGUMENT: shapes [2,3] and [2,4] contradict each other");
  EXPECT_EQ(Shape::Merge({2}, {2, -1}).code(), Code::kInvalidArgument);
}

TEST(ShapeTest, BroadcastFollowsNumPy) {
  EXPECT_EQ(Shape::Broadcast({2, 3}, {3}).value(), (Shape{2, 3}));
  EXPECT_EQ(Shape::Broadcast({3}, {2, 3}).value(), (Shape{2, 3}));
  EXPECT_EQ(Shape::Broadcast({2, 1}, {1, 3}).value(), (Shape{2, 3}));
  EXPECT_EQ(Shape::Broadcast({}, {4, 5}).value(), (Shape{4, 5}));
  EXPECT_EQ(Shape::Broadcast({0}, {1}).value(), Shape{0});
  EXPECT_EQ(Shape::Broadcast({2, 3}, {2}).status().ToString(),
            "INVALID_ARGUMENT: Incompatible shapes: [2,3] vs. [2] cannot be "
            "broadcast "
            "together");
  EXPECT_EQ(Shape::Broadcast({0}, {2}).code(), Code::kInvalidArgument);
}

TEST(ShapeTest, BroadcastOfUnknownsKeepsWhatIsCertain) {
  EXPECT_EQ(Shape::Broadcast({-1, 3}, {3}).value(), (Shape{-1, 3}));
  EXPECT_EQ(Shape::Broadcast({-1}, {1}).value(), Shape{-1});
  EXPECT_EQ(Shape::Broadcast({1}, {-1}).value(), Shape{-1});
  EXPECT_EQ(Shape::Broadcast({-1}, {5}).value(), Shape{5});
  EXPECT_EQ(Shape::Broadcast({5}, {-1}).value(), Shape{5});
  EXPECT_EQ(Shape::Broadcast({-1}, {-1}).value(), Shape{-1});
  EXPECT_FALSE(Shape::Broadcast(Shape::Unknown(), {5}).value().HasRank());
}

}  // namespace
}  // namespace lockstep
