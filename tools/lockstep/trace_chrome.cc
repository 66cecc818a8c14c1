// SPDX-License-Identifier: Apache-2.0
#include "tools/lockstep/trace_chrome.h"

#include <algorithm>
#include <cstdio>
#include <limits>
#include <set>

#include "tools/lockstep/json.h"

namespace lockstep {
namespace {

constexpr int kGroupThreads = 1000;  // threads of collectives begin there

int ThreadOf(const TraceEvent& e) {
  return e.kind == TraceKind::kCollective ? kGroupThreads + e.group : e.lane;
}

std::string ThreadName(int thread) {
  if (thread == kGroupThreads) return "collectives";
  if (thread > kGroupThreads) {
    return StrCat("collectives of group ", thread - kGroupThreads);
  }
  return thread == 0 ? "steps and ops" : StrCat("lane ", thread);
}

std::string_view Category(TraceKind kind) {
  switch (kind) {
    case TraceKind::kRun: return "run";
    case TraceKind::kOp: return "op";
    case TraceKind::kCollective: return "collective";
    case TraceKind::kWait: return "wait";
    case TraceKind::kInput: return "input";
    default: return "other";
  }
}

std::string Micros(int64_t ns) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.3f", static_cast<double>(ns) * 1e-3);
  return text;
}

// The parts of events of one name that do not change, made once.
std::string HeadOf(const TraceName& name) {
  const std::string& shown = name.kind == TraceKind::kRun ? name.name : name.op;
  return StrCat("{\"ph\":\"X\",\"name\":", DumpJson(Json(shown)), ",\"cat\":\"",
                Category(name.kind),
                "\",\"args\":{\"name\":", DumpJson(Json(name.name)));
}

class Writer {
 public:
  Writer(const MergedTrace& trace, WritableFile* file)
      : trace_(trace), file_(file) {
    for (const RankTrace& r : trace.ranks) {
      if (!r.log.events.empty()) {
        start_ = std::min(start_, r.log.events[0].begin_ns);
      }
    }
  }

  Status Write() {
    LS_RETURN_IF_ERROR(file_->Append(
        StrCat("{\"displayTimeUnit\":\"ms\",\"otherData\":{\"clocks\":\"",
               trace_.aligned_by, "\"},\n\"traceEvents\":[\n")));
    for (const RankTrace& r : trace_.ranks) LS_RETURN_IF_ERROR(WriteRank(r));
    return file_->Append("\n]}\n");
  }

 private:
  Status Event(const std::string& text) {
    LS_RETURN_IF_ERROR(file_->Append(first_ ? "" : ",\n"));
    first_ = false;
    return file_->Append(text);
  }

  Status Meta(const char* what, int rank, int thread, const Json& args) {
    const Json event = {{"ph", "M"},
                        {"name", what},
                        {"pid", rank},
                        {"tid", thread},
                        {"args", args}};
    return Event(DumpJson(event));
  }

  Status WriteRank(const RankTrace& r) {
    const TraceLog& log = r.log;
    LS_RETURN_IF_ERROR(
        Meta("process_name", log.rank, 0,
             {{"name", StrCat("rank ", log.rank, " on ", log.host, ", process ",
                              log.process)}}));
    LS_RETURN_IF_ERROR(
        Meta("process_sort_index", log.rank, 0, {{"sort_index", log.rank}}));
    std::set<int> threads;
    for (const TraceEvent& e : log.events) threads.insert(ThreadOf(e));
    for (const int thread : threads) {
      LS_RETURN_IF_ERROR(Meta("thread_name", log.rank, thread,
                              {{"name", ThreadName(thread)}}));
      LS_RETURN_IF_ERROR(Meta("thread_sort_index", log.rank, thread,
                              {{"sort_index", thread}}));
    }
    std::vector<std::string> heads = {HeadOf({})};
    for (const TraceName& name : log.names) heads.push_back(HeadOf(name));
    for (const TraceEvent& e : log.events) {
      const std::string& head = heads[e.name < heads.size() ? e.name : 0];
      std::string text = StrCat(head, ",\"number\":", e.number);
      if (e.kind == TraceKind::kCollective) {
        text += StrCat(",\"bytes\":", e.bytes);
      }
      text += StrCat("},\"pid\":", log.rank, ",\"tid\":", ThreadOf(e),
                     ",\"ts\":", Micros(e.begin_ns - start_),
                     ",\"dur\":", Micros(e.duration_ns()), "}");
      LS_RETURN_IF_ERROR(Event(text));
    }
    return Ok();
  }

  const MergedTrace& trace_;
  WritableFile* file_;
  int64_t start_ = std::numeric_limits<int64_t>::max();
  bool first_ = true;
};

}  // namespace

Status WriteChromeTrace(const MergedTrace& trace, Env& env,
                        const std::string& path) {
  LS_ASSIGN_OR_RETURN(auto file, env.NewWritableFile(path));
  LS_RETURN_IF_ERROR(Writer(trace, file.get()).Write());
  return file->Close();
}

}  // namespace lockstep
