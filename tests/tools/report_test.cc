// SPDX-License-Identifier: Apache-2.0
#include "tools/lockstep/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/core/trace.h"
#include "tests/testing/run_program.h"

namespace lockstep {
namespace {

using ::testing::HasSubstr;

Json MustParse(const std::string& text) {
  auto json = ParseJson(text);
  EXPECT_TRUE(json.ok()) << json.status().ToString();
  return json.ok() ? *std::move(json) : Json();
}

TEST(ReportTest, ABenchmarkIsTracedAndReported) {
  const ScratchFolder folder;
  const Finished bench =
      RunProgram({LOCKSTEP_PROGRAM, "bench", "mlp", "--steps", "20", "--warmup",
                  "2", "--trace", folder / "t"});
  ASSERT_EQ(bench.status, 0) << bench.err;
  const Finished report =
      RunProgram({LOCKSTEP_PROGRAM, "report", folder / "t", "--json"});
  ASSERT_EQ(report.status, 0) << report.err;
  const Json json = MustParse(report.out);
  EXPECT_EQ(json["ranks"].size(), 1u);
  EXPECT_EQ(json["ranks"][0]["steps"], 22);
  EXPECT_EQ(json["ranks"][0]["closed"], true);
  EXPECT_EQ(json["ranks"][0]["damaged"], 0);
  double compute = 0, adam = 0;
  for (const Json& op : json["ops"]) {
    compute += op["ms"].get<double>();
    // The first layer's is made together with its gradient.
    if (op["op"] == "ApplyAdam" || op["op"] == "_MatMulUpdate") {
      adam += op["count"].get<double>();
    }
  }
  EXPECT_NEAR(adam, 4 * 22, 0.5);
  EXPECT_GT(compute, 0);
  // The trace is JSON with a span for each record.
  const Json trace =
      MustParse(*Env::Default()->ReadFile(folder / "t/trace.json"));
  size_t runs = 0;
  for (const Json& e : trace["traceEvents"]) {
    if (e["ph"] != "X") continue;
    runs += e["cat"] == "run";
    EXPECT_GE(e["ts"].get<double>(), 0);
    EXPECT_GE(e["dur"].get<double>(), 0);
  }
  EXPECT_EQ(runs, 23u);  // and the initialiser
  const Finished text =
      RunProgram({LOCKSTEP_PROGRAM, "report", folder / "t", "--no-trace"});
  EXPECT_THAT(text.out, HasSubstr("1 rank on 1 host"));
  EXPECT_THAT(text.out, HasSubstr("ApplyAdam"));
}

TEST(ReportTest, TheEnvironmentAsksForATraceToo) {
  const ScratchFolder folder;
  ASSERT_EQ(setenv("LOCKSTEP_TRACE", (folder / "t").c_str(), 1), 0);
  const Finished bench =
      RunProgram({LOCKSTEP_PROGRAM, "bench", "xor", "--steps", "500"});
  unsetenv("LOCKSTEP_TRACE");
  ASSERT_EQ(bench.status, 0) << bench.err;
  const Finished report =
      RunProgram({LOCKSTEP_PROGRAM, "report", folder / "t"});
  ASSERT_EQ(report.status, 0) << report.err;
  EXPECT_THAT(report.out, HasSubstr("MatMul"));
}

// Names that JSON has to escape, and a rank that was killed in an op.
TEST(ReportTest, TellsWhatAKilledRankWasDoing) {
  const ScratchFolder folder;
  auto trace = Trace::Open(
      {.dir = folder / "t", .rank = 1, .ranks = 2, .host = "node7"});
  ASSERT_TRUE(trace.ok());
  const uint32_t name = (*trace)->Name(TraceKind::kOp, "MatMul", "a\"b\\c\n/x");
  const uint64_t now = (*trace)->Now();
  (*trace)->Add({.begin = now,
                 .end = now + 5,
                 .number = 1,
                 .name = name,
                 .kind = TraceKind::kOp});
  (*trace)->SetCurrent(0, name);
  // Still open, as the file of a killed process is.
  auto merged = ReadTraces(*Env::Default(), folder / "t", 0);
  ASSERT_TRUE(merged.ok()) << merged.status().ToString();
  const std::string text = ReportText(*merged, TimesOf(*merged), 5);
  EXPECT_THAT(text, HasSubstr("rank 1 on node7"));
  EXPECT_THAT(text, HasSubstr("has not ended by itself: it was in MatMul"));
  EXPECT_THAT(text, HasSubstr("the files of the others are missing"));
  const Finished report =
      RunProgram({LOCKSTEP_PROGRAM, "report", folder / "t"});
  ASSERT_EQ(report.status, 0) << report.err;
  const Json chrome =
      MustParse(*Env::Default()->ReadFile(folder / "t/trace.json"));
  EXPECT_EQ(chrome["traceEvents"].back()["args"]["name"], "a\"b\\c\n/x");
}

TEST(ReportTest, BadFoldersAreOneLine) {
  const ScratchFolder folder;
  for (const std::string& dir : {folder.path(), folder / "missing"}) {
    const Finished report = RunProgram({LOCKSTEP_PROGRAM, "report", dir});
    EXPECT_EQ(report.status, 2);
    EXPECT_THAT(report.err, HasSubstr("lockstep report: "));
    EXPECT_EQ(std::ranges::count(report.err, '\n'), 1) << report.err;
  }
}

}  // namespace
}  // namespace lockstep
