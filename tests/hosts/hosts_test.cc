// SPDX-License-Identifier: Apache-2.0
// Jobs over several hosts, which are network namespaces (host_set.h). Skipped,
// with the reason, where these cannot be made.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <chrono>
#include <cstdio>
#include <fstream>
#include <thread>

#include "runtime/core/env.h"
#include "runtime/core/strings.h"
#include "tests/testing/run_program.h"

namespace lockstep {
namespace {

using ::testing::HasSubstr;

class HostsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const Finished check = RunProgram({HOSTS_PROGRAM, "--check"});
    if (check.status == 77) GTEST_SKIP() << check.out;
    ASSERT_EQ(check.status, 0) << check.out << check.err;
  }

  // `network` as one string of options.
  static Finished RunOn(int hosts, const std::string& network,
                        const std::vector<std::string>& command) {
    std::vector<std::string> argv = {HOSTS_PROGRAM, "--hosts", StrCat(hosts)};
    for (const std::string& word : Split(network, ' ')) argv.push_back(word);
    argv.push_back("--");
    argv.insert(argv.end(), command.begin(), command.end());
    return RunProgram(argv);
  }

  static std::vector<std::string> Mnist(int steps) {
    return {MNIST_PROGRAM, "--data",      "digits",    "--steps", StrCat(steps),
            "--batch",     "120",         "--threads", "1",       "--epochs",
            "1000",        "--log-every", "5"};
  }
};

struct Measured {
  double rtt_us = 0;
  double mbit = 0;
};

Measured Parse(const Finished& probe) {
  Measured m;
  EXPECT_EQ(
      std::sscanf(probe.out.c_str(), "rtt_us %lf mbit %lf", &m.rtt_us, &m.mbit),
      2)
      << probe.out << probe.err;
  return m;
}

