// SPDX-License-Identifier: Apache-2.0
// lockstep launch: restarts, what it shows, how it stops; and what it decides.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include "runtime/core/strings.h"
#include "runtime/io/checkpoint_state.h"
#include "tests/testing/run_program.h"
#include "tools/lockstep/launch_plan.h"

namespace lockstep {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::Not;
using Args = std::vector<std::string>;

class LaunchTest : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const std::string& setting : Split(MPI_ENVIRONMENT, ' ')) {
      const size_t at = setting.find('=');
      setenv(setting.substr(0, at).c_str(), setting.substr(at + 1).c_str(), 1);
    }
  }
  static Finished Launch(Args own, Args mnist, Args environment = {}) {
    Args argv = {WITH_DEADLINE, "100", "/usr/bin/env"};
    argv.insert(argv.end(), environment.begin(), environment.end());
    argv.insert(argv.end(), {LOCKSTEP_PROGRAM, "launch"});
    argv.insert(argv.end(), own.begin(), own.end());
    argv.insert(argv.end(), {"--", FAULTY_MNIST, "--data", "digits",
                             "--threads", "1", "--batch", "80"});
    argv.insert(argv.end(), mnist.begin(), mnist.end());
    return RunProgram(std::move(argv));
  }
};

TEST_F(LaunchTest, ShowsEachLineBehindItsRankAndEndsWithTheProgramsStatus) {
  const Finished good = Launch({"-n", "2"}, {"--steps", "3"});
  EXPECT_EQ(good.status, 0) << good.err;
  EXPECT_THAT(good.out, HasSubstr("[0] test accuracy "));
  const Finished bad =
      Launch({"-n", "2", "--max-restarts", "2"}, {"--optimizer", "magic"});
  EXPECT_EQ(bad.status, 2);
  EXPECT_THAT(bad.err, HasSubstr("[0] mnist: "));
  EXPECT_THAT(bad.err, Not(HasSubstr("restart 1")));
}

// What a shell would say, and nothing of mpirun's.
TEST_F(LaunchTest, AProgramThatIsNotThereIsOneLine) {
  const auto launch = [](const char* program) {
    return RunProgram({WITH_DEADLINE, "100", LOCKSTEP_PROGRAM, "launch", "-n",
                       "1", "--max-restarts", "3", "--", program});
  };
  for (const char* program : {"/no/such/program", "no-such-program"}) {
    const Finished run = launch(program);
    EXPECT_EQ(run.status, 127);
    EXPECT_EQ(run.err, StrCat("lockstep launch: NOT_FOUND: there is no program "
                              "'",
                              program, "'\n"));
  }
  const Finished run = launch("/etc/passwd");
  EXPECT_EQ(run.status, 126);
  EXPECT_THAT(run.err, HasSubstr("'/etc/passwd' is no program"));
}

// Other hosts may have other programs: mpirun is asked, and its answer told.
TEST_F(LaunchTest, AProgramThatAHostHasNotIsOneLine) {
  for (const char* program : {"/no/such/program", "no-such-program"}) {
    const Finished run = RunProgram({WITH_DEADLINE, "100", LOCKSTEP_PROGRAM,
                                     "launch", "-n", "2", "--max-restarts", "3",
                                     "--hosts", "localhost:2", "--", program});
    EXPECT_EQ(run.status, 127);
    EXPECT_THAT(run.err,
                MatchesRegex(StrCat("lockstep launch: NOT_FOUND: there is no "
                                    "program '",
                                    program, "' on [^ ]+ that may be run\n")));
    EXPECT_EQ(run.out, "");
  }
}

// ulimit -f, of which launch would die.
TEST_F(LaunchTest, OutputThatAFileHasNoRoomForIsTold) {
  const ScratchFolder scratch;
  const Finished run =
      RunProgram({WITH_DEADLINE, "100", "/bin/sh", "-c",
                  StrCat("{ (ulimit -f 0; exec ", LOCKSTEP_PROGRAM,
                         " launch -n 1 -- /bin/echo hello 2>&1 >",
                         scratch / "out", "); echo status $?; } | cat >&2")});
  EXPECT_THAT(run.err,
              HasSubstr("lockstep: standard output cannot be written"));
  EXPECT_THAT(run.err, HasSubstr("status 1\n"));
}

