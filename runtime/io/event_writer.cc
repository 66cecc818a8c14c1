// SPDX-License-Identifier: Apache-2.0
#include "runtime/io/event_writer.h"

#include <unistd.h>

#include <utility>

#include "proto/event.pb.h"
#include "runtime/io/parse_proto.h"

namespace lockstep {
namespace {

std::string HostName() {
  char name[256] = {};
  if (gethostname(name, sizeof(name) - 1) != 0 || name[0] == 0) return "host";
  return name;
}

// Protobuf's own limit is just under 2 GiB for a message; the event's other
// fields are small.
constexpr size_t kMaxPayload = size_t{2000} << 20;

Status CheckPayload(std::string_view what, std::string_view bytes) {
  if (bytes.size() <= kMaxPayload) return Ok();
  return InvalidArgument("a ", what, " of ", bytes.size(),
                         " bytes: an event holds at most ", kMaxPayload);
}

// A file name that is not taken yet.
std::string FreePath(Env& env, const std::string& dir,
                     const std::string& suffix) {
  std::string seconds = StrCat(env.NowMicros() / 1000000);
  if (seconds.size() < 10) seconds.insert(0, 10 - seconds.size(), '0');
  const std::string base =
      JoinPath(dir, StrCat("events.out.tfevents.", seconds, ".", HostName()));
  std::string path = base + suffix;
  for (int n = 1; env.FileExists(path); ++n) {
    path = StrCat(base, ".", n, suffix);
  }
  return path;
}

}  // namespace

Result<std::unique_ptr<EventWriter>> EventWriter::Open(
    Env& env, const std::string& dir, const std::string& suffix) {
  LS_RETURN_IF_ERROR(env.CreateDirs(dir));
  const std::string dotted =
      suffix.empty() || suffix.starts_with('.') ? suffix : "." + suffix;
  const std::string path = FreePath(env, dir, dotted);
  LS_ASSIGN_OR_RETURN(auto file, env.NewWritableFile(path));
  std::unique_ptr<EventWriter> writer(
      new EventWriter(env, path, std::move(file)));
  proto::Event event;
  event.set_wall_time(writer->Seconds());
  event.set_file_version("brain.Event:2");
  LS_RETURN_IF_ERROR(writer->Write(event.SerializeAsString()));
  return writer;
}

EventWriter::~EventWriter() {
  if (!closed_) (void)Close();
}

Status EventWriter::Write(const std::string& event) {
  std::lock_guard lock(mu_);
  if (closed_) {
    return FailedPrecondition("event file '", path_, "' is closed");
  }
  LS_RETURN_IF_ERROR(records_.Write(event));
  return records_.Flush();
}

Status EventWriter::AddStart(int64_t step) {
  proto::Event event;
  event.set_wall_time(Seconds());
  event.set_step(step);
  event.mutable_session_log()->set_status(proto::SessionLog::START);
  return Write(event.SerializeAsString());
}

Status EventWriter::AddScalar(std::string_view tag, float value, int64_t step) {
  proto::Event event;
  event.set_wall_time(Seconds());
  event.set_step(step);
  proto::Summary::Value* v = event.mutable_summary()->add_value();
  v->set_tag(std::string(tag));
  v->set_simple_value(value);
  return Write(event.SerializeAsString());
}

Status EventWriter::AddSummary(const Summary& summary, int64_t step) {
  return AddSummary(summary.Serialize(), step);
}

Status EventWriter::AddSummary(std::string_view summary, int64_t step) {
  LS_RETURN_IF_ERROR(CheckPayload("Summary", summary));
  proto::Event event;
  event.set_wall_time(Seconds());
  event.set_step(step);
  const Status parsed = ParseProto(summary, *event.mutable_summary());
  if (!parsed.ok()) return parsed.WithContext("summary");
  return Write(event.SerializeAsString());
}

Status EventWriter::AddGraph(std::string_view graph_def) {
  LS_RETURN_IF_ERROR(CheckPayload("GraphDef", graph_def));
  proto::Event event;
  event.set_wall_time(Seconds());
  event.set_graph_def(graph_def.data(), graph_def.size());
  return Write(event.SerializeAsString());
}

Status EventWriter::AddMetaGraph(std::string_view meta_graph_def) {
  LS_RETURN_IF_ERROR(CheckPayload("MetaGraphDef", meta_graph_def));
  proto::Event event;
  event.set_wall_time(Seconds());
  event.set_meta_graph_def(meta_graph_def.data(), meta_graph_def.size());
  return Write(event.SerializeAsString());
}

Status EventWriter::Sync() {
  std::lock_guard lock(mu_);
  if (closed_) {
    return FailedPrecondition("event file '", path_, "' is closed");
  }
  return records_.Sync();
}

Status EventWriter::Close() {
  std::lock_guard lock(mu_);
  if (closed_) {
    return FailedPrecondition("event file '", path_, "' is closed");
  }
  closed_ = true;
  return records_.Close();
}

}  // namespace lockstep
