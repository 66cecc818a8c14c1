// SPDX-License-Identifier: Apache-2.0
#include "tools/lockstep/launch.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "runtime/core/env.h"
#include "runtime/io/checkpoint_state.h"
#include "tools/lockstep/command.h"
#include "tools/lockstep/launch_plan.h"
#include "tools/lockstep/ranks.h"

extern char** environ;

namespace lockstep {
namespace {

// As of shells.
constexpr int kExitNotRunnable = 126, kExitNoProgram = 127;
constexpr int kMpirunFailed = 1;

// What mpirun may take to end after the ranks have told why they do: it waits
// for the daemon of a host that is gone for ever.
constexpr int kGraceMillis = 10'000;
// What it may still hand on when it was killed.
constexpr int kRestMillis = 1'000;
// The wish to stop is told again this often: mpirun loses it while it starts
// the ranks.
constexpr int kAgainMillis = 1'000;

std::atomic<pid_t> the_child{0};
std::atomic<int> stops{0};

// The first time all ranks are asked to stop, by the signal that mpirun hands
// on; the second time mpirun ends them.
void PassOn(int) {
  const int saved = errno;
  const pid_t child = the_child;
  const int signal = stops.fetch_add(1) == 0 ? SIGUSR2 : SIGTERM;
  if (child > 0) kill(child, signal);
  errno = saved;
}

// One of the attempt's two streams, cut into lines.
struct Stream {
  int fd = -1;
  bool error = false;
  std::string rest;
};

void Show(OutputSorter* sorter, const Stream& stream, std::string_view line) {
  const std::string text = sorter->Take(line, stream.error);
  if (text.empty()) return;
  std::FILE* to = stream.error ? stderr : stdout;
  std::fprintf(to, "%s\n", text.c_str());
  std::fflush(to);
}

// False at the end of the stream.
bool ReadSome(Stream* stream, OutputSorter* sorter) {
  std::array<char, 8192> bytes;
  const ssize_t n = read(stream->fd, bytes.data(), bytes.size());
  if (n < 0 && errno == EINTR) return true;
  if (n > 0) stream->rest.append(bytes.data(), static_cast<size_t>(n));
  size_t end = 0;
  while ((end = stream->rest.find('\n')) != std::string::npos) {
    Show(sorter, *stream, std::string_view(stream->rest).substr(0, end));
    stream->rest.erase(0, end + 1);
  }
  if (n > 0) return true;
  if (!stream->rest.empty()) Show(sorter, *stream, stream->rest);
  close(stream->fd);
  stream->fd = -1;
  return false;
}

void Say(const std::string& text) {
  std::fprintf(stderr, "lockstep launch: %s\n", text.c_str());
}

// Waits `millis` at most for something to read.
void ReadMore(std::array<Stream, 2>* streams, OutputSorter* sorter,
              int64_t millis) {
  std::array<pollfd, 2> wait;
  for (size_t i = 0; i < 2; ++i) {
    wait[i] = {.fd = (*streams)[i].fd, .events = POLLIN, .revents = 0};
  }
  const int ready = poll(wait.data(), wait.size(), static_cast<int>(millis));
  for (size_t i = 0; ready > 0 && i < 2; ++i) {
    if (wait[i].revents != 0) (void)ReadSome(&(*streams)[i], sorter);
  }
}

// To the end of both streams. `child`, with its group, is killed when it does
// not end after the ranks.
void ReadAll(std::array<Stream, 2>* streams, OutputSorter* sorter,
             pid_t child) {
  int64_t end = -1;   // of the time that mpirun has; -1: not set
  int64_t told = -1;  // when the wish to stop was told
  bool killed = false;
  const auto open = [&] {
    return (*streams)[0].fd >= 0 || (*streams)[1].fd >= 0;
  };
  while (open()) {
    const auto now =
        static_cast<int64_t>(Env::Default()->SteadyMicros() / 1000);
    if (end < 0 && sorter->HasVerdict()) end = now + kGraceMillis;
    if (stops == 1 && told < 0) told = now;
    if (stops == 1 && now - told >= kAgainMillis) {
      kill(child, SIGUSR2);
      told = now;
    }
    if (end < 0 || now < end) {
      ReadMore(
          streams, sorter,
          end < 0 ? kAgainMillis : std::min<int64_t>(end - now, kAgainMillis));
      continue;
    }
    if (killed) break;
    Say("mpirun did not end after its ranks: killed");
    kill(-child, SIGKILL);
    killed = true;
    end = now + kRestMillis;
  }
  for (Stream& stream : *streams) {
    if (stream.fd >= 0) close(stream.fd);
    stream.fd = -1;
  }
}

// Runs the command to its end; its exit status, 128 + n after signal n.
Result<int> RunAttempt(const std::vector<std::string>& command,
                       OutputSorter* sorter) {
  std::array<int, 2> out, err;
  if (pipe2(out.data(), O_CLOEXEC) != 0 || pipe2(err.data(), O_CLOEXEC) != 0) {
    return Unavailable("pipe: ", std::strerror(errno));
  }
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, out[1], 1);
  posix_spawn_file_actions_adddup2(&actions, err[1], 2);
  // A group of its own: a Ctrl-C at the terminal is ours to pass on.
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  // What is ignored here is not for the program.
  sigset_t defaults;
  sigemptyset(&defaults);
  sigaddset(&defaults, SIGXFSZ);
  posix_spawnattr_setsigdefault(&attributes, &defaults);
  posix_spawnattr_setflags(&attributes,
                           POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF);
  std::vector<char*> words;
  for (const std::string& w : command) {
    words.push_back(const_cast<char*>(w.c_str()));  // not written to
  }
  words.push_back(nullptr);
  pid_t child = 0;
  const int failed = posix_spawnp(&child, words[0], &actions, &attributes,
                                  words.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  close(out[1]);
  close(err[1]);
  std::array<Stream, 2> streams = {Stream{.fd = out[0]},
                                   Stream{.fd = err[0], .error = true}};
  if (failed != 0) {
    close(out[0]);
    close(err[0]);
    return NotFound("cannot start '", command[0], "': ", std::strerror(failed));
  }
  the_child = child;
  if (stops > 0) kill(child, SIGTERM);  // it came before there was a child
  ReadAll(&streams, sorter, child);
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  the_child = 0;
  if (WIFSIGNALED(status) && stops == 0) {
    const int signal = WTERMSIG(status);
    Say(StrCat("mpirun was killed by signal ", signal, " (", strsignal(signal),
               ")"));
  }
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

// Whether there is a checkpoint to go on from; the last whole one becomes the
// newest. Where none is whole, the program says so: it does not begin anew over
// what is left.
bool ReadyCheckpoint(const LaunchOptions& options) {
  const std::string dir = CheckpointDir(options.program);
  Env& env = *Env::Default();
  if (dir.empty() || !LatestCheckpoint(env, dir).ok()) return false;
  const auto whole = GoBackToWholeCheckpoint(env, dir);
  if (!whole.ok()) Say(whole.status().ToString());
  return true;
}

// Whether a host still answers: this one does, others by a command of the
// remote shell that mpirun uses.
bool Answers(const std::string& host) {
  char name[256] = {};
  gethostname(name, sizeof(name) - 1);
  if (host == name || host == "localhost" || host == "127.0.0.1") return true;
  const char* agent = std::getenv("OMPI_MCA_plm_rsh_agent");
  std::vector<std::string> command = {agent != nullptr ? agent : "ssh"};
  if (agent == nullptr) {
    command.insert(command.end(),
                   {"-o", "BatchMode=yes", "-o", "ConnectTimeout=5"});
  }
  command.insert(command.end(), {host, "true"});
  OutputSorter unheard;
  const Result<int> status = RunAttempt(command, &unheard);
  return status.ok() && *status == 0;
}

int Launch(const LaunchOptions& options) {
  std::vector<std::string> hosts = options.hosts;
  int ranks = options.ranks;
  bool resumes = AsksToResume(options) && ReadyCheckpoint(options);
  for (int attempt = 0;; ++attempt) {
    OutputSorter sorter;
    const Result<int> ran =
        RunAttempt(LaunchCommand(options, ranks, hosts, resumes), &sorter);
    if (!ran.ok()) return Fail("launch", ran.status(), kExitFailed);
    if (*ran == 0) return 0;
    const std::string cause = sorter.Cause();
    // By the wish to stop; mpirun may also fail for it, before it has ranks.
    if (stops > 0 &&
        (*ran == 128 + SIGUSR2 || (*ran == kMpirunFailed && cause.empty()))) {
      Say("stopped before the program could be told");
      return 128 + SIGTERM;
    }
    if (sorter.NoProgram()) {
      return Fail("launch", NotFound(cause), kExitNoProgram);
    }
    Say(StrCat("ended with status ", *ran, cause.empty() ? "" : ": ", cause));
    if (stops > 0 || !WorthRestart(*ran)) return *ran;
    if (attempt >= options.max_restarts) return *ran;
    std::erase_if(hosts, [](const std::string& host) {
      const std::string name = host.substr(0, host.rfind(':'));
      if (Answers(name)) return false;
      Say(StrCat("host ", name, " does not answer and is left out"));
      return true;
    });
    ranks = RanksLeft(options, hosts);
    if (ranks == 0) {
      Say(StrCat("the hosts that are left have no room for ", options.min_ranks,
                 " ranks"));
      return *ran;
    }
    resumes = ReadyCheckpoint(options);
    Say(StrCat("restart ", attempt + 1, " of ", options.max_restarts, " on ",
               ranks, " ranks, ",
               resumes ? "from the last checkpoint" : "from the beginning"));
  }
}

}  // namespace

int LaunchMain(const std::vector<std::string>& args) {
  const Result<LaunchOptions> options = ParseLaunchOptions(args);
  if (!options.ok()) return Fail("launch", options.status(), kExitBadInput);
  if (options->help) return ShowLaunchHelp();
  // Other hosts may have other programs: mpirun tells then.
  if (options->hosts.empty()) {
    const Status program = CheckProgram(options->program[0]);
    const bool found = program.code() == Code::kPermissionDenied;
    if (!program.ok()) {
      return Fail("launch", program, found ? kExitNotRunnable : kExitNoProgram);
    }
  }
  SetMpirunDefaults();
  struct sigaction action = {};
  action.sa_handler = PassOn;
  sigaction(SIGTERM, &action, nullptr);
  sigaction(SIGINT, &action, nullptr);
  return Launch(*options);
}

}  // namespace lockstep