TEST_F(LaunchTest, AKilledRankIsToldOnceAndTheRunGoesOnFromItsCheckpoint) {
  const ScratchFolder scratch;
  // There is a checkpoint when the rank is killed, in its first steps.
  const Args mnist = {"--epochs", "1", "--checkpoint-dir", scratch / "saved"};
  ASSERT_EQ(Launch({"-n", "3"}, mnist).status, 0);
  const Finished run =
      Launch({"-n", "3", "--max-restarts", "2"},
             {"--epochs", "3", "--checkpoint-dir", scratch / "saved"},
             {"LOCKSTEP_TEST_FAULT=kill 1 1000",
              StrCat("LOCKSTEP_TEST_FAULT_ONCE=", scratch / "once")});
  EXPECT_EQ(run.status, 0) << run.err;
  EXPECT_EQ(LinesWith(run.err, "rank 1 on ").size(), 1u) << run.err;
  EXPECT_THAT(run.err, HasSubstr("lockstep launch: restart 1 of 2 on 3 ranks, "
                                 "from the last checkpoint"));
  EXPECT_THAT(run.err, Not(HasSubstr("Primary job")));
  EXPECT_THAT(run.out, HasSubstr("[0] resumed at step "));
  EXPECT_THAT(run.out, HasSubstr("[0] test accuracy "));
}

TEST_F(LaunchTest, ADamagedCheckpointIsPassedOver) {
  const ScratchFolder scratch;
  const std::string dir = scratch / "saved";
  const Args saved = {"--checkpoint-dir", dir, "--epochs"};
  const auto with = [&](Args more) {
    more.insert(more.begin(), saved.begin(), saved.end());
    return more;
  };
  ASSERT_EQ(Launch({"-n", "1"}, with({"2"})).status, 0);
  const auto kept = ReadCheckpointState(*Env::Default(), dir);
  ASSERT_TRUE(kept.ok()) << kept.status().ToString();
  ASSERT_GE(kept->all.size(), 2u);
  const std::string data = kept->latest + ".data-00000-of-00001";
  std::filesystem::resize_file(data, std::filesystem::file_size(data) / 2);
  const Finished run = Launch({"-n", "1"}, with({"3", "--resume"}));
  EXPECT_EQ(run.status, 0) << run.err;
  EXPECT_THAT(run.err, HasSubstr(StrCat("checkpoint '", kept->latest,
                                        "' is left out: ")));
  EXPECT_THAT(run.out, HasSubstr("[0] resumed at step "));
}

TEST_F(LaunchTest, RestartsComeToAnEnd) {
  const Finished run = Launch({"-n", "2", "--max-restarts", "1"}, {},
                              {"LOCKSTEP_TEST_FAULT=kill 1 1000"});
  EXPECT_NE(run.status, 0);
  EXPECT_EQ(LinesWith(run.err, "rank 1 on ").size(), 2u) << run.err;
  EXPECT_EQ(LinesWith(run.err, "restart 1 of 1").size(), 1u) << run.err;
}

// Its host has no checkpoint: the others are restoring when it says so.
TEST_F(LaunchTest, AnErrorOfOneRankIsTheCauseThoughOthersAreWithinACall) {
  const ScratchFolder scratch;
  ASSERT_EQ(Launch({"-n", "1"},
                   {"--epochs", "1", "--checkpoint-dir", scratch / "saved0"})
                .status,
            0);
  std::filesystem::copy(scratch / "saved0", scratch / "saved1");
  std::filesystem::create_directory(scratch / "saved2");
  const Finished run = RunProgram(
      {WITH_DEADLINE, "100", LOCKSTEP_PROGRAM, "launch", "-n", "3", "--",
       "/bin/sh", "-c",
       StrCat("exec ", FAULTY_MNIST, " --data digits --threads 1 --batch 80 ",
              "--epochs 2 --resume --checkpoint-dir ", scratch / "saved",
              "$OMPI_COMM_WORLD_RANK")});
  EXPECT_NE(run.status, 0);
  EXPECT_THAT(run.err, HasSubstr("rank 2 on "));
  EXPECT_THAT(run.err, HasSubstr("saved2"));
  EXPECT_THAT(run.err, Not(HasSubstr("ranks disagree")));
}