// What a network does at least is exact; how much later things come on a busy
// machine is not.
TEST_F(HostsTest, TheNetworkIsAsFarAndAsSlowAsAsked) {
  struct Case {
    double delay_us;
    double mbit;
  };
  for (const Case& c : {Case{5000, 100}, Case{500, 20}}) {
    const Finished probe =
        RunOn(2, StrCat("--delay-us ", c.delay_us, " --mbit ", c.mbit),
              {PROBE_PROGRAM});
    ASSERT_EQ(probe.status, 0) << probe.out << probe.err;
    const Measured m = Parse(probe);
    EXPECT_GE(m.rtt_us, 2 * c.delay_us);
    EXPECT_LE(m.rtt_us, 2 * c.delay_us + 20'000);
    EXPECT_LE(m.mbit, c.mbit);
    EXPECT_GE(m.mbit, 0.5 * c.mbit);
  }
}

std::vector<std::string> Losses(const std::string& out) {
  std::vector<std::string> lines = LinesWith(out, "step ");
  std::erase_if(lines, [](const std::string& line) {
    return !line.starts_with("step ");
  });
  return lines;
}

// The same losses, digit by digit, and no memory shared between hosts.
TEST_F(HostsTest, TrainingIsThatOfOneHost) {
  for (const int hosts : {2, 4}) {
    const Finished one = RunProgram(Mnist(20), hosts);
    ASSERT_EQ(one.status, 0) << one.err;
    const auto want = Losses(one.out);
    ASSERT_EQ(want.size(), 4u) << one.out;
    EXPECT_THAT(one.out, HasSubstr("gradients by shm"));
    for (const char* network : {"--delay-us 200 --mbit 1000",
                                "--delay-us 50 --loss 0.003 --mtu 1500"}) {
      const Finished many = RunOn(hosts, network, Mnist(20));
      ASSERT_EQ(many.status, 0) << many.out << many.err;
      EXPECT_EQ(Losses(many.out), want) << network;
      EXPECT_EQ(LinesWith(many.out, "gradients by shm").size(), 0u) << many.out;
    }
  }
}

// Two hosts of two ranks, and hosts of two, two and one.
TEST_F(HostsTest, TheHierarchicalExchangeIsThatOfOneHost) {
  struct Case {
    int hosts, ranks;
    const char* slots;
  };
  for (const Case& c : {Case{2, 4, "2"}, Case{3, 5, "2,2,1"}}) {
    const Finished one = RunProgram(Mnist(20), c.ranks);
    ASSERT_EQ(one.status, 0) << one.err;
    const auto want = Losses(one.out);
    ASSERT_EQ(want.size(), 4u) << one.out;
    for (const char* network : {"--delay-us 2000 --mbit 500",
                                "--delay-us 50 --loss 0.003 --mtu 1500"}) {
      const Finished many =
          RunOn(c.hosts, StrCat(network, " --slots ", c.slots), Mnist(20));
      ASSERT_EQ(many.status, 0) << many.out << many.err;
      EXPECT_EQ(LinesWith(many.out, "gradients by hierarchical").size(), 1u)
          << many.out;
      EXPECT_EQ(Losses(many.out), want) << c.slots << " " << network;
    }
  }
}

TEST_F(HostsTest, SharedMemoryBetweenHostsIsRefused) {
  std::vector<std::string> command = {"-x", "LOCKSTEP_COMM=shm"};
  const auto mnist = Mnist(5);
  command.insert(command.end(), mnist.begin(), mnist.end());
  const Finished run = RunOn(2, "--delay-us 50", command);
  EXPECT_NE(run.status, 0);
  EXPECT_THAT(run.err, HasSubstr("shm needs all ranks on one machine"));
}

// A command on hosts that a test cuts off or removes while it runs; what it
// says is in a log.
class Job {
 public:
  Job(const std::string& options, const std::vector<std::string>& command) {
    EXPECT_EQ(mkfifo(fifo_.c_str(), 0600), 0);
    std::string all = StrCat("exec ", HOSTS_PROGRAM, " --delay-us 100 --mbit ",
                             "1000 --control ", fifo_, " ", options, " --");
    for (const std::string& word : command) all += " " + word;
    all += StrCat(" >", log_, " 2>&1");
    thread_ = std::thread([all] { RunProgram({"/bin/sh", "-c", all}); });
  }
  ~Job() {
    Tell("end");
    thread_.join();
  }
  void Tell(const std::string& line) {
    std::ofstream(fifo_) << line << "\n" << std::flush;
  }
  // Until the log has `part`, behind its first `from` bytes.
  bool Await(const std::string& part, int seconds, size_t from = 0) {
    for (int i = 0; i < seconds * 20; ++i) {
      if (Log().find(part, from) != std::string::npos) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    return false;
  }
  std::string Log() const {
    auto text = Env::Default()->ReadFile(log_);
    return text.ok() ? *std::move(text) : std::string();
  }
  const ScratchFolder& folder() const { return folder_; }

 private:
  ScratchFolder folder_;
  std::string fifo_ = folder_ / "control", log_ = folder_ / "log";
  std::thread thread_;
};

// mpirun itself waits for the daemon of the host that is gone, so the test
// ends it; that all reachable ranks ended, and why, is what counts.
TEST_F(HostsTest, AHostThatIsCutOffIsNamed) {
  Job job("--hosts 3", Mnist(1'000'000));
  ASSERT_TRUE(job.Await("step 10 ", 60)) << job.Log();
  job.Tell("cut 2");
  EXPECT_TRUE(job.Await("stopped because rank 2 on host2", 40)) << job.Log();
  // Both others, each by itself.
  EXPECT_TRUE(job.Await("[rank 0 on host0", 10)) << job.Log();
  EXPECT_TRUE(job.Await("[rank 1 on host1", 10)) << job.Log();
}

// Nobody else of its host could see it; the others wait in MPI_Init.
TEST_F(HostsTest, AnotherHostsRankThatDoesNotComeEndsTheStart) {
  std::string program;
  for (const std::string& word : Mnist(5)) program += word + " ";
  const Finished run = RunOn(
      2, "--delay-us 50 --slots 2",
      {"-x", "LOCKSTEP_START_TIMEOUT=3", "/bin/sh", "-c",
       "test $OMPI_COMM_WORLD_RANK -lt 2 || kill -STOP $$; exec " + program});
  EXPECT_NE(run.status, 0);
  for (const char* rank : {"0", "1"}) {
    EXPECT_THAT(run.err, HasSubstr(StrCat("[rank ", rank, " on host0")));
  }
  EXPECT_THAT(run.err,
              HasSubstr("the ranks have not met within 3 s of its start: on "
                        "this host ranks 0, 1 run, 2 of its 2 and of 4 in all; "
                        "who does not come is on another host"));
}

// The launcher does not wait as mpirun does, and leaves the host out.
TEST_F(HostsTest, TheLauncherGoesOnWithoutAHostThatIsGone) {
  const ScratchFolder saved;
  std::vector<std::string> command = {LOCKSTEP_PROGRAM,
                                      "launch",
                                      "-n",
                                      "3",
                                      "--hosts",
                                      "10.77.0.1:1,10.77.0.2:1,10.77.0.3:1",
                                      "--max-restarts",
                                      "1",
                                      "--min-ranks",
                                      "2",
                                      "--"};
  for (const std::string& word : Mnist(1'000'000)) command.push_back(word);
  for (const std::string& word :
       {std::string("--save-every"), std::string("5"),
        std::string("--checkpoint-dir"), saved / "run"}) {
    command.push_back(word);
  }
  Job job("--hosts 3 --one", command);
  ASSERT_TRUE(job.Await("step 10 ", 60)) << job.Log();
  job.Tell("remove 2");
  EXPECT_TRUE(job.Await("rank 2 on host2", 40)) << job.Log();
  EXPECT_TRUE(job.Await("host 10.77.0.3 does not answer and is left out", 40))
      << job.Log();
  EXPECT_TRUE(
      job.Await("restart 1 of 1 on 2 ranks, from the last checkpoint", 10))
      << job.Log();
  EXPECT_TRUE(job.Await("[0] resumed at step ", 120)) << job.Log();
  const size_t resumed = job.Log().find("resumed at step ");
  ASSERT_NE(resumed, std::string::npos);
  // And trains.
  EXPECT_TRUE(job.Await("[0] step ", 30, resumed)) << job.Log();
}

}  // namespace
}  // namespace lockstep
