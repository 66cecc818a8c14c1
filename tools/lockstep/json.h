// SPDX-License-Identifier: Apache-2.0
#pragma once

// JSON from outside and to outside.
//
//   LS_ASSIGN_OR_RETURN(Json json, ParseJson(text));
//   Json s = BytesToJson(element);       // "text" or {"b64": "..."}

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "runtime/core/status.h"

namespace lockstep {

// Objects keep the order in which their fields were added.
using Json = nlohmann::ordered_json;

// Larger files, and values deeper within each other, are refused.
inline constexpr size_t kMaxJsonBytes = size_t{64} << 20;
inline constexpr int kMaxJsonDepth = 64;

// INVALID_ARGUMENT with the place of the mistake; RESOURCE_EXHAUSTED above the
// limits, which the message names.
Result<Json> ParseJson(std::string_view text);
// Never fails: bytes that are no UTF-8 are replaced. `indent` < 0: one line.
std::string DumpJson(const Json& json, int indent = -1);

// A byte string as a JSON string if it is UTF-8, else {"b64": "<base64>"}.
Json BytesToJson(std::string_view bytes);
// The reverse; INVALID_ARGUMENT for anything else.
Result<std::string> BytesFromJson(const Json& json);

}  // namespace lockstep
