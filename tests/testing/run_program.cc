// SPDX-License-Identifier: Apache-2.0
#include "tests/testing/run_program.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

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

void SetMpiEnvironment() {
  for (const std::string& setting : Split(MPI_ENVIRONMENT, ' ')) {
    const size_t at = setting.find('=');
    if (at == std::string::npos) continue;
    setenv(setting.substr(0, at).c_str(), setting.substr(at + 1).c_str(), 1);
  }
}

}  // namespace

Finished RunProgram(std::vector<std::string> argv, int ranks) {
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
  pid_t pid = 0;
  const int failed =
      posix_spawn(&pid, words[0], &actions, nullptr, words.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  Finished result;
  if (failed != 0) {
    result.err = StrCat("cannot start ", argv[0]);
    return result;
  }
  result.status = WaitFor(pid);
  result.out = Env::Default()->ReadFile(out).value();
  result.err = Env::Default()->ReadFile(err).value();
  return result;
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
