// SPDX-License-Identifier: Apache-2.0
#include "tools/lockstep/launch_plan.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <csignal>
#include <cstdlib>
#include <cstring>

#include "runtime/core/env.h"
#include "runtime/core/strings.h"
#include "tools/lockstep/command.h"

namespace lockstep {
namespace {

constexpr std::string_view kVerdict = "lockstep: [rank ";
constexpr std::string_view kBecause = "stopped because ";
constexpr std::string_view kEnds = "ends the job: ";

constexpr const char* kHelp =
    "lockstep launch -n N [options] -- PROGRAM ...\n"
    "Starts N ranks of a program under mpirun, shows what they say line by "
    "line,\nand starts them again from the last checkpoint when they fail.";

void Describe(CommandLine& line, LaunchOptions* options, std::string* hosts) {
  line.options.add_options()("ranks,n", po::value(&options->ranks),
                             "how many ranks")(
      "hosts", po::value(hosts),
      "where: a,b:4 (4 ranks on b at most); else this machine")(
      "max-restarts", po::value(&options->max_restarts)->default_value(0),
      "how often to start again after a failure")(
      "min-ranks", po::value(&options->min_ranks)->default_value(0),
      "fewer ranks, down to so many, when hosts are gone; 0: always all")(
      "resume", po::value(&options->resume)->default_value("--resume"),
      "what tells the program to go on from its checkpoint");
}

// "b:4" -> b, 4; without a number 0.
std::pair<std::string, int> HostAndSlots(const std::string& host) {
  const size_t colon = host.rfind(':');
  int slots = 0;
  if (colon == std::string::npos) return {host, slots};
  const char* end = host.data() + host.size();
  const auto read = std::from_chars(host.data() + colon + 1, end, slots);
  if (read.ec != std::errc() || read.ptr != end) slots = -1;
  return {host.substr(0, colon), slots};
}

// Lines of Open MPI about what the ranks have said better.
bool IsLaunchersTalk(std::string_view line) {
  static constexpr std::string_view kParts[] = {
      "Primary job  terminated normally",
      "a non-zero exit code. Per user",
      "detected that one or more processes exited",
      "the job to be terminated",
      "  Process name: [[",
      "  Exit code:    ",
      "noticed that process rank",
      "ORTE_ERROR_LOG",
      "MPI_ABORT was invoked",
      "with errorcode ",
      "NOTE: invoking MPI_ABORT",
      "You may or may not see output",
      "exactly when Open MPI kills them",
      "mpirun: Forwarding signal ",
      "mpirun was unable to ",
      "or execute an executable:",
      "while attempting to start process rank",
      "total processes failed to start",
      "did not launch the job.  This error was first reported",
      "it may have occurred for other processes as well",
      "A common cause for this error is misspelling a mpirun",
      "(remember that mpirun interprets the first",
      "unrecognized command line token as the executable)"};
  if (!line.empty() && line.find_first_not_of('-') == line.npos) return true;
  return std::ranges::any_of(kParts, [&](std::string_view part) {
    return line.find(part) != line.npos;
  });
}

// "mpirun noticed that process rank 1 with PID 7 on node vm exited on signal 9
// (Killed)." and "  Process name: [[15111,1],1]" name a rank. Empty: the line
// does not.
std::string RankThatEnded(std::string_view line) {
  constexpr std::string_view kRank = "noticed that process rank ";
  constexpr std::string_view kName = "  Process name: [[";
  if (const size_t at = line.find(kRank); at != line.npos) {
    line.remove_prefix(at + kRank.size());
    const size_t pid = line.find(" with PID "), on = line.find(" on node ");
    if (pid == line.npos || on == line.npos) return {};
    if (line.ends_with('.')) line.remove_suffix(1);
    return StrCat("rank ", line.substr(0, pid), " on ",
                  line.substr(on + std::string_view(" on node ").size()));
  }
  const size_t comma = line.rfind(',');
  if (!line.starts_with(kName) || comma == line.npos) return {};
  line.remove_prefix(comma + 1);
  return StrCat("rank ", line.substr(0, line.find(']')), " ended first");
}

// "mpirun: Forwarding signal 25 to job": the ranks die of it. Empty: the line
// does not say that, or of the wish to stop.
std::string SignalHandedOn(std::string_view line) {
  constexpr std::string_view kHead = "mpirun: Forwarding signal ";
  int signal = 0;
  if (!line.starts_with(kHead) ||
      std::from_chars(line.data() + kHead.size(), line.data() + line.size(),
                      signal)
              .ec != std::errc() ||
      signal == SIGUSR2) {
    return {};
  }
  return StrCat("mpirun was sent signal ", signal, " (", strsignal(signal),
                ") and handed it on to the ranks");
}

// mpirun --tag-output: "[1,3]<stderr>:text" -> 3, "text". -1: of no rank.
std::pair<int, std::string_view> RankAndText(std::string_view line) {
  const size_t end = line.find(">:");
  if (!line.starts_with("[") || end == line.npos) return {-1, line};
  const size_t comma = line.find(',');
  int rank = -1;
  const auto read =
      std::from_chars(line.data() + comma + 1, line.data() + end, rank);
  if (comma > end || read.ec != std::errc()) return {-1, line};
  return {rank, line.substr(end + 2)};
}

}  // namespace

Result<LaunchOptions> ParseLaunchOptions(const std::vector<std::string>& args) {
  LaunchOptions options;
  std::string hosts;
  CommandLine line(kHelp);
  Describe(line, &options, &hosts);
  const auto split = std::ranges::find(args, "--");
  LS_RETURN_IF_ERROR(line.Parse({args.begin(), split}));
  options.help = line.help();
  if (options.help) return options;
  if (split != args.end()) options.program.assign(split + 1, args.end());
  if (options.program.empty()) {
    return InvalidArgument("no program: lockstep launch -n N -- PROGRAM ...");
  }
  if (options.ranks < 1) {
    return InvalidArgument("-n ", options.ranks, " must be at least 1");
  }
  if (options.max_restarts < 0 || options.min_ranks < 0 ||
      options.min_ranks > options.ranks) {
    return InvalidArgument(
        options.max_restarts < 0 ? "--max-restarts" : "--min-ranks",
        " must be at least 0, --min-ranks at most the ", options.ranks,
        " ranks of -n");
  }
  if (!hosts.empty()) options.hosts = Split(hosts, ',');
  for (const std::string& host : options.hosts) {
    const auto [name, slots] = HostAndSlots(host);
    if (name.empty() || slots < 0) {
      return InvalidArgument("--hosts: '", host, "' is no host or host:slots");
    }
  }
  if (options.min_ranks == 0) options.min_ranks = options.ranks;
  return options;
}

int ShowLaunchHelp() {
  LaunchOptions options;
  std::string hosts;
  CommandLine line(kHelp);
  Describe(line, &options, &hosts);
  return line.ShowHelp();
}

bool AsksToResume(const LaunchOptions& options) {
  return std::ranges::find(options.program, options.resume) !=
         options.program.end();
}

std::vector<std::string> LaunchCommand(const LaunchOptions& options, int ranks,
                                       const std::vector<std::string>& hosts,
                                       bool resumes) {
  std::vector<std::string> command = {"mpirun", "--tag-output", "-n",
                                      StrCat(ranks)};
  if (!hosts.empty()) {
    command.insert(command.end(), {"--host", Join(hosts, ",")});
  }
  command.insert(command.end(), options.program.begin(), options.program.end());
  if (resumes && !AsksToResume(options)) command.push_back(options.resume);
  return command;
}

std::string CheckpointDir(const std::vector<std::string>& program) {
  constexpr std::string_view kOption = "--checkpoint-dir";
  for (size_t i = 0; i < program.size(); ++i) {
    const std::string_view word = program[i];
    if (word == kOption && i + 1 < program.size()) return program[i + 1];
    if (word.starts_with(kOption) && word.size() > kOption.size() &&
        word[kOption.size()] == '=') {
      return std::string(word.substr(kOption.size() + 1));
    }
  }
  return {};
}

Status CheckProgram(const std::string& program) {
  std::vector<std::string> paths = {program};
  if (program.find('/') == std::string::npos) {
    const char* path = std::getenv("PATH");
    paths = Split(path != nullptr ? path : "", ':');
    for (std::string& folder : paths) folder = JoinPath(folder, program);
  }
  bool exists = false;
  for (const std::string& path : paths) {
    struct stat found;
    if (stat(path.c_str(), &found) != 0 || S_ISDIR(found.st_mode)) continue;
    if (access(path.c_str(), X_OK) == 0) return Ok();
    exists = true;
  }
  if (exists) {
    return PermissionDenied("'", program, "' is no program that may be run");
  }
  return NotFound("there is no program '", program, "'");
}

std::string OutputSorter::Take(std::string_view line, bool error) {
  const auto [rank, text] = RankAndText(line);
  if (error && text.starts_with(kVerdict)) {
    for (const std::string_view words : {kBecause, kEnds}) {
      const size_t at = text.find(words);
      if (at != text.npos && verdict_.empty()) {
        verdict_ = text.substr(at + words.size());
      }
    }
    return {};
  }
  if (rank < 0) {
    if (TakeLaunchersTalk(text) || text.empty()) return {};
    if (error && first_error_.empty()) first_error_ = text;
    return std::string(text);
  }
  if (error && first_error_.empty() && !text.empty()) {
    first_error_ = StrCat("rank ", rank, ": ", text);
  }
  return StrCat("[", rank, "] ", text);
}

bool OutputSorter::TakeLaunchersTalk(std::string_view line) {
  if (ended_first_.empty()) ended_first_ = RankThatEnded(line);
  for (const auto& [head, value] :
       {std::pair("Executable: ", &executable_), std::pair("Node: ", &node_)}) {
    if (!line.starts_with(head)) continue;
    line.remove_prefix(line.find_first_not_of(' ', line.find(' ')));
    *value = line;
    return true;
  }
  if (handed_on_.empty()) handed_on_ = SignalHandedOn(line);
  return IsLaunchersTalk(line);
}

std::string OutputSorter::Cause() const {
  if (NoProgram()) {
    return StrCat("there is no program '", executable_, "' on ", node_,
                  " that may be run");
  }
  if (!verdict_.empty()) return verdict_;
  if (!handed_on_.empty()) return handed_on_;
  return first_error_.empty() ? ended_first_ : first_error_;
}

std::string OutputSorter::CulpritHost() const {
  if (!verdict_.starts_with("rank ")) return {};
  const size_t on = verdict_.find(" on ");
  const size_t end = verdict_.find(" (process ");
  if (on == std::string::npos || end == std::string::npos || end < on + 4) {
    return {};
  }
  return verdict_.substr(on + 4, end - on - 4);
}

bool WorthRestart(int status) {
  return status != 0 && status != kExitBadInput && status != kExitStopped;
}

int RanksLeft(const LaunchOptions& options,
              const std::vector<std::string>& hosts) {
  if (options.hosts.empty()) return options.ranks;
  int room = 0;
  for (const std::string& host : hosts) {
    const int slots = HostAndSlots(host).second;
    // Who did not say gets its part of what was asked for.
    const int hosts_asked = static_cast<int>(options.hosts.size());
    room += slots > 0 ? slots : (options.ranks + hosts_asked - 1) / hosts_asked;
  }
  const int ranks = std::min(room, options.ranks);
  return ranks >= options.min_ranks ? ranks : 0;
}

}  // namespace lockstep
