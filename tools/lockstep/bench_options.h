// SPDX-License-Identifier: Apache-2.0
#pragma once

// What every `lockstep bench NAME` is asked, and how each tells its times.

#include <chrono>
#include <string>
#include <vector>

#include "tools/lockstep/json.h"
#include "tools/lockstep/session_flags.h"

namespace lockstep {

struct BenchOptions {
  std::string name;
  std::string graph;  // a file, timed instead of a model
  std::vector<std::string> feed_shapes, fetches, targets;  // of the graph
  std::string init;
  int batch = 0;
  int width = 0;
  int depth = 0;
  int threads = 0;
  int ranks = 1;
  int steps = 0;  // 0: as many as the benchmark usually takes
  int warmup = 20;
  int reproducible = 0;
  std::vector<std::string> backends;      // of allreduce
  int64_t max_bytes = int64_t{64} << 20;  // the largest of a sweep
  std::string device;
  std::string dir;  // for checkpoints
  bool json = false;
  bool plan = false;
  bool profile = false;
  bool parts = false;
  std::string write_graph;
  SessionFlags session;
};

// Microseconds, sorted.
struct BenchTimes {
  explicit BenchTimes(std::vector<double> times);
  double min() const { return us.front(); }
  double median() const { return At(0.5); }
  double At(double share) const {
    return us[static_cast<size_t>(share * static_cast<double>(us.size() - 1))];
  }
  std::vector<double> us;  // at least one
};

class Stopwatch {
 public:
  double Micros() const {
    return std::chrono::duration<double, std::micro>(Clock::now() - begin_)
        .count();
  }

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point begin_ = Clock::now();
};

// A line of JSON: name, us_min, us_med, us_p95, threads, ranks, batch, steps,
// then `more`; 0 where a benchmark has none of them.
struct BenchRow {
  std::string name;
  int threads = 1;
  int ranks = 1;
  int batch = 0;
};
Json RowJson(const BenchRow& row, const BenchTimes& times, const Json& more);
void PrintJson(const Json& json);  // as one line, flushed
// To so many decimals, for what people read.
double Rounded(double value, int decimals = 2);

}  // namespace lockstep
