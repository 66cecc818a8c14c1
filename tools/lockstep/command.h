// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the subcommands share: exit statuses and how failures are told.

#include <string>

#include "runtime/core/status.h"
#include "tools/command_line.h"

namespace lockstep {

// Exit statuses of every command.
inline constexpr int kExitFailed = 1;    // while it worked
inline constexpr int kExitBadInput = 2;  // bad options, graph or case
inline constexpr int kExitStopped = 3;   // by SIGTERM, its state saved

// Prints "lockstep <command>: <message>" as one line on standard error and
// returns `exit_status`.
int Fail(const std::string& command, const Status& status, int exit_status);

// INVALID_ARGUMENT naming the option when `value` is empty.
Status Required(const char* option, const std::string& value);

}  // namespace lockstep
