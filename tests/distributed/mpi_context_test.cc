// SPDX-License-Identifier: Apache-2.0
#include "distributed/mpi_context.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

namespace lockstep {

MpiContext& TestContext();  // mpi_main.cc

namespace {

using ::testing::HasSubstr;

// Sets a variable while it lives.
class ScopedVariable {
 public:
  ScopedVariable(const char* name, const std::string& value) : name_(name) {
    setenv(name, value.c_str(), 1);
  }
  ~ScopedVariable() { unsetenv(name_); }

 private:
  const char* name_;
};

TEST(MpiContextTest, RanksOfOneMachineShareItsProcessors) {
  MpiContext& mpi = TestContext();
  EXPECT_EQ(mpi.local_size(), mpi.size());
  EXPECT_EQ(mpi.local_rank(), mpi.rank());
  EXPECT_GE(mpi.ThreadShare(), 1);
  EXPECT_FALSE(mpi.host().empty());
}

TEST(MpiContextTest, AutoIsSharedMemoryOnOneMachine) {
  MpiContext& mpi = TestContext();
  auto comm = mpi.MakeCommunicator();
  ASSERT_TRUE(comm.ok()) << comm.status().ToString();
  EXPECT_EQ((*comm)->backend(), mpi.size() > 1 ? "shm" : "local");
  EXPECT_EQ((*comm)->rank(), mpi.rank());
  EXPECT_EQ((*comm)->size(), mpi.size());
  EXPECT_EQ((*comm)->timeout_micros(), kDefaultTimeoutMicros);
}

TEST(MpiContextTest, TheEnvironmentChoosesBackendAndTimeout) {
  MpiContext& mpi = TestContext();
  if (mpi.size() == 1) GTEST_SKIP() << "one rank needs no backend";
  const ScopedVariable backend("LOCKSTEP_COMM", "mpi");
  const ScopedVariable timeout("LOCKSTEP_COMM_TIMEOUT", "2.5");
  auto comm = mpi.MakeCommunicator();
  ASSERT_TRUE(comm.ok()) << comm.status().ToString();
  EXPECT_EQ((*comm)->backend(), "mpi");
  EXPECT_EQ((*comm)->timeout_micros(), 2'500'000u);
}

TEST(MpiContextTest, AnUnknownBackendIsRefused) {
  const ScopedVariable backend("LOCKSTEP_COMM", "carrier pigeon");
  auto comm = TestContext().MakeCommunicator();
  EXPECT_EQ(comm.code(), Code::kInvalidArgument);
  EXPECT_THAT(
      comm.status().message(),
      HasSubstr("LOCKSTEP_COMM must be auto, shm, hierarchical or mpi"));
}

TEST(MpiContextTest, ATimeoutThatIsNoNumberIsRefused) {
  const ScopedVariable timeout("LOCKSTEP_COMM_TIMEOUT", "soon");
  auto comm = TestContext().MakeCommunicator();
  EXPECT_EQ(comm.code(), Code::kInvalidArgument);
  EXPECT_THAT(comm.status().message(), HasSubstr("'soon'"));
}

TEST(MpiContextTest, RanksThatAskForDifferentBackendsAllGetAnError) {
  MpiContext& mpi = TestContext();
  if (mpi.size() == 1) GTEST_SKIP() << "needs another rank";
  auto comm =
      mpi.MakeCommunicator({.backend = mpi.rank() == 0 ? "mpi" : "shm"});
  EXPECT_EQ(comm.code(), Code::kInvalidArgument);
  EXPECT_THAT(comm.status().message(), HasSubstr("different backends"));
}

}  // namespace
}  // namespace lockstep
