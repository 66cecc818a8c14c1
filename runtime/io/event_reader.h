// SPDX-License-Identifier: Apache-2.0
#pragma once

// Reads event files back: for tests and for `lockstep inspect`. What a record
// says is given in plain members; other kinds of values keep their tag.
//
// Thread-compatible.
//
//   LS_ASSIGN_OR_RETURN(std::vector<LoggedEvent> events,
//                       ReadEvents(env, path));
//   for (const LoggedEvent& e : events) {
//     for (const LoggedValue& v : e.values) Print(e.step, v.tag, v.scalar);
//   }

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "runtime/core/env.h"
#include "runtime/core/status.h"

namespace lockstep {

struct LoggedValue {
  std::string tag;
  // "scalar", "image", "histogram", "audio", "tensor" or "".
  std::string kind;
  std::string plugin;
  std::optional<float> scalar;
};

struct LoggedEvent {
  double wall_time = 0;  // seconds since 1970
  int64_t step = 0;
  std::string file_version;
  std::string graph_def;       // serialized
  std::string meta_graph_def;  // serialized
  std::vector<LoggedValue> values;
};

// All events of a file, oldest first. A last record that is cut short, as a
// file that is being written may have, ends the list; other damage is
// DATA_LOSS with file and offset.
Result<std::vector<LoggedEvent>> ReadEvents(Env& env, const std::string& path);

}  // namespace lockstep
