// SPDX-License-Identifier: Apache-2.0
#pragma once

// CommandLine: how programs of this project parse their options, and what they
// say of those that are wrong. Not thread-safe.
//
//   CommandLine line("lockstep run --graph FILE --case FILE --out DIR");
//   line.options.add_options()("graph", po::value(&graph), "...");
//   LS_RETURN_IF_ERROR(line.Parse(args));
//   if (line.help()) return line.ShowHelp();

#include <boost/program_options.hpp>
#include <string>
#include <vector>

#include "runtime/core/env.h"

namespace lockstep {

namespace po = boost::program_options;

struct CommandLine {
  // `head` is what --help prints before the options, `tail` what after them.
  explicit CommandLine(std::string head, std::string tail = {});
  CommandLine(const CommandLine&) = delete;
  CommandLine& operator=(const CommandLine&) = delete;

  po::options_description options;
  po::positional_options_description positional;
  po::variables_map values;

  // INVALID_ARGUMENT, in one line that names the option; never throws. With
  // --help nothing else is looked at.
  Status Parse(const std::vector<std::string>& args);
  bool help() const { return help_; }
  std::string Help() const;
  int ShowHelp() const;  // on standard output; returns 0

 private:
  std::string head_, tail_;
  bool help_ = false;
};

// INVALID_ARGUMENT when the option, a folder's name, was given as "".
Status NotEmpty(const po::variables_map& given, const char* option);

// Makes the folder that `option` names and tries to write in it, before hours
// are spent. An empty name is no folder.
Status TryFolder(Env& env, const char* option, const std::string& dir);

// `status`, or 1 instead of 0 when what `program` wrote on standard output did
// not arrive, as on a full disk; said on standard error.
int WithOutput(const char* program, int status);

}  // namespace lockstep
