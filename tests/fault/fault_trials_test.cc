// SPDX-License-Identifier: Apache-2.0
// Faults of every kind, at random instants of training runs of mnist on four
// ranks, as they start, save, resume and end, too: none hangs, every run ends
// with an error, and the right rank is named.
// LOCKSTEP_FAULT_RANKS sets another number of ranks, LOCKSTEP_FAULT_TRIALS how
// many trials there are in all (default 200), LOCKSTEP_FAULT_SEED from where,
// LOCKSTEP_FAULT_JOBS how many run at once (default 2), LOCKSTEP_FAULT_KIND
// takes one kind only, LOCKSTEP_FAULT_MODEL the cnn instead of the mlp.
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
#include "tests/fault/fault_kinds.h"
#include "tests/testing/run_program.h"

namespace lockstep {
namespace {

constexpr const char* kDeadline = "60";  // s, for a run of about 2
constexpr const char* kStallSeconds = "2.5";

struct Outcome {
  double seconds = 0;
  std::string mistake;  // empty: as it should be
  bool hung = false;
};

// One fault: whom it meets, and when.
struct Trial {
  Kind kind;
  std::vector<int> victims;
  uint64_t instant = 0;  // us

  static Trial Draw(const Kind& kind, std::mt19937_64& random) {
    const auto ranks = static_cast<uint64_t>(Ranks());
    Trial trial{.kind = kind};
    trial.victims = {static_cast<int>(random() % ranks)};
    trial.instant = random() % kind.micros;
    if (kind.victim >= 0) trial.victims = {kind.victim};
    if (Is(kind, "two")) {
      const int further = 1 + static_cast<int>(random() % (ranks - 1));
      trial.victims.push_back((trial.victims[0] + further) % Ranks());
    }
    return trial;
  }
  std::string ToString() const {
    return StrCat(kind.name, " of rank ", Join(victims, ","), " after ",
                  instant, " us");
  }
};

// Nobody hears more of a rank that is gone before the ranks have met, or after
// they have parted, than mpirun.
bool MpirunNames(int victim, const Finished& run) {
  return !LinesWith(run.err, StrCat("noticed that process rank ", victim, " "))
              .empty();
}

// What is wrong with what the ranks said.
std::string Mistake(const Trial& trial, const Finished& run) {
  const Kind& kind = trial.kind;
  const int victim = trial.victims[0];
  const std::vector<std::string> lines = LinesWith(run.err, "lockstep: [rank");
  if (run.status == 0) return "ended with status 0";
  if (Is(kind, "output")) {
    const char* told = "mnist: standard output cannot be written";
    return LinesWith(run.err, told).size() == 1 ? "" : "did not say so";
  }
  // While the ranks evaluate or save, errors are agreed upon: one rank tells.
  if (lines.empty() &&
      !LinesWith(run.err, StrCat("mnist: [rank ", victim, "]")).empty()) {
    return {};
  }
  // All but the victims, who may be gone.
  const bool alone = Is(kind, "start") || Is(kind, "end");
  if (lines.size() < static_cast<size_t>(Ranks()) - trial.victims.size() &&
      !(alone && MpirunNames(victim, run))) {
    return StrCat("only ", lines.size(), " told");
  }
  // Of a call that only some made it is the words that name the odd one.
  const std::string culprit = Is(kind, "disagree")
                                  ? "[0-9]"
                                  : StrCat("(", Join(trial.victims, "|"), ")");
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

const std::vector<std::string> kMnist = {
    FAULTY_MNIST, "--data", "digits", "--batch", "80", "--threads", "1"};

std::string Model() {
  const char* model = std::getenv("LOCKSTEP_FAULT_MODEL");
  return model == nullptr ? "mlp" : model;
}

std::vector<std::string> MnistWith(std::vector<std::string> more) {
  more.insert(more.begin(), {"--model", Model()});
  more.insert(more.begin(), kMnist.begin(), kMnist.end());
  return more;
}

// The run that the fault meets; what it saves is in `dir`.
std::vector<std::string> ProgramFor(const Kind& kind, const std::string& dir) {
  if (Is(kind, "end")) return MnistWith({"--steps", "2"});
  if (Is(kind, "output")) {
    return MnistWith({"--steps", "40", "--log-every", "1"});
  }
  if (Is(kind, "save") || Is(kind, "full")) {
    return MnistWith(
        {"--epochs", "100000", "--checkpoint-dir", dir, "--save-every", "1"});
  }
  if (Is(kind, "restore")) {
    const std::vector<std::string> first = {
        "--epochs", "1", "--steps", "1", "--checkpoint-dir", dir};
    EXPECT_EQ(RunProgram(MnistWith(first)).status, 0);
    return MnistWith(
        {"--epochs", "100000", "--resume", "--checkpoint-dir", dir});
  }
  return MnistWith({"--epochs", "100000"});
}

// What a run that goes on from the last whole checkpoint says of it; a run that
// was killed before its first one has none.
std::string ResumeMistake(const std::string& dir) {
  if (!Env::Default()->FileExists(dir + "/checkpoint")) return {};
  const Finished run =
      RunProgram(MnistWith({"--epochs", "100000", "--steps", "1", "--log-every",
                            "1", "--resume", "--checkpoint-dir", dir}));
  return run.status == 0 ? "" : StrCat("does not go on: ", run.err);
}

Outcome RunTrial(const Trial& trial) {
  const Kind& kind = trial.kind;
  const bool stalls = Is(kind, "loop") || Is(kind, "sleep");
  const ScratchFolder scratch;
  std::vector<std::string> command = {
      WITH_DEADLINE, kDeadline, "/usr/bin/env",
      StrCat("LOCKSTEP_TEST_FAULT=",
             kind.fault != nullptr ? kind.fault : kind.name, " ",
             Join(trial.victims, ","), " ", trial.instant, " ", kind.place),
      // A first step alone may take as long on a busy machine.
      StrCat("LOCKSTEP_STALL_TIMEOUT=", stalls ? kStallSeconds : "30")};
  if (kind.setting != nullptr) command.push_back(kind.setting);
  command.insert(command.end(), {MPIRUN, "-np", StrCat(Ranks())});
  for (std::string& word : ProgramFor(kind, scratch / "saved")) {
    command.push_back(std::move(word));
  }
  const Finished run = RunProgram(std::move(command));
  const uint64_t end = Env::Default()->SteadyMicros();
  Outcome outcome{.hung = run.status == 124};
  const size_t at = run.err.find("fault: at ");
  if (at != std::string::npos) {
    outcome.mistake = Mistake(trial, run);
    const uint64_t begin =
        std::strtoull(run.err.c_str() + at + 10, nullptr, 10);
    outcome.seconds = static_cast<double>(end - begin) * 1e-6;
    if (outcome.mistake.empty() && Is(kind, "save")) {
      outcome.mistake = ResumeMistake(scratch / "saved");
    }
  } else if (!Is(kind, "end") || run.status != 0) {  // which it may have missed
    outcome.mistake = "there was no fault";
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
  std::vector<std::string> verdicts(Ranks());
  for (int i = 0; i < 1500; ++i) {
    for (int r = 0; r < Ranks(); ++r) {
      verdicts[static_cast<size_t>(r)] = VerdictIn(folder / StrCat("rank", r));
    }
    if (std::ranges::none_of(verdicts, &std::string::empty)) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return verdicts;
}

std::string CutMistake(const Kind& kind, int victim,
                       const std::vector<std::string>& verdicts) {
  for (int r = 0; r < Ranks(); ++r) {
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
      "exec ", FAULTY_MNIST, " --data digits --batch 80 --threads 1 --model ",
      Model(), " --epochs 100000 --log-every 1 2>", folder / "rank",
      "$OMPI_COMM_WORLD_RANK >", folder / "out", "$OMPI_COMM_WORLD_RANK");
  Finished run;
  std::thread job([&] {
    run = RunProgram({WITH_DEADLINE, kDeadline, HOSTS_PROGRAM, "--hosts",
                      StrCat(Ranks()), "--delay-us", "100", "--mbit", "1000",
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
  // In a sanitizer build the crash is the test's.
  setenv("ASAN_OPTIONS", "detect_leaks=0:handle_segv=0", 1);
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
        if (only != nullptr && Is(k, only)) kind = k;
      }
      const Trial trial = Trial::Draw(kind, random);
      const bool cut = Is(kind, "cut");
      if (!CanBeTold(kind) || (cut && !CanCut())) continue;
      const Outcome outcome =
          cut ? RunCut(kind, trial.victims[0], trial.instant) : RunTrial(trial);
      const std::lock_guard lock(mu);
      Tally& tally = tallies[kind.name];
      tally.seconds.push_back(outcome.seconds);
      tally.right += outcome.mistake.empty() ? 1 : 0;
      tally.hung += outcome.hung ? 1 : 0;
      EXPECT_TRUE(outcome.mistake.empty())
          << "trial " << n << " of seed " << seed << ": " << trial.ToString()
          << ": " << outcome.mistake;
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
