// SPDX-License-Identifier: Apache-2.0
#include "distributed/last_words.h"

#include <gtest/gtest.h>
#include <unistd.h>

namespace lockstep {
namespace {

TEST(LastWordsTest, WhatOneNotesTheOthersSee) {
  LastWords first(3), second(3);
  const int file = first.Open();
  ASSERT_GE(file, 0);
  ASSERT_TRUE(second.Join(getpid(), file));
  second.Note(2);
  EXPECT_TRUE(first.Noted(2));
  EXPECT_FALSE(first.Noted(1));
  first.Note(0);
  EXPECT_TRUE(second.Noted(0));
}

TEST(LastWordsTest, AnotherFileIsNotJoined) {
  LastWords first(3), second(4);
  const int file = first.Open();
  EXPECT_FALSE(second.Join(getpid(), file));  // of another size
  EXPECT_FALSE(second.Join(getpid(), -1));
  EXPECT_FALSE(second.shared());
  second.Note(1);  // nowhere
  EXPECT_FALSE(second.Noted(1));
}

}  // namespace
}  // namespace lockstep
