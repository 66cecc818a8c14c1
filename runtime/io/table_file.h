// SPDX-License-Identifier: Apache-2.0
#pragma once

// LevelDB's sorted tables in memory: the format of a checkpoint's index. Built
// and read with LevelDB's own Table classes.
//
// Thread-safe. Reading checks the file's structure first: a damaged or hostile
// one is DATA_LOSS naming it, and never more memory than the file's size.
//
//   LS_ASSIGN_OR_RETURN(std::string file, BuildTable({{"key", "value"}}));
//   LS_RETURN_IF_ERROR(ReadTable(file, "x.index", [](auto key, auto value) {
//     return Ok();
//   }));

#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "runtime/core/status.h"

namespace lockstep {

// Keys in bytewise order, blocks of 4 KiB, uncompressed.
Result<std::string> BuildTable(const std::map<std::string, std::string>& rows);

// Calls `row` for each key and value in order until it returns an error, which
// is then returned.
Status ReadTable(std::string_view file, const std::string& name,
                 const std::function<Status(std::string_view key,
                                            std::string_view value)>& row);

}  // namespace lockstep
