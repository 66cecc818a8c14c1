// SPDX-License-Identifier: Apache-2.0
#include "runtime/device/device_name.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <fstream>

#include "runtime/device/arena.h"

namespace lockstep {
namespace {

DeviceName Parse(const std::string& text) {
  Result<DeviceName> name = DeviceName::Parse(text);
  EXPECT_TRUE(name.ok()) << name.status().ToString();
  return name.ok() ? *name : DeviceName();
}

TEST(DeviceNameTest, ReadsFullAndShortNames) {
  const DeviceName full = Parse("/job:worker/replica:0/task:3/device:GPU:1");
  EXPECT_EQ(full.job, "worker");
  EXPECT_EQ(full.task, 3);
  EXPECT_EQ(full.type, "GPU");
  EXPECT_EQ(full.index, 1);
  EXPECT_EQ(Parse("/gpu:1").ToString(), "/device:GPU:1");
  EXPECT_EQ(Parse("/cpu:0").Short(), "/cpu:0");
  EXPECT_EQ(Parse("/device:GPU:*").index, std::nullopt);
  EXPECT_EQ(Parse("").ToString(), "");
}

TEST(DeviceNameTest, RefusesOtherText) {
  for (const char* text : {"gpu:0", "/", "/gpu:x", "/gpu:-1", "/disk:0",
                           "/job:", "/device:", "//gpu:0", "/task:one"}) {
    EXPECT_EQ(DeviceName::Parse(text).code(), Code::kInvalidArgument) << text;
  }
}

TEST(DeviceNameTest, CoversWhatAgreesInEveryGivenPart) {
  const DeviceName device = Parse("/job:worker/task:1/device:GPU:0");
  EXPECT_TRUE(Parse("").Covers(device));
  EXPECT_TRUE(Parse("/gpu:0").Covers(device));
  EXPECT_TRUE(Parse("/task:1/device:GPU:*").Covers(device));
  EXPECT_FALSE(Parse("/gpu:1").Covers(device));
  EXPECT_FALSE(Parse("/task:0").Covers(device));
  EXPECT_FALSE(Parse("/cpu:0").Covers(device));
}

TEST(DeviceNameTest, InnerScopesWin) {
  EXPECT_EQ(Parse("/gpu:1").Over(Parse("/task:2/cpu:0")).ToString(),
            "/task:2/device:GPU:1");
  EXPECT_EQ(Parse("/task:3").Over(Parse("/task:2/cpu:0")).ToString(),
            "/task:3/device:CPU:0");
}

TEST(ArenaTest, GrowsWithoutMoving) {
  auto arena = MakeHostArena(64 << 20);
  ASSERT_TRUE(arena.ok()) << arena.status().ToString();
  ASSERT_TRUE((*arena)->Grow(100).ok());
  char* base = (*arena)->base();
  std::memset(base, 1, 100);
  ASSERT_TRUE((*arena)->Grow(10 << 20).ok());
  EXPECT_EQ((*arena)->base(), base);
  std::memset(base + 100, 2, (10 << 20) - 100);
  EXPECT_EQ(base[99], 1);
  ASSERT_TRUE((*arena)->Grow(5).ok());
  EXPECT_EQ((*arena)->size(), size_t{10} << 20);
}

TEST(ArenaTest, RefusesMoreThanItsLimit) {
  auto arena = MakeHostArena(1 << 20);
  ASSERT_TRUE(arena.ok());
  EXPECT_TRUE((*arena)->Grow(1 << 20).ok());
  const Status s = (*arena)->Grow((1 << 20) + 1);
  EXPECT_EQ(s.code(), Code::kResourceExhausted);
  EXPECT_NE(s.message().find("limit is 1.0 MiB"), std::string::npos)
      << s.message();
}

#ifndef __SANITIZE_ADDRESS__  // has more addresses than could be left
// As ulimit -v has it.
TEST(ArenaTest, TakesFewerAddressesWhereThereAreFew) {
  const auto within_a_gigabyte = [] {
    long pages = 0;  // of the process as it is
    std::ifstream("/proc/self/statm") >> pages;
    const rlim_t now = static_cast<rlim_t>(pages * sysconf(_SC_PAGE_SIZE));
    const rlimit few = {now + (rlim_t{1} << 30), RLIM_INFINITY};
    setrlimit(RLIMIT_AS, &few);
    auto arena = MakeHostArena(size_t{1} << 40);
    const bool good = arena.ok() && (*arena)->limit() <= size_t{1} << 30 &&
                      (*arena)->Grow(1 << 20).ok() &&
                      (*arena)->Grow((size_t{1} << 30) + 1).code() ==
                          Code::kResourceExhausted;
    std::exit(good ? 0 : 1);
  };
  EXPECT_EXIT(within_a_gigabyte(), testing::ExitedWithCode(0), "");
}
#endif

}  // namespace
}  // namespace lockstep