// `timeout` sends SIGTERM to the launcher alone.
// While mpirun starts, while ranks do, while they train.
TEST_F(LaunchTest, SigtermIsHeardAtAnyInstant) {
  for (const char* seconds : {"0.03", "0.1", "0.15", "0.2", "0.3", "0.6"}) {
    const Finished run =
        RunProgram({WITH_DEADLINE, "60", "/usr/bin/timeout", "--foreground",
                    "--preserve-status", seconds, LOCKSTEP_PROGRAM, "launch",
                    "-n", "2", "--", FAULTY_MNIST, "--data", "digits",
                    "--threads", "1", "--epochs", "1000000"});
    EXPECT_THAT(run.status, ::testing::AnyOf(3, 128 + SIGTERM))
        << "after " << seconds << " s: " << run.err;
  }
}

// A rank that was not ready for it would end, and the others would tell that.
TEST_F(LaunchTest, TheWishToStopIsHeardWhileRanksMeet) {
  const Finished run = Launch({"-n", "2"}, {"--epochs", "1000000"},
                              {"LOCKSTEP_TEST_FAULT=usr2 1 0 lifeline"});
  EXPECT_EQ(run.status, 3) << run.err;
  EXPECT_THAT(run.err, HasSubstr("fault: at "));
}

// Until then the others wait in MPI_Init, with no word of each other.
TEST_F(LaunchTest, ARankThatIsStoppedBeforeTheRanksMeetIsNamed) {
  for (const char* rank : {"0", "1"}) {
    const Finished run =
        RunProgram({WITH_DEADLINE, "60", LOCKSTEP_PROGRAM, "launch", "-n", "3",
                    "--", "/bin/sh", "-c",
                    StrCat("test $OMPI_COMM_WORLD_RANK != ", rank,
                           " || kill -STOP $$; exec ", FAULTY_MNIST,
                           " --data digits --threads 1")});
    EXPECT_THAT(run.status, ::testing::AnyOf(1, 128 + SIGKILL));
    EXPECT_THAT(run.err, HasSubstr(StrCat(": rank ", rank, " on ")));
    EXPECT_THAT(run.err, HasSubstr("is stopped (SIGSTOP), before"));
  }
}

// mpirun that is told to stop while it starts may fail, without a word.
TEST_F(LaunchTest, AStopBeforeTheRanksHaveSaidAnythingIsNoFailure) {
  const ScratchFolder bin;
  const std::string mpirun = bin / "mpirun", started = bin / "started";
  std::ofstream(mpirun)
      << "#!/bin/sh\ntrap 'kill $!; exit 1' USR2\nsleep 60 &\ntouch " << started
      << "\nwait\n";
  std::filesystem::permissions(mpirun, std::filesystem::perms::owner_all);
  const Finished run = RunProgram(
      {WITH_DEADLINE, "60", "/bin/sh", "-c",
       StrCat("PATH=", bin.path(), ":/usr/bin:/bin; ", LOCKSTEP_PROGRAM,
              " launch -n 2 -- /bin/true & launch=$!; until [ -e ", started,
              " ]; do sleep 0.1; done; kill -TERM $launch; wait $launch")});
  EXPECT_EQ(run.status, 128 + SIGTERM) << run.err;
  EXPECT_THAT(run.err, HasSubstr("stopped before the program could be told"));
}

// Sent to the launcher alone when training goes on; again while ranks end.
TEST_F(LaunchTest, SigtermSavesACheckpointAndEndsWithStatusThree) {
  const ScratchFolder scratch;
  const std::string out = scratch / "out";
  const std::string launch =
      StrCat(LOCKSTEP_PROGRAM, " launch -n 2 --max-restarts 3 -- ",
             FAULTY_MNIST, " --data digits --threads 1 --batch 80 ",
             "--epochs 1000000 --checkpoint-dir ", scratch / "saved");
  const Finished run = RunProgram(
      {WITH_DEADLINE, "100", "/bin/sh", "-c",
       StrCat(launch, " > ", out, " & launch=$!; until grep -Eq '^.0. +2 ' ",
              out, "; do sleep 0.1; done; kill -TERM $launch; wait $launch; ",
              "status=$?; cat ", out, "; exit $status")});
  EXPECT_EQ(run.status, 3) << run.err;
  EXPECT_THAT(run.out, HasSubstr("[0] stopped at step "));
  EXPECT_TRUE(std::filesystem::exists(scratch / "saved/checkpoint"));
  EXPECT_THAT(run.err, Not(HasSubstr("restart")));
}

