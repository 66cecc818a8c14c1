// SPDX-License-Identifier: Apache-2.0
#include "runtime/core/cpu_quota.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "runtime/core/env.h"
#include "tests/testing/run_program.h"

namespace lockstep {
namespace {

class CpuQuotaTest : public ::testing::Test {
 protected:
  void Write(const std::string& path, const std::string& text) {
    const std::string at = folder_ / path;
    ASSERT_TRUE(Env::Default()->CreateDirs(DirName(at)).ok());
    ASSERT_TRUE(Env::Default()->WriteFileAtomically(at, text).ok());
  }
  int Quota() { return CpuQuota(folder_ / "cgroup", folder_ / "sys"); }
  ScratchFolder folder_;
};

TEST_F(CpuQuotaTest, TheLeastOfTheGroupAndThoseAboveItCounts) {
  Write("cgroup", "0::/pod/box\n");
  EXPECT_EQ(Quota(), 0);
  Write("sys/pod/box/cpu.max", "max 100000\n");
  EXPECT_EQ(Quota(), 0);
  Write("sys/pod/cpu.max", "350000 100000\n");
  EXPECT_EQ(Quota(), 4);
  Write("sys/pod/box/cpu.max", "150000 100000\n");
  EXPECT_EQ(Quota(), 2);
  Write("sys/cpu.max", "50000 100000\n");  // the namespace's own root
  EXPECT_EQ(Quota(), 1);
}

TEST_F(CpuQuotaTest, OmpNumThreadsIsALimitAndNoWish) {
  unsetenv("OMP_NUM_THREADS");
  const int most = LimitThreads(1000, 1);  // the container's, if it has one
  EXPECT_GE(most, 1);
  setenv("OMP_NUM_THREADS", "1,4", 1);
  EXPECT_EQ(LimitThreads(1000, 1), 1);
  setenv("OMP_NUM_THREADS", "2000", 1);
  EXPECT_EQ(LimitThreads(1000, 1), most);
  EXPECT_EQ(LimitThreads(1, 1), 1);
  setenv("OMP_NUM_THREADS", "all of them", 1);
  EXPECT_EQ(LimitThreads(1000, 1), most);
  unsetenv("OMP_NUM_THREADS");
  EXPECT_EQ(LimitThreads(0, 3), 1);
}

TEST_F(CpuQuotaTest, Version1) {
  Write("cgroup", "5:memory:/a\n4:cpu,cpuacct:/a/b\n");
  Write("sys/cpu/a/b/cpu.cfs_quota_us", "-1\n");
  Write("sys/cpu/a/b/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(Quota(), 0);
  Write("sys/cpu/a/b/cpu.cfs_quota_us", "300000\n");
  EXPECT_EQ(Quota(), 3);
}

TEST_F(CpuQuotaTest, OtherTextIsNoLimit) {
  EXPECT_EQ(Quota(), 0);
  for (const char* text : {"", "hello", ":", "::", "0::", "x:y:/z"}) {
    Write("cgroup", text);
    EXPECT_EQ(Quota(), 0) << text;
  }
  Write("cgroup", "0::/\n");
  for (const char* text : {"", "many few", "100000", "100000 0", "-5 10"}) {
    Write("sys/cpu.max", text);
    EXPECT_EQ(Quota(), 0) << text;
  }
}

}  // namespace
}  // namespace lockstep
