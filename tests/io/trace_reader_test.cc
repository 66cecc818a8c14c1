// SPDX-License-Identifier: Apache-2.0
#include "runtime/io/trace_reader.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>

#include "runtime/core/trace.h"
#include "tests/testing/run_program.h"

namespace lockstep {
namespace {

constexpr uint32_t kRecords = 120;

// A file with three names and a ring of 100 that went round once.
std::string WholeFile() {
  const ScratchFolder folder;
  auto trace =
      Trace::Open({.dir = folder.path(), .bytes = 100 * sizeof(TraceRecord)});
  EXPECT_TRUE(trace.ok()) << trace.status().ToString();
  for (uint32_t i = 0; i < kRecords; ++i) {
    const uint32_t name =
        (*trace)->Name(TraceKind::kOp, "Op", StrCat("number ", i % 3));
    const uint64_t now = (*trace)->Now();
    (*trace)->Add({.begin = now,
                   .end = now + 10,
                   .number = i,
                   .name = name,
                   .kind = TraceKind::kOp});
  }
  return *Env::Default()->ReadFile((*trace)->path());
}

void CheckEvents(const TraceLog& log) {
  for (const TraceEvent& e : log.events) {
    ASSERT_EQ(e.kind, TraceKind::kOp);
    ASSERT_GE(e.number, kRecords - 100);
    ASSERT_LT(e.number, kRecords);
    const TraceName& name = log.NameOf(e.name);
    if (!name.op.empty()) {
      ASSERT_EQ(name.name, StrCat("number ", e.number % 3));
    }
  }
}

// Cut at any byte: an error while the header is not whole, then all records
// that are there.
TEST(TraceReaderTest, AFileThatIsCutIsReadAsFarAsItGoes) {
  const std::string file = WholeFile();
  const size_t ring = kTraceNames + kTraceNamesBytes;
  ASSERT_EQ(file.size(), ring + 100 * sizeof(TraceRecord));
  std::vector<size_t> lengths;
  for (size_t n = 0; n < kTraceNames + 300; ++n) lengths.push_back(n);
  for (size_t n = kTraceNames + 300; n < ring; n += 65521) lengths.push_back(n);
  for (size_t n = ring - 10; n <= file.size(); ++n) lengths.push_back(n);
  for (const size_t n : lengths) {
    const auto log = DecodeTrace(std::string_view(file).substr(0, n), "f");
    ASSERT_EQ(log.ok(), n >= sizeof(TraceHeader)) << n;
    if (!log.ok()) continue;
    const size_t whole = n < ring ? 0 : (n - ring) / sizeof(TraceRecord);
    ASSERT_EQ(log->events.size(), whole) << n;
    ASSERT_EQ(log->damaged, 100 - whole) << n;
    if (n >= kTraceNames + 200) {
      ASSERT_EQ(log->names.size(), 3u) << n;
    }
    CheckEvents(*log);
  }
}

// A record that is half an old and half a new one, as when a page was lost.
TEST(TraceReaderTest, TornRecordsAreLeftOut) {
  std::string file = WholeFile();
  const size_t ring = kTraceNames + kTraceNamesBytes;
  const size_t slot = 30;  // holds number 30
  char* record = file.data() + ring + slot * sizeof(TraceRecord);
  TraceRecord r;
  std::memcpy(&r, record, sizeof(r));
  ASSERT_EQ(r.number, 30u);
  for (const uint32_t sequence : {0u, 1u, 131u, 32u}) {
    r.sequence = sequence;
    std::memcpy(record, &r, sizeof(r));
    const auto log = DecodeTrace(file, "f");
    ASSERT_TRUE(log.ok());
    EXPECT_EQ(log->damaged, 1u) << sequence;
    EXPECT_EQ(log->events.size(), 99u);
  }
}

TEST(TraceReaderTest, ChangedBytesAreNoHarm) {
  const std::string file = WholeFile();
  std::mt19937 random(1);
  for (int i = 0; i < 1500; ++i) {
    std::string changed = file;
    for (int k = 0; k < 4; ++k) {
      // Mostly where something is.
      const size_t places[] = {random() % sizeof(TraceHeader),
                               kTraceNames + random() % 60,
                               file.size() - 1 - random() % 4000};
      changed[places[random() % 3]] = static_cast<char>(random());
    }
    const auto log = DecodeTrace(changed, "f");
    if (!log.ok()) continue;
    ASSERT_LE(log->events.size(), 100u);
    for (const TraceEvent& e : log->events) ASSERT_LE(e.begin_ns, e.end_ns);
  }
}

TEST(TraceReaderTest, OtherFilesAreRefused) {
  for (const std::string& bytes :
       {std::string(), std::string("hello"), std::string(1 << 20, '\0')}) {
    const auto log = DecodeTrace(bytes, "other.trace");
    ASSERT_FALSE(log.ok());
    EXPECT_NE(log.status().message().find("other.trace"), std::string::npos);
  }
}

}  // namespace
}  // namespace lockstep
