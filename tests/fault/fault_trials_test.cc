// SPDX-License-Identifier: Apache-2.0
// Faults of every kind, at random instants, in training runs of mnist on four
// ranks: none hangs, every run ends with an error, and the right rank is named.
// LOCKSTEP_FAULT_TRIALS sets how many there are in all (default 200),
// LOCKSTEP_FAULT_SEED from where, LOCKSTEP_FAULT_JOBS how many run at once
// (default 2), LOCKSTEP_FAULT_KIND takes one kind only.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <fstream>
#include <map>
#include <mutex>
#include <random>
#include <regex>
#include <thread>

#include "runtime/core/env.h"
#include "runtime/core/strings.h"
#include "tests/testing/run_program.h"

namespace lockstep {
namespace {

constexpr int kRanks = 4;
constexpr const char* kDeadline = "60";  // s, for a run of about 2
constexpr const char* kStallSeconds = "1.5";

struct Kind {
  const char* name;
  double bound;       // s from the fault to the end of the last process
  const char* words;  // of the verdict, a regular expression; RANK: the victim
};

// Stopped ranks are told from starved ones after 1.5 s; what hangs, after the
// time that this test gives it. The rest are dead, or say so.
constexpr Kind kKinds[] = {
    {"kill", 2, "(died|was killed by signal 9)"},
    {"stop", 5, "is stopped \\(SIGSTOP\\)"},
    {"segv", 2, "(died|was killed by signal 11)"},
    {"abort", 2, "(died|was killed by signal 6)"},
    {"exit", 2, "called exit"},
    {"quit", 2, "(died|exited with status)"},
    {"throw", 2,
     "failed.*node 'cross_entropy' .*threw an exception: out of luck"},
    {"thread", 2, "failed.*not caught: nobody catches this"},
    {"error", 2, "failed.*INTERNAL: .*node 'cross_entropy' .*out of luck"},
    // Four times the time while ranks evaluate: they have patience then.
    {"loop", 9, "makes no progress.*in node 'cross_entropy'"},
    {"sleep", 9, "makes no progress.*in node 'cross_entropy'"},
    {"disagree", 2, "ranks disagree: .*rank RANK calls Barrier"},
    // Each rank on a host of its own, and nothing comes or goes any more. 4 s
    // of silence are told from a slow network.
    {"cut", 5,
     "(sent no heartbeat for .*: it is cut off|hears nothing from "
     "most of the others)"},
};

uint64_t Setting(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

struct Outcome {
  double seconds = 0;
  std::string mistake;  // empty: as it should be
  bool hung = false;
};

// What is wrong with what the ranks said.
std::string Mistake(const Kind& kind, int victim, const Finished& run) {
  const std::vector<std::string> lines = LinesWith(run.err, "lockstep: [rank");
  if (run.status == 0) return "ended with status 0";
  // While the ranks evaluate, errors are agreed upon, and one rank tells.
  if (lines.empty() &&
      !LinesWith(run.err, StrCat("mnist: [rank ", victim, "] /cpu:0 node"))
           .empty()) {
    return {};
  }
  // All but the victim, who may be gone.
  if (lines.size() < kRanks - 1) return StrCat("only ", lines.size(), " told");
  const bool disagrees = std::string_view(kind.name) == "disagree";
  // Of a call that only some made it is the words that name the odd one.
  const std::string culprit = disagrees ? "[0-9]" : StrCat(victim);
  const std::string words = std::regex_replace(
      std::string(kind.words), std::regex("RANK"), StrCat(victim));
  const std::regex expected(StrCat(
      "lockstep: \\[rank [0-9] on [^ ]+, process [0-9]+\\] (stopped because|"
      "ends the job:) rank ",
      culprit, " on [^ ]+ \\(process [0-9]+\\).*", words, ".*"));
  for (const std::string& line : lines) {
    if (!std::regex_match(line, expected)) return StrCat("said: ", line);
  }
  return {};
}

Outcome RunTrial(const Kind& kind, int victim, uint64_t instant) {
  const Finished run = RunProgram(
      {WITH_DEADLINE, kDeadline, "/usr/bin/env",
       StrCat("LOCKSTEP_TEST_FAULT=", kind.name, " ", victim, " ", instant),
       StrCat("LOCKSTEP_STALL_TIMEOUT=", kStallSeconds), MPIRUN, "-np",
       StrCat(kRanks), FAULTY_MNIST, "--data", "digits", "--batch", "80",
       "--threads", "1", "--epochs", "100000"});
  const uint64_t end = Env::Default()->SteadyMicros();
  Outcome outcome{.mistake = Mistake(kind, victim, run),
                  .hung = run.status == 124};
  const size_t at = run.err.find("fault: at ");
  if (at == std::string::npos) {
    outcome.mistake = "there was no fault";
  } else {
    const uint64_t begin =
        std::strtoull(run.err.c_str() + at + 10, nullptr, 10);
    outcome.seconds = static_cast<double>(end - begin) * 1e-6;
  }
  if (!outcome.mistake.empty()) {
    outcome.mistake += StrCat("\nstatus ", run.status, ", standard error:\n",
                              run.err.substr(0, 6000));
  }
  return outcome;
}

// Where the hosts of network namespaces can be made.
bool CanCut() {
  static const bool can = RunProgram({HOSTS_PROGRAM, "--check"}).status == 0;
  return can;
}

// The verdict that a rank wrote to its file; empty: none so far.
std::string VerdictIn(const std::string& path) {
  const auto text = Env::Default()->ReadFile(path);
  if (!text.ok() || !text->ends_with("\n")) return {};
  const auto lines = LinesWith(*text, "lockstep: [rank");
  return lines.empty() ? std::string() : lines[0];
}

// Until every rank has told, or 30 s.
std::vector<std::string> AwaitVerdicts(const ScratchFolder& folder) {
  std::vector<std::string> verdicts(kRanks);
  for (int i = 0; i < 1500; ++i) {
    for (int r = 0; r < kRanks; ++r) {
      verdicts[static_cast<size_t>(r)] = VerdictIn(folder / StrCat("rank", r));
    }
    if (std::ranges::none_of(verdicts, &std::string::empty)) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return verdicts;
}

std::string CutMistake(const Kind& kind, int victim,
                       const std::vector<std::string>& verdicts) {
  for (int r = 0; r < kRanks; ++r) {
    const std::string& said = verdicts[static_cast<size_t>(r)];
    if (said.empty()) return StrCat("rank ", r, " did not end");
    // Who hears of nobody but the hub cannot know which of the two is cut off.
    if (r == victim && victim != 0) continue;
    const std::regex expected(StrCat(
        "lockstep: \\[rank ", r, " on host", r,
        ", process [0-9]+\\] (stopped because|ends the job:) rank ", victim,
        " on host", victim, " \\(process [0-9]+\\).*", kind.words, ".*"));
    if (!std::regex_match(said, expected)) return StrCat("said: ", said);
  }
  return {};
}

// What a rank says goes to a file of its own: mpirun hears nothing of hosts
// that are cut off, and waits for them for ever.
Outcome RunCut(const Kind& kind, int victim, uint64_t instant) {
  const ScratchFolder folder;
  const std::string fifo = folder / "control";
  if (mkfifo(fifo.c_str(), 0600) != 0) return {.mistake = "no FIFO"};
  const auto tell = [&](const std::string& line) {
    std::ofstream(fifo) << line << "\n" << std::flush;
  };
  const std::string rank = StrCat(
      "exec ", FAULTY_MNIST, " --data digits --batch 80 --threads 1 --epochs ",
      "100000 --log-every 1 2>", folder / "rank", "$OMPI_COMM_WORLD_RANK >",
      folder / "out", "$OMPI_COMM_WORLD_RANK");
  Finished run;
  std::thread job([&] {
    run = RunProgram({WITH_DEADLINE, kDeadline, HOSTS_PROGRAM, "--hosts",
                      StrCat(kRanks), "--delay-us", "100", "--mbit", "1000",
                      "--control", fifo, "--", "/bin/sh", "-c", rank});
  });
  const auto trains = [&] {
    const auto text = Env::Default()->ReadFile(folder / "out0");
    return text.ok() && text->find("step ") != std::string::npos;
  };
  bool begun = false;
  for (int i = 0; i < 2000 && !(begun = trains()); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  std::this_thread::sleep_for(std::chrono::microseconds(instant));
  const uint64_t begin = Env::Default()->SteadyMicros();
  if (begun) tell(StrCat("cut ", victim));
  Outcome outcome;
  if (begun) {
    outcome.mistake = CutMistake(kind, victim, AwaitVerdicts(folder));
  } else {
    outcome.mistake = "there was no fault";
  }
  outcome.seconds =
      static_cast<double>(Env::Default()->SteadyMicros() - begin) * 1e-6;
  tell("end");
  job.join();
  if (!outcome.mistake.empty()) {
    outcome.mistake += StrCat("\nstatus ", run.status, "\n", run.err);
  }
  return outcome;
}

struct Tally {
  std::vector<double> seconds;
  size_t right = 0;
  size_t hung = 0;
};

void PrintTable(std::map<std::string, Tally>& tallies) {
  std::printf("%-10s %7s %7s %7s %7s %7s %6s\n", "fault", "trials", "p50 s",
              "p99 s", "max s", "right", "hung");
  for (auto& [kind, t] : tallies) {
    std::ranges::sort(t.seconds);
    const auto at = [&](double part) {
      return t.seconds[static_cast<size_t>(
          part * static_cast<double>(t.seconds.size() - 1) + 0.5)];
    };
    std::printf("%-10s %7zu %7.2f %7.2f %7.2f %7zu %6zu\n", kind.c_str(),
                t.seconds.size(), at(0.5), at(0.99), at(1), t.right, t.hung);
  }
}

TEST(FaultTrialsTest, EveryFaultEndsTheJobAndNamesItsRank) {
  setenv("OMP_WAIT_POLICY", "passive", 1);
  for (const std::string& setting : Split(MPI_ENVIRONMENT, ' ')) {
    const size_t at = setting.find('=');
    setenv(setting.substr(0, at).c_str(), setting.substr(at + 1).c_str(), 1);
  }
  const uint64_t trials = Setting("LOCKSTEP_FAULT_TRIALS", 200);
  const uint64_t seed = Setting("LOCKSTEP_FAULT_SEED", 1);
  const char* only = std::getenv("LOCKSTEP_FAULT_KIND");
  std::atomic<uint64_t> next = 0;
  std::mutex mu;
  std::map<std::string, Tally> tallies;  // guarded by mu
  const auto work = [&] {
    for (uint64_t n = next++; n < trials; n = next++) {
      std::mt19937_64 random(seed * 1'000'000 + n);
      Kind kind = kKinds[n % std::size(kKinds)];
      for (const Kind& k : kKinds) {
        if (only != nullptr && std::string_view(only) == k.name) kind = k;
      }
      const int victim = static_cast<int>(random() % kRanks);
      const uint64_t instant = random() % 500'000;
      const bool cut = std::string_view(kind.name) == "cut";
      if (cut && !CanCut()) continue;
      const Outcome outcome =
          cut ? RunCut(kind, victim, instant) : RunTrial(kind, victim, instant);
      const std::lock_guard lock(mu);
      Tally& tally = tallies[kind.name];
      tally.seconds.push_back(outcome.seconds);
      tally.right += outcome.mistake.empty() ? 1 : 0;
      tally.hung += outcome.hung ? 1 : 0;
      EXPECT_TRUE(outcome.mistake.empty())
          << "trial " << n << " of seed " << seed << ": " << kind.name
          << " of rank " << victim << " after " << instant
          << " us: " << outcome.mistake;
      // With other tests beside: what a single trial may take at most.
      EXPECT_LT(outcome.seconds, 2 * kind.bound + 3) << kind.name;
    }
  };
  std::vector<std::thread> workers;
  for (uint64_t i = 0; i < Setting("LOCKSTEP_FAULT_JOBS", 2); ++i) {
    workers.emplace_back(work);
  }
  for (std::thread& w : workers) w.join();
  PrintTable(tallies);
}

}  // namespace
}  // namespace lockstep