TEST(LaunchPlanTest, TheCommandGoesOnFromACheckpointOnce) {
  LaunchOptions options{.ranks = 4, .program = {"mnist", "--epochs", "3"}};
  EXPECT_THAT(LaunchCommand(options, 2, {"a", "b:3"}, true),
              ElementsAre("mpirun", "--tag-output", "-n", "2", "--host",
                          "a,b:3", "mnist", "--epochs", "3", "--resume"));
  options.program.push_back("--resume");
  EXPECT_THAT(LaunchCommand(options, 4, {}, true),
              ElementsAre("mpirun", "--tag-output", "-n", "4", "mnist",
                          "--epochs", "3", "--resume"));
}

TEST(LaunchPlanTest, FewerHostsFewerRanks) {
  const LaunchOptions options{
      .ranks = 8, .min_ranks = 3, .hosts = {"a:4", "b:2", "c"}};
  EXPECT_EQ(RanksLeft(options, {"a:4", "b:2", "c"}), 8);
  EXPECT_EQ(RanksLeft(options, {"b:2", "c"}), 5);
  EXPECT_EQ(RanksLeft(options, {"c"}), 3);
  EXPECT_EQ(RanksLeft(options, {"b:2"}), 0);
}

TEST(LaunchPlanTest, VerdictsAreKeptAndTalkIsDropped) {
  OutputSorter sorter;
  EXPECT_EQ(sorter.Take("[1,0]<stdout>:epoch 1", false), "[0] epoch 1");
  EXPECT_EQ(sorter.Take("[1,2]<stderr>:lockstep: [rank 2 on n, process 7] "
                        "stopped because rank 1 on m.x (process 6) died",
                        true),
            "");
  EXPECT_EQ(sorter.Take("----------", true), "");
  EXPECT_EQ(sorter.Take("mpirun noticed that process rank 1 with PID 0", true),
            "");
  EXPECT_EQ(sorter.Take("[1,0]<stderr>:mnist: odd", true), "[0] mnist: odd");
  EXPECT_EQ(sorter.Cause(), "rank 1 on m.x (process 6) died");
  EXPECT_EQ(sorter.CulpritHost(), "m.x");
}

// Of a rank that ends before it joins the job; mpirun does not always say it.
TEST(LaunchPlanTest, WhomMpirunNamesIsTheCauseWhereNobodySaysMore) {
  const auto cause = [](const char* line, const char* said = "") {
    OutputSorter sorter;
    EXPECT_EQ(sorter.Take(line, true), "");
    (void)sorter.Take(said, true);
    return sorter.Cause();
  };
  const char* killed =
      "mpirun noticed that process rank 1 with PID 7 on node m.x exited on "
      "signal 9 (Killed).";
  EXPECT_EQ(cause(killed), "rank 1 on m.x exited on signal 9 (Killed)");
  EXPECT_EQ(cause(killed, "[1,2]<stderr>:p: odd"), "rank 2: p: odd");
  EXPECT_EQ(cause("  Process name: [[28051,1],12]"), "rank 12 ended first");
  EXPECT_EQ(cause("  Process name: [[28051"), "");
  // ulimit -f, and a file of mpirun's own.
  EXPECT_EQ(cause("mpirun: Forwarding signal 25 to job", "PMIX ERROR"),
            "mpirun was sent signal 25 (File size limit exceeded) and handed "
            "it on to the ranks");
  EXPECT_EQ(cause("mpirun: Forwarding signal 12 to job"), "");
}

TEST(LaunchPlanTest, MistakesAreNamed) {
  EXPECT_THAT(ParseLaunchOptions({"-n", "2"}).status().message(),
              HasSubstr("no program"));
  EXPECT_THAT(ParseLaunchOptions({"-n", "0", "--", "p"}).status().message(),
              HasSubstr("-n 0"));
  EXPECT_THAT(ParseLaunchOptions({"-n", "2", "--min-ranks", "3", "--", "p"})
                  .status()
                  .message(),
              HasSubstr("--min-ranks"));
  EXPECT_THAT(ParseLaunchOptions({"-n", "2", "--hosts", "a:x", "--", "p"})
                  .status()
                  .message(),
              HasSubstr("'a:x'"));
  EXPECT_EQ(CheckpointDir({"p", "--checkpoint-dir=x/y"}), "x/y");
  EXPECT_EQ(CheckpointDir({"p", "--checkpoint-dir", "z"}), "z");
  EXPECT_TRUE(WorthRestart(1));
  EXPECT_TRUE(WorthRestart(137));
  EXPECT_FALSE(WorthRestart(2));
  EXPECT_FALSE(WorthRestart(3));
}

}  // namespace
}  // namespace lockstep
