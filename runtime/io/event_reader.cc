// SPDX-License-Identifier: Apache-2.0
#include "runtime/io/event_reader.h"

#include <utility>

#include "proto/event.pb.h"
#include "runtime/io/parse_proto.h"
#include "runtime/io/record_file.h"

namespace lockstep {
namespace {

const char* KindOf(const proto::Summary::Value& value) {
  switch (value.value_case()) {
    case proto::Summary::Value::kSimpleValue: return "scalar";
    case proto::Summary::Value::kImage: return "image";
    case proto::Summary::Value::kHisto: return "histogram";
    case proto::Summary::Value::kAudio: return "audio";
    case proto::Summary::Value::kTensor: return "tensor";
    default: return "";
  }
}

LoggedEvent Convert(proto::Event& event) {
  LoggedEvent out;
  out.wall_time = event.wall_time();
  out.step = event.step();
  out.file_version = event.file_version();
  out.graph_def = event.graph_def();
  out.meta_graph_def = event.meta_graph_def();
  for (const proto::Summary::Value& value : event.summary().value()) {
    LoggedValue v;
    v.tag = value.tag();
    v.kind = KindOf(value);
    v.plugin = value.metadata().plugin_data().plugin_name();
    if (value.value_case() == proto::Summary::Value::kSimpleValue) {
      v.scalar = value.simple_value();
    }
    out.values.push_back(std::move(v));
  }
  return out;
}

}  // namespace

Result<std::vector<LoggedEvent>> ReadEvents(Env& env, const std::string& path) {
  LS_ASSIGN_OR_RETURN(auto records, RecordReader::Open(env, path));
  std::vector<LoggedEvent> events;
  std::string record;
  for (;;) {
    const uint64_t offset = records->offset();
    auto more = records->Next(record);
    if (!more.ok() && records->at_torn_tail()) break;
    if (!more.ok()) return more.status();
    if (!*more) break;
    proto::Event event;
    if (!ParseProto(record, event).ok()) {
      return DataLoss("'", path, "': record at offset ", offset,
                      " is not an event");
    }
    events.push_back(Convert(event));
  }
  return events;
}

}  // namespace lockstep
