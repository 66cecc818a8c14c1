// SPDX-License-Identifier: Apache-2.0
#pragma once

// The options of a session as flags of a command.
//
//   SessionFlags flags;
//   flags.AddTo(line.options);
//   LS_RETURN_IF_ERROR(line.Parse(args));
//   LS_RETURN_IF_ERROR(flags.Apply("run", env, &session_options));

#include <limits>
#include <string>

#include "runtime/core/env.h"
#include "runtime/exec/session_options.h"
#include "tools/lockstep/command.h"

namespace lockstep {

struct SessionFlags {
  static constexpr int kNotGiven = std::numeric_limits<int>::min();

  std::string config;      // a ConfigProto as text, or a file with one
  int gpus = kNotGiven;    // virtual ones
  std::string gpu_memory;  // of each, "64MiB"
  std::string cpu_memory;
  bool soft_placement = false;
  bool strict_placement = false;
  bool log_placement = false;
  std::string trace;  // a folder

  void AddTo(po::options_description& options);
  // The configuration first, then the flags. INVALID_ARGUMENT naming the flag.
  // Fields that mean nothing here are told on standard error.
  Status Apply(const char* command, Env& env, SessionOptions* options) const;
};

}  // namespace lockstep
