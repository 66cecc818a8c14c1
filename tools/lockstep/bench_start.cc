// SPDX-License-Identifier: Apache-2.0
#include "tools/lockstep/bench_start.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "tools/lockstep/bench_steps.h"

extern char** environ;

namespace lockstep {
namespace {

constexpr int kRounds = 20;

// What one start took, by part, in microseconds.
struct Start {
  std::vector<std::pair<std::string, double>> parts;
  double us = 0;
};

// The standard output of this program, started with `words`.
Result<std::string> OutputOf(std::vector<std::string> words) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return Internal("pipe: ", strerror(errno));
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  pid_t child = 0;
  const int error = posix_spawn(&child, "/proc/self/exe", &actions, nullptr,
                                argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  if (error != 0) {
    close(ends[0]);
    return Internal("posix_spawn: ", strerror(error));
  }
  std::string text;
  char piece[4096];
  for (;;) {
    const ssize_t n = read(ends[0], piece, sizeof(piece));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    text.append(piece, static_cast<size_t>(n));
  }
  close(ends[0]);
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    return Internal("the process that was started has failed");
  }
  return text;
}

Result<Start> StartOnce(const BenchOptions& o, int threads) {
  const int64_t begin = SteadyNanos();
  LS_ASSIGN_OR_RETURN(
      const std::string text,
      OutputOf({"lockstep", "bench", "mlp", "--parts", "--json", "--steps", "1",
                "--warmup", "0", "--threads", std::to_string(threads),
                "--batch", std::to_string(o.batch)}));
  LS_ASSIGN_OR_RETURN(const Json row, ParseJson(text));
  Start start;
  int64_t before = begin;
  for (const Json& part : row["parts"]) {
    const auto at = part["at_ns"].get<int64_t>();
    start.parts.emplace_back(part["part"].get<std::string>(),
                             static_cast<double>(at - before) * 1e-3);
    before = at;
  }
  start.us = static_cast<double>(before - begin) * 1e-3;
  return start;
}

}  // namespace

Status BenchStart(const BenchOptions& o, int threads) {
  Start best;
  std::vector<double> us;
  for (int i = 0; i < (o.steps > 0 ? o.steps : kRounds); ++i) {
    LS_ASSIGN_OR_RETURN(Start start, StartOnce(o, threads));
    us.push_back(start.us);
    if (i == 0 || start.us < best.us) best = std::move(start);
  }
  const BenchTimes times(us);
  if (o.json) {
    Json parts = Json::object();
    for (const auto& [part, took] : best.parts) parts[part] = Rounded(took);
    PrintJson(
        RowJson({o.name, threads, 1, o.batch}, times, {{"parts_us", parts}}));
    return Ok();
  }
  std::printf(
      "%zu starts of the MLP, to the end of the first step: min %.1f ms, "
      "median %.1f, 95 %% %.1f; the shortest:\n",
      times.us.size(), times.min() * 1e-3, times.median() * 1e-3,
      times.At(0.95) * 1e-3);
  for (const auto& [part, took] : best.parts) {
    std::printf("%10.2f ms  %s\n", took * 1e-3, part.c_str());
  }
  return Ok();
}

}  // namespace lockstep
