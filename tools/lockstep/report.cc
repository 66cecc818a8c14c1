// SPDX-License-Identifier: Apache-2.0
#include "tools/lockstep/report.h"

#include <cstdio>

#include "tools/lockstep/command.h"
#include "tools/lockstep/trace_chrome.h"

namespace lockstep {
namespace {

constexpr const char* kHelp =
    R"(lockstep report DIR [--out FILE] [--top N] [--json]

Reads the traces of a job's ranks (LOCKSTEP_TRACE=DIR, or --trace DIR of mnist
and of lockstep train, run and bench), also of ranks that were killed. Prints
where the time went, on which rank and in which op, and writes all of it as
DIR/trace.json for chrome://tracing and ui.perfetto.dev.

compute    ops                      lanes     waiting for GPUs and copies
exposed    communication that       overhead  in runs, but in no op
           nothing hides            input     the program fetched data
waiting    for ranks that came      between   the program's other work
           later
)";

struct ReportOptions {
  std::string dir;
  std::string out;
  size_t top = 15;
  uint64_t job = 0;
  bool json = false;
  bool no_trace = false;
};

Status Report(const ReportOptions& o) {
  Env& env = *Env::Default();
  LS_ASSIGN_OR_RETURN(const MergedTrace trace, ReadTraces(env, o.dir, o.job));
  const TraceTimes times = TimesOf(trace);
  const std::string out = o.out.empty() ? JoinPath(o.dir, "trace.json") : o.out;
  if (!o.no_trace) LS_RETURN_IF_ERROR(WriteChromeTrace(trace, env, out));
  if (o.json) {
    std::printf("%s\n", DumpJson(ReportJson(trace, times), 1).c_str());
    return Ok();
  }
  std::fputs(ReportText(trace, times, o.top).c_str(), stdout);
  if (!o.no_trace) {
    std::printf("\n%s: for chrome://tracing or ui.perfetto.dev\n", out.c_str());
  }
  return Ok();
}

}  // namespace

int ReportMain(const std::vector<std::string>& args) {
  ReportOptions o;
  CommandLine line(kHelp);
  line.options.add_options()                                         //
      ("dir", po::value(&o.dir), "the folder (also without --dir)")  //
      ("out", po::value(&o.out)->value_name("FILE"),
       "the trace [DIR/trace.json]")                                   //
      ("no-trace", po::bool_switch(&o.no_trace), "do not write one")   //
      ("top", po::value(&o.top)->value_name("N"), "ops to list [15]")  //
      ("job", po::value(&o.job)->value_name("NUMBER"),
       "of several jobs in the folder: the number in its files' names [the "
       "latest]")  //
      ("json", po::bool_switch(&o.json), "print all as JSON");
  line.positional.add("dir", 1);
  Status s = line.Parse(args);
  if (s.ok() && line.help()) return line.ShowHelp();
  if (s.ok()) s = Required("dir", o.dir);
  if (!s.ok()) return Fail("report", s, kExitBadInput);
  s = Report(o);
  return s.ok() ? 0 : Fail("report", s, kExitBadInput);
}

}  // namespace lockstep
