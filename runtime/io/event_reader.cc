// SPDX-License-Identifier: Apache-2.0
#include "runtime/io/event_reader.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "proto/event.pb.h"
#include "runtime/io/parse_proto.h"
#include "runtime/io/record_file.h"
#include "runtime/io/tensor_proto.h"

namespace lockstep {
namespace {

// A message may say "this value, a billion times". Logs have no use for that.
constexpr int64_t kMaxExpanded = int64_t{1} << 20;

Tensor ReadTensor(const proto::TensorProto& message) {
  auto shape = FromProto(message.tensor_shape());
  if (!shape.ok() || !shape->IsFullyKnown()) return {};
  if (shape->NumElements() > kMaxExpanded &&
      static_cast<uint64_t>(shape->NumElements()) > message.ByteSizeLong()) {
    return {};
  }
  auto tensor = FromProto(message);
  return tensor.ok() ? *std::move(tensor) : Tensor();
}

LoggedHistogram ReadHistogram(const proto::HistogramProto& h) {
  LoggedHistogram out{h.min(), h.max(), h.num(), h.sum(), h.sum_squares(), {}};
  const int n = std::min(h.bucket_limit_size(), h.bucket_size());
  for (int i = 0; i < n; ++i) {
    out.buckets.push_back({h.bucket_limit(i), h.bucket(i)});
  }
  return out;
}

// TensorFlow 2: double [n,3], each row left edge, right edge, count.
bool FromTensor(const Tensor& t, LoggedHistogram& out) {
  const bool fits =
      t.dtype() == kDouble && t.shape().rank() == 2 && t.shape().dim(1) == 3;
  if (!fits) return false;
  const auto rows = t.flat<double>();
  for (size_t i = 0; i + 2 < rows.size(); i += 3) {
    out.buckets.push_back({rows[i + 1], rows[i + 2]});
    out.num += rows[i + 2];
  }
  if (!rows.empty()) {
    out.min = rows[0];
    out.max = rows[rows.size() - 2];
  }
  return true;
}

int64_t ToInt(const std::string& text) {
  int64_t value = 0;
  (void)std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

// TensorFlow 2: strings width, height, and a PNG for each image.
bool FromTensor(const Tensor& t, std::vector<LoggedImage>& out) {
  if (t.dtype() != kString || t.NumElements() < 2) return false;
  const auto strings = t.flat<std::string>();
  for (size_t i = 2; i < strings.size(); ++i) {
    out.push_back({ToInt(strings[1]), ToInt(strings[0]), strings[i]});
  }
  return true;
}

// TensorFlow 2: strings [n,2], each row a WAV and its caption.
bool FromTensor(const Tensor& t, std::vector<LoggedSound>& out) {
  if (t.dtype() != kString) return false;
  const size_t columns =
      t.shape().rank() == 2 ? static_cast<size_t>(t.shape().dim(1)) : 1;
  const auto strings = t.flat<std::string>();
  for (size_t i = 0; i < strings.size(); i += columns) {
    out.push_back({0, 0, 0, strings[i]});
  }
  return true;
}

// What TensorFlow 2's tensors mean to the plugin that shows them.
void Interpret(LoggedValue& v) {
  const Tensor& t = v.tensor;
  LoggedHistogram histogram;
  if (!t.defined()) return;
  if (v.plugin == "scalars" && t.NumElements() == 1) {
    (void)VisitDType(t.dtype(), [&]<class T>(std::type_identity<T>) {
      v.scalar = static_cast<float>(t.scalar<T>());
      v.kind = "scalar";
      return Ok();
    });
  } else if (v.plugin == "histograms" && FromTensor(t, histogram)) {
    v.histogram = std::move(histogram);
    v.kind = "histogram";
  } else if (v.plugin == "images" && FromTensor(t, v.images)) {
    v.kind = "image";
  } else if (v.plugin == "audio" && FromTensor(t, v.sounds)) {
    v.kind = "audio";
  } else if (v.plugin == "text" && t.dtype() == kString) {
    v.kind = "text";
  }
}

LoggedValue Convert(const proto::Summary::Value& value) {
  LoggedValue v;
  v.tag = value.tag();
  v.plugin = value.metadata().plugin_data().plugin_name();
  switch (value.value_case()) {
    case proto::Summary::Value::kSimpleValue:
      v.kind = "scalar";
      v.scalar = value.simple_value();
      break;
    case proto::Summary::Value::kHisto:
      v.kind = "histogram";
      v.histogram = ReadHistogram(value.histo());
      break;
    case proto::Summary::Value::kImage:
      v.kind = "image";
      v.images.push_back({value.image().height(), value.image().width(),
                          value.image().encoded_image_string()});
      break;
    case proto::Summary::Value::kAudio:
      v.kind = "audio";
      v.sounds.push_back({value.audio().sample_rate(),
                          value.audio().num_channels(),
                          value.audio().length_frames(),
                          value.audio().encoded_audio_string()});
      break;
    case proto::Summary::Value::kTensor:
      v.kind = "tensor";
      v.tensor = ReadTensor(value.tensor());
      Interpret(v);
      break;
    default: break;
  }
  return v;
}

// A tag's later values need not repeat what plugin they are for.
using Plugins = std::map<std::string, std::string, std::less<>>;

LoggedEvent Convert(proto::Event& event, Plugins& plugins) {
  LoggedEvent out;
  out.wall_time = event.wall_time();
  out.step = event.step();
  out.file_version = event.file_version();
  out.graph_def = event.graph_def();
  out.meta_graph_def = event.meta_graph_def();
  out.starts = event.session_log().status() == proto::SessionLog::START;
  for (proto::Summary::Value& value :
       *event.mutable_summary()->mutable_value()) {
    std::string* plugin =
        value.mutable_metadata()->mutable_plugin_data()->mutable_plugin_name();
    if (plugin->empty()) {
      const auto known = plugins.find(value.tag());
      if (known != plugins.end()) *plugin = known->second;
    } else {
      plugins.try_emplace(value.tag(), *plugin);
    }
    out.values.push_back(Convert(value));
  }
  return out;
}

// The event files that `path` is or has.
Result<std::vector<std::string>> EventFiles(Env& env, const std::string& path) {
  auto names = env.ListDir(path);
  if (!names.ok()) return std::vector<std::string>{path};
  std::vector<std::string> files;
  for (const std::string& name : *names) {
    if (name.find("tfevents") != std::string::npos) {
      files.push_back(JoinPath(path, name));
    }
  }
  if (files.empty()) return NotFound("'", path, "' has no event files");
  return files;
}

}  // namespace

Result<std::vector<LoggedEvent>> ReadEvents(Env& env, const std::string& path) {
  LS_ASSIGN_OR_RETURN(auto records, RecordReader::Open(env, path));
  std::vector<LoggedEvent> events;
  Plugins plugins;
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
    events.push_back(Convert(event, plugins));
  }
  return events;
}

Result<EventLog> ReadEventLog(Env& env, const std::string& path) {
  LS_ASSIGN_OR_RETURN(const auto files, EventFiles(env, path));
  EventLog log;
  for (const std::string& file : files) {
    LS_ASSIGN_OR_RETURN(auto events, ReadEvents(env, file));
    for (LoggedEvent& event : events) {
      if (event.starts) {
        for (auto& [tag, points] : log.values) {
          std::erase_if(points, [&](const EventLog::Point& p) {
            return p.step >= event.step;
          });
        }
      }
      if (!event.graph_def.empty()) log.graph_def = std::move(event.graph_def);
      if (!event.meta_graph_def.empty()) {
        log.meta_graph_def = std::move(event.meta_graph_def);
      }
      for (LoggedValue& value : event.values) {
        auto& points = log.values[value.tag];
        points.push_back({event.wall_time, event.step, std::move(value)});
      }
    }
  }
  return log;
}

}  // namespace lockstep
