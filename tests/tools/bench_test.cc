// SPDX-License-Identifier: Apache-2.0
// lockstep bench: every benchmark runs, small, and tells what it promises.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "runtime/core/strings.h"
#include "tests/testing/run_program.h"
#include "tools/lockstep/bench_peaks.h"
#include "tools/lockstep/json.h"

namespace lockstep {
namespace {

using ::testing::HasSubstr;

Finished Bench(std::vector<std::string> args) {
  args.insert(args.begin(), {LOCKSTEP_PROGRAM, "bench"});
  return RunProgram(args);
}

// The lines of JSON that a benchmark prints.
std::vector<Json> Rows(std::vector<std::string> args) {
  args.emplace_back("--json");
  const Finished run = Bench(std::move(args));
  EXPECT_EQ(run.status, 0) << run.err;
  std::vector<Json> rows;
  for (const std::string& line : Split(run.out, '\n')) {
    if (line.empty()) continue;
    auto row = ParseJson(line);
    EXPECT_TRUE(row.ok()) << line;
    if (row.ok()) rows.push_back(*std::move(row));
  }
  EXPECT_FALSE(rows.empty());
  return rows;
}

class BenchTest : public ::testing::TestWithParam<const char*> {};

TEST_P(BenchTest, TellsTimesThreadsRanksAndBatch) {
  const std::string name = GetParam();
  std::vector<std::string> args = {name, "--steps",     "3",      "--warmup",
                                   "1",  "--threads",   "1",      "--batch",
                                   "4",  "--max-bytes", "1000000"};
  for (const Json& row : Rows(args)) {
    EXPECT_EQ(row.value("name", ""), name);
    EXPECT_GT(row.value("us_min", 0.0), 0) << row;
    EXPECT_GE(row.value("us_med", 0.0), row.value("us_min", 1e9)) << row;
    EXPECT_GE(row.value("us_p95", 0.0), row.value("us_med", 1e9)) << row;
    EXPECT_EQ(row.value("threads", 0), 1);
    EXPECT_EQ(row.value("ranks", 0), 1);
    EXPECT_TRUE(row.contains("batch"));
  }
}

INSTANTIATE_TEST_SUITE_P(All, BenchTest,
                         ::testing::Values("mlp", "cnn", "xor", "linreg",
                                           "chain", "elementwise", "reduce",
                                           "matmul", "conv", "checkpoint",
                                           "input", "start"),
                         [](const auto& info) { return info.param; });

TEST(BenchAllReduceTest, EveryWayIsVerifiedAndTimed) {
  if (Bench({"allreduce"}).err.find("has no MPI") != std::string::npos) {
    GTEST_SKIP() << "a build without MPI";
  }
  // Open MPI keeps what MPI_Init allocated.
  setenv("ASAN_OPTIONS", "detect_leaks=0", 0);
  std::vector<std::string> ways;
  for (const Json& row :
       Rows({"allreduce", "--ranks", "3", "--max-bytes", "4096"})) {
    ways.push_back(row.value("backend", ""));
    EXPECT_EQ(row.value("ranks", 0), 3);
    EXPECT_EQ(row.value("bytes", 0), 4096);
    EXPECT_GT(row.value("us_min", 0.0), 0) << row;
  }
  EXPECT_THAT(
      ways, ::testing::UnorderedElementsAre(
                "shm in place", "shm", "hierarchical in place", "hierarchical",
                "mpi", "MPI_Allreduce", "by hand", "local"));
}

#ifndef LOCKSTEP_CUDA
TEST(BenchAllReduceTest, NcclTakesAGpuForEachRank) {
  const Finished run = Bench({"allreduce", "--ranks", "2", "--max-bytes",
                              "4096", "--backend", "mpi", "--backend", "nccl"});
  if (run.err.find("has no MPI") != std::string::npos) {
    GTEST_SKIP() << "a build without MPI";
  }
  EXPECT_NE(run.status, 0);
  EXPECT_THAT(run.err, HasSubstr("backend nccl needs a build with CUDA and a "
                                 "GPU for each rank"));
}
#endif

TEST(BenchOptionsTest, AStartIsTheSumOfItsParts) {
  const Json row = Rows({"start", "--steps", "1", "--threads", "1"})[0];
  double sum = 0;
  for (const auto& [part, us] : row["parts_us"].items()) {
    EXPECT_GE(us.get<double>(), 0) << part;
    sum += us.get<double>();
  }
  EXPECT_NEAR(sum, row["us_min"].get<double>(), 1);
  EXPECT_TRUE(row["parts_us"].contains("first step"));
}

TEST(BenchOptionsTest, WidthAndDepthMakeTheModel) {
  const Finished run = Bench({"mlp", "--steps", "1", "--width", "17", "--depth",
                              "3", "--batch", "6", "--plan"});
  EXPECT_EQ(run.status, 0) << run.err;
  EXPECT_THAT(run.out, HasSubstr("batch 6"));
  EXPECT_THAT(run.out, HasSubstr("[17,17]"));
  EXPECT_THAT(run.out, HasSubstr("w4"));
}

TEST(BenchOptionsTest, AProfileCountsTheWorkOfEachOp) {
  const Json row = Rows({"mlp", "--batch", "10", "--threads", "1", "--steps",
                         "5", "--profile"})[0];
  double flops = 0;
  for (const Json& step : row["profile"]["steps"]) {
    EXPECT_GT(step["us"].get<double>(), 0) << step;
    if (step["op"].get<std::string>().find("MatMul") != std::string::npos) {
      flops += step["flops"].get<double>();
    }
  }
  // Both layers forward and to their weights; the second to its input.
  EXPECT_DOUBLE_EQ(flops, 2.0 * 10 * (2 * 784 * 300 + 3 * 300 * 10));
  EXPECT_GT(row["profile"]["peak_gflop_s"].get<double>(), 0);
}

TEST(BenchOptionsTest, AGraphFromAFile) {
  const ScratchFolder folder;
  const std::string graph = folder / "mlp.pb";
  ASSERT_EQ(Bench({"mlp", "--write-graph", graph}).status, 0);
  const Json row = Rows({"--graph", graph, "--feed-shape", "x=8,784",
                         "--feed-shape", "y=8,10", "--target", "init",
                         "--steps", "2", "--fetch", "Mean"})[0];
  EXPECT_EQ(row["name"], "mlp.pb");
  EXPECT_EQ(row["batch"], 8);
  const Finished none = Bench({"--graph", graph, "--target", "nobody"});
  EXPECT_EQ(none.status, 2);
  EXPECT_THAT(none.err, HasSubstr("nobody"));
}

TEST(BenchOptionsTest, MistakesAreTold) {
  const Finished name = Bench({"matmull"});
  EXPECT_EQ(name.status, 2);
  EXPECT_THAT(name.err, HasSubstr("(matmul?)"));
  EXPECT_EQ(Bench({}).status, 2);
  EXPECT_EQ(Bench({"start", "--ranks", "2"}).status, 2);
  EXPECT_EQ(Bench({"mlp", "--steps", "-1"}).status, 2);
  EXPECT_EQ(Bench({"checkpoint", "--dir", "/nowhere"}).status, 1);
}

TEST(MachinePeaksTest, WorkIsLimitedByTheSlowerOfArithmeticAndMemory) {
  MachinePeaks peaks(1);
  const double flops = peaks.FlopsPerMicro();
  EXPECT_GT(flops, 100);  // a tenth of a GFLOP/s
  EXPECT_DOUBLE_EQ(peaks.Micros({.bytes = 0, .flops = flops}), 1);
  const double bytes = peaks.BytesPerMicro(1e6);
  EXPECT_GT(bytes, 10);
  EXPECT_DOUBLE_EQ(peaks.Micros({.bytes = 1e6, .flops = 1}), 1e6 / bytes);
  // Measured once.
  EXPECT_EQ(peaks.FlopsPerMicro(), flops);
  EXPECT_EQ(peaks.BytesPerMicro(1e6), bytes);
}

}  // namespace
}  // namespace lockstep
