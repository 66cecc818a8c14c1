// SPDX-License-Identifier: Apache-2.0
#pragma once

// SessionOptions in TensorFlow's terms: from a ConfigProto in text form and
// from LOCKSTEP_... variables of the environment; docs/devices.md lists both.
// Thread-safe while nobody changes the environment.
//
//   LS_ASSIGN_OR_RETURN(SessionOptions options, SessionOptionsFromText(
//       "allow_soft_placement: true gpu_options { allow_growth: true }"));

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/core/status.h"
#include "runtime/exec/session_options.h"

namespace lockstep {

// INVALID_ARGUMENT with the place of the mistake, for a misspelt field with the
// nearest name. `ignored`, if given, receives the fields that TensorFlow has
// and that mean nothing here ("graph_options.infer_shapes"), sorted.
Result<SessionOptions> SessionOptionsFromText(
    std::string_view text, std::vector<std::string>* ignored = nullptr);

// Sets what the text says and leaves the rest of `options`.
Status ApplyConfigText(std::string_view text, SessionOptions* options,
                       std::vector<std::string>* ignored = nullptr);

// Gives options that have their default value what the environment says, where
// it is read; Session::Create calls it. INVALID_ARGUMENT naming the variable.
Status ApplyEnvironment(SessionOptions* options);

// "2x256MiB", or "2" of the default size.
Result<VirtualGpuOptions> ParseVirtualGpus(std::string_view text);
// "CPU=2,GPU=1".
Result<std::map<std::string, int>> ParseDeviceCount(std::string_view text);
// The reverse of HumanBytes: "64MiB", "1.5 GiB", "812". Nothing for other text.
std::optional<uint64_t> ParseBytes(std::string_view text);

}  // namespace lockstep
