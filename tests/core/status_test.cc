// SPDX-License-Identifier: Apache-2.0
#include "runtime/core/status.h"

#include <gtest/gtest.h>

namespace lockstep {
namespace {

TEST(StatusTest, OkHasNoMessage) {
  EXPECT_TRUE(Ok().ok());
  EXPECT_EQ(Ok().message(), "");
  EXPECT_EQ(Ok().ToString(), "OK");
}

}  // namespace
}  // namespace lockstep
