// SPDX-License-Identifier: Apache-2.0
#pragma once

// Reads event files back, TensorFlow's and Lockstep's: for tests, for
// `lockstep inspect`, for programs that look at their own logs. Summaries in
// TensorFlow 2's form, where everything is a tensor, come out the same.
//
// Thread-compatible.
//
//   LS_ASSIGN_OR_RETURN(EventLog log, ReadEventLog(env, "logs/train"));
//   for (const EventLog::Point& p : log.values["loss"]) {
//     Print(p.step, *p.value.scalar);
//   }

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "runtime/core/env.h"
#include "runtime/core/status.h"
#include "runtime/core/tensor.h"

namespace lockstep {

struct LoggedHistogram {
  struct Bucket {
    double limit = 0;  // values below, and not below the limit before
    double count = 0;
  };
  double min = 0;
  double max = 0;
  double num = 0;
  double sum = 0;          // unknown, 0, in TensorFlow 2's form
  double sum_squares = 0;  // so too
  std::vector<Bucket> buckets;
};

struct LoggedImage {
  int64_t height = 0;
  int64_t width = 0;
  std::string png;  // see DecodePng
};

struct LoggedSound {
  float sample_rate = 0;  // 0: see the WAV
  int64_t channels = 0;
  int64_t frames = 0;
  std::string wav;  // see DecodeWav
};

struct LoggedValue {
  std::string tag;
  // What it is shown as: "scalar", "image", "histogram", "audio", "text",
  // "tensor" or "".
  std::string kind;
  std::string plugin;
  std::optional<float> scalar;
  std::optional<LoggedHistogram> histogram;
  std::vector<LoggedImage> images;
  std::vector<LoggedSound> sounds;
  // As stored, when it was stored as a tensor; a text's strings. Undefined when
  // the tensor cannot be read.
  Tensor tensor;
};

struct LoggedEvent {
  double wall_time = 0;  // seconds since 1970
  int64_t step = 0;
  std::string file_version;
  std::string graph_def;       // serialized
  std::string meta_graph_def;  // serialized
  // A run begins that writes this step and later ones anew.
  bool starts = false;
  std::vector<LoggedValue> values;
};

// All events of a file, oldest first. A last record that is cut short, as a
// file that is being written may have, ends the list; other damage is
// DATA_LOSS with file and offset.
Result<std::vector<LoggedEvent>> ReadEvents(Env& env, const std::string& path);

// A file's or a folder's events by tag.
struct EventLog {
  struct Point {
    double wall_time = 0;
    int64_t step = 0;
    LoggedValue value;
  };
  std::map<std::string, std::vector<Point>, std::less<>> values;
  std::string graph_def;       // the last one; serialized
  std::string meta_graph_def;  // the last one; serialized
};

// A folder's event files are read in the order of their names. What a run wrote
// that was killed, and its successor wrote again, is there once. NOT_FOUND when
// there is none.
Result<EventLog> ReadEventLog(Env& env, const std::string& path);

}  // namespace lockstep
