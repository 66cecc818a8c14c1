// SPDX-License-Identifier: Apache-2.0
#include "tests/testing/run_program.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <sstream>

#include "runtime/core/env.h"
#include "runtime/core/strings.h"

// By CMake: MPIRUN and MPI_ENVIRONMENT ("A=1 B=2") when there is MPI.
#ifndef MPIRUN
#define MPIRUN ""
#define MPI_ENVIRONMENT ""
#endif

namespace lockstep {
namespace {

int WaitFor(pid_t pid) {
  int status = 0;
  while (waitpid(pid, &status, 0) < 0) {
    if (errno != EINTR) return -1;
  }
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

// Until it has ended, or so long; its status stays for WaitFor.
void AwaitEnd(pid_t pid, int64_t micros) {
  constexpr int64_t kPoll = 2000;
  for (int64_t waited = 0; waited < micros; waited += kPoll) {
    siginfo_t ended{};
    if (waitid(P_PID, static_cast<id_t>(pid), &ended,
               WEXITED | WNOWAIT | WNOHANG) != 0 ||
        ended.si_pid == pid) {
      return;
    }
    usleep(static_cast<useconds_t>(std::min(kPoll, micros - waited)));
  }
}

void SetMpiEnvironment() {
  for (const std::string& setting : Split(MPI_ENVIRONMENT, ' ')) {
    const size_t at = setting.find('=');
    if (at == std::string::npos) continue;
    setenv(setting.substr(0, at).c_str(), setting.substr(at + 1).c_str(), 1);
  }
}

// A file of /proc; empty when the process has ended (streams would throw).
std::string ReadShort(const std::string& path) {
  char text[1024];
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return {};
  const ssize_t n = read(fd, text, sizeof text);
  close(fd);
  return n > 0 ? std::string(text, static_cast<size_t>(n)) : std::string();
}

// The processes of a session, but zombies.
std::vector<pid_t> ProcessesOf(pid_t session) {
  std::vector<pid_t> found;
  std::error_code ignored;
  for (const auto& entry :
       std::filesystem::directory_iterator("/proc", ignored)) {
    const pid_t pid = std::atoi(entry.path().filename().c_str());
    if (pid <= 0) continue;
    const std::string text = ReadShort((entry.path() / "stat").string());
    // "pid (name) state parent group session ..."; names may have anything.
    const size_t name = text.rfind(')');
    if (name == std::string::npos) continue;
    std::istringstream rest(text.substr(name + 1));
    std::string state;
    int64_t parent = 0, group = 0, of = 0;
    rest >> state >> parent >> group >> of;
    if (of == session && state != "Z") found.push_back(pid);
  }
  return found;
}

void KillSession(pid_t session) {
  for (int round = 0; round < 1000; ++round) {
    const std::vector<pid_t> all = ProcessesOf(session);
    if (all.empty()) return;
    for (const pid_t pid : all) kill(pid, SIGKILL);
    usleep(2000);
  }
  ADD_FAILURE() << "a process could not be killed";
}

Finished Execute(std::vector<std::string> argv, int ranks,
                 int64_t kill_after_micros) {
  // Threads that spin for each other on a machine where other tests run take
  // twenty times as long.
  setenv("OMP_WAIT_POLICY", "passive", /*overwrite=*/0);
  if (ranks > 0) {
    SetMpiEnvironment();
    argv.insert(argv.begin(), {MPIRUN, "-np", std::to_string(ranks)});
  }
  const ScratchFolder scratch;
  const std::string out = scratch / "out", err = scratch / "err";
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 1, out.c_str(), O_WRONLY | O_CREAT,
                                   0600);
  posix_spawn_file_actions_addopen(&actions, 2, err.c_str(), O_WRONLY | O_CREAT,
                                   0600);
  std::vector<char*> words;
  for (const std::string& word : argv) {
    words.push_back(const_cast<char*>(word.c_str()));
  }
  words.push_back(nullptr);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  if (kill_after_micros >= 0) {
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID);
  }
  pid_t pid = 0;
  const int failed =
      posix_spawn(&pid, words[0], &actions, &attributes, words.data(), environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  Finished result;
  if (failed != 0) {
    result.err = StrCat("cannot start ", argv[0]);
    return result;
  }
  if (kill_after_micros >= 0) {
    AwaitEnd(pid, kill_after_micros);
    KillSession(pid);
  }
  result.status = WaitFor(pid);
  result.out = Env::Default()->ReadFile(out).value();
  result.err = Env::Default()->ReadFile(err).value();
  return result;
}

}  // namespace

Finished RunProgram(std::vector<std::string> argv, int ranks) {
  return Execute(std::move(argv), ranks, -1);
}

Finished RunAndKill(std::vector<std::string> argv, int ranks,
                    int64_t kill_after_micros) {
  return Execute(std::move(argv), ranks, kill_after_micros);
}

std::vector<std::string> LinesWith(const std::string& text,
                                   const std::string& part) {
  std::vector<std::string> lines;
  for (const std::string& line : Split(text, '\n')) {
    if (line.find(part) != std::string::npos) lines.push_back(line);
  }
  return lines;
}

ScratchFolder::ScratchFolder()
    : path_(testing::TempDir() + "lockstep_test_XXXXXX") {
  if (mkdtemp(path_.data()) == nullptr) ADD_FAILURE() << "no folder " << path_;
}

ScratchFolder::~ScratchFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace lockstep
