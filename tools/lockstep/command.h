// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the subcommands share: how options are parsed and failures told.
//
//   CommandLine line("run", "lockstep run --graph FILE --case FILE --out DIR");
//   line.options.add_options()("graph", po::value(&graph), "...");
//   LS_RETURN_IF_ERROR(line.Parse(args));
//   if (line.help()) return line.ShowHelp();

#include <boost/program_options.hpp>
#include <string>
#include <vector>

#include "runtime/core/status.h"

namespace lockstep {

namespace po = boost::program_options;

// Exit statuses of every command.
inline constexpr int kExitFailed = 1;    // while it worked
inline constexpr int kExitBadInput = 2;  // bad options, graph or case
inline constexpr int kExitStopped = 3;   // by SIGTERM, its state saved

struct CommandLine {
  // `head` is what --help prints before the options.
  explicit CommandLine(std::string head);

  po::options_description options;
  po::positional_options_description positional;
  po::variables_map values;

  // INVALID_ARGUMENT, in one line that names the option; never throws. With
  // --help nothing else is looked at.
  Status Parse(const std::vector<std::string>& args);
  bool help() const { return help_; }
  int ShowHelp() const;  // on standard output; returns 0

 private:
  std::string head_;
  bool help_ = false;
};

// Prints "lockstep <command>: <message>" as one line on standard error and
// returns `exit_status`.
int Fail(const std::string& command, const Status& status, int exit_status);

// INVALID_ARGUMENT naming the option when `value` is empty.
Status Required(const char* option, const std::string& value);

}  // namespace lockstep
