// SPDX-License-Identifier: Apache-2.0
#pragma once

// Writes what TensorBoard shows: one event file,
// `<dir>/events.out.tfevents.<seconds>.<host>[.suffix]`. Each rank that writes
// has a folder, or at least a suffix, of its own.
//
// Thread-safe. An event is handed to the system before Add returns, so a
// running job can be watched and a killed one loses nothing; Sync also forces
// it onto the disk.
//
//   LS_ASSIGN_OR_RETURN(auto events, EventWriter::Open(env, "logs/train"));
//   LS_RETURN_IF_ERROR(events->AddGraph(graph_def_bytes));
//   LS_RETURN_IF_ERROR(events->AddScalar("loss", 0.25f, step));
//   Summary more;                      // histograms, images, sounds, text
//   LS_RETURN_IF_ERROR(more.AddHistogram("weights", w));
//   LS_RETURN_IF_ERROR(events->AddSummary(more, step));
//   LS_RETURN_IF_ERROR(events->Close());

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "runtime/core/env.h"
#include "runtime/core/status.h"
#include "runtime/io/record_file.h"
#include "runtime/io/summary.h"

namespace lockstep {

class EventWriter {
 public:
  // Makes the folder when it is missing. Never overwrites a file: a second
  // writer in the same second gets a number in its name.
  static Result<std::unique_ptr<EventWriter>> Open(
      Env& env, const std::string& dir, const std::string& suffix = "");
  ~EventWriter();  // closes, dropping errors

  // A run begins that writes the events of `step` and later ones: TensorBoard
  // drops those that an earlier run of the folder wrote before it was killed.
  Status AddStart(int64_t step);
  Status AddScalar(std::string_view tag, float value, int64_t step);
  Status AddSummary(const Summary& summary, int64_t step);
  // A serialized Summary, as the summary ops make it. INVALID_ARGUMENT when it
  // is not one.
  Status AddSummary(std::string_view summary, int64_t step);
  // A serialized GraphDef, shown under "Graphs".
  Status AddGraph(std::string_view graph_def);
  Status AddMetaGraph(std::string_view meta_graph_def);
  Status Sync();
  // Later calls get FAILED_PRECONDITION.
  Status Close();

  const std::string& path() const { return path_; }

 private:
  EventWriter(Env& env, std::string path, std::unique_ptr<WritableFile> file)
      : env_(env), path_(std::move(path)), records_(std::move(file)) {}
  Status Write(const std::string& event);
  double Seconds() { return static_cast<double>(env_.NowMicros()) * 1e-6; }

  Env& env_;
  const std::string path_;
  std::mutex mu_;
  RecordWriter records_;  // guarded by mu_
  bool closed_ = false;   // guarded by mu_
};

}  // namespace lockstep
