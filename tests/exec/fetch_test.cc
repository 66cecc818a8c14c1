// SPDX-License-Identifier: Apache-2.0
// What a run is asked for, once it is more than a few numbers, is made in the
// memory that the caller is given: no copy, and nothing that a later run
// changes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

#include "ops/ops.h"
#include "runtime/exec/session.h"

namespace lockstep {
namespace {

using ::testing::IsEmpty;

constexpr int64_t kMany = 1 << 16;

Tensor Counting(float first) {
  Tensor t = *Tensor::Make(kFloat, Shape{kMany});
  std::iota(t.flat<float>().begin(), t.flat<float>().end(), first);
  return t;
}

class FetchTest : public ::testing::Test {
 protected:
  std::unique_ptr<Callable> Make(const std::vector<Output>& feeds,
                                 const std::vector<Output>& fetches) {
    auto session = Session::Create(graph_);
    EXPECT_TRUE(session.ok()) << session.status().ToString();
    session_ = *std::move(session);
    auto call = session_->MakeCallable(feeds, fetches);
    EXPECT_TRUE(call.ok()) << call.status().ToString();
    return *std::move(call);
  }

  Graph graph_;
  Scope root_{&graph_};
  std::unique_ptr<Session> session_;
};

// Nothing but what is handed out, which limits count.
TEST_F(FetchTest, IsNotMadeTwice) {
  Output x = ops::Placeholder(root_.WithName("x"), kFloat, Shape{kMany});
  Output y = ops::Mul(root_.WithName("y"), x, 2.0f);
  auto call = Make({x}, {y});
  std::vector<Tensor> out;
  ASSERT_TRUE(call->Run(std::vector<Tensor>{Counting(1)}, &out).ok());
  EXPECT_EQ(out[0].flat<float>()[kMany - 1], 2.0f * kMany);
  const auto info = session_->Explain({{"x:0", Counting(1)}}, {"y:0"});
  ASSERT_TRUE(info.ok()) << info.status().ToString();
  EXPECT_EQ(info->devices[0].arena_bytes, 0u);
  EXPECT_EQ(info->devices[0].result_bytes, kMany * sizeof(float));
  EXPECT_EQ(session_->MemoryUse()[0].peak_bytes, kMany * sizeof(float));
}

TEST_F(FetchTest, IsWrittenAgainWhereNobodyElseHoldsIt) {
  Output x = ops::Placeholder(root_.WithName("x"), kFloat, Shape{kMany});
  auto call = Make({x}, {ops::Neg(root_, x)});
  std::vector<Tensor> out;
  ASSERT_TRUE(call->Run(std::vector<Tensor>{Counting(1)}, &out).ok());
  const void* const first = out[0].data();
  ASSERT_TRUE(call->Run(std::vector<Tensor>{Counting(2)}, &out).ok());
  EXPECT_EQ(out[0].data(), first);
  EXPECT_EQ(out[0].flat<float>()[0], -2);

  const Tensor kept = out[0];
  ASSERT_TRUE(call->Run(std::vector<Tensor>{Counting(3)}, &out).ok());
  EXPECT_NE(out[0].data(), kept.data());
  EXPECT_EQ(kept.flat<float>()[0], -2);
  EXPECT_EQ(out[0].flat<float>()[0], -3);
}

TEST_F(FetchTest, MayBeTheNextRunsFeed) {
  Output x = ops::Placeholder(root_.WithName("x"), kFloat, Shape{kMany});
  auto call = Make({x}, {ops::Add(root_, ops::Mul(root_, x, 2.0f), 1.0f)});
  std::vector<Tensor> out = {Counting(0)};
  for (int i = 0; i < 3; ++i) {
    const std::vector<Tensor> feed = out;
    ASSERT_TRUE(call->Run(feed, &out).ok());
  }
  EXPECT_EQ(out[0].flat<float>()[5], 8 * 5 + 7);
}

// The same value, a view of it and what a later step makes of it.
TEST_F(FetchTest, SharesNothingWithAnotherFetch) {
  Output x = ops::Placeholder(root_.WithName("x"), kFloat, Shape{kMany});
  Output y = ops::Mul(root_.WithName("y"), x, 2.0f);
  Output rows =
      ops::Reshape(root_, y, {256, static_cast<int32_t>(kMany / 256)});
  Output z = ops::Relu(root_.WithName("z"), ops::Neg(root_, y));
  auto call = Make({x}, {y, rows, y, z});
  std::vector<Tensor> out;
  for (int run = 0; run < 2; ++run) {
    ASSERT_TRUE(call->Run(std::vector<Tensor>{Counting(1)}, &out).ok());
    EXPECT_EQ(out[1].shape(), (Shape{256, kMany / 256}));
    for (size_t i = 0; i < 3; ++i) {
      EXPECT_EQ(out[i].flat<float>()[9], 20) << run << " " << i;
      out[i].flat<float>()[9] = static_cast<float>(i);
    }
    EXPECT_EQ(out[0].flat<float>()[9], 0);
    EXPECT_EQ(out[1].flat<float>()[9], 1);
    EXPECT_EQ(out[3].flat<float>()[9], 0);
  }
}

TEST_F(FetchTest, IsNotLeftHalfWritten) {
  Output x = ops::Placeholder(root_.WithName("x"), kFloat, Shape{kMany});
  Output y = ops::Mul(root_.WithName("y"), x, 2.0f);
  Output at = ops::Placeholder(root_.WithName("at"), kInt32, Shape{1});
  Output z = ops::Gather(root_.WithName("z"), y, at);
  auto call = Make({x, at}, {y, z});
  std::vector<Tensor> out;
  ASSERT_TRUE(
      call->Run(std::vector<Tensor>{Counting(1), Tensor::Of<int32_t>({1}, {3})},
                &out)
          .ok());
  const Tensor kept = out[0];
  const Status bad = call->Run(
      std::vector<Tensor>{Counting(5), Tensor::Of<int32_t>({1}, {-1})}, &out);
  EXPECT_EQ(bad.code(), Code::kInvalidArgument) << bad.ToString();
  EXPECT_THAT(out, IsEmpty());
  EXPECT_EQ(kept.flat<float>()[0], 2);
}

}  // namespace
}  // namespace lockstep
