// SPDX-License-Identifier: Apache-2.0
#include "tools/lockstep/command.h"

#include <algorithm>
#include <cstdio>
#include <iostream>

namespace lockstep {
namespace {

Status UnknownOption(const po::options_description& description,
                     std::string name) {
  name.erase(0, name.find_first_not_of('-'));
  std::vector<std::string> names;
  for (const auto& option : description.options()) {
    names.push_back(option->long_name());
  }
  const std::string near = NearestName(name, names);
  return InvalidArgument("unknown option --", name,
                         near.empty() ? "" : StrCat(" (--", near, "?)"),
                         "; see --help");
}

}  // namespace

CommandLine::CommandLine(std::string head)
    : options("Options"), head_(std::move(head)) {
  options.add_options()("help", po::bool_switch(&help_), "print this and end");
}

Status CommandLine::Parse(const std::vector<std::string>& args) {
  if (std::ranges::find(args, "--help") != args.end()) {
    help_ = true;
    return Ok();
  }
  try {
    // Whole names only: a guessed prefix may change its meaning later.
    const int style = po::command_line_style::default_style &
                      ~po::command_line_style::allow_guessing;
    po::store(po::command_line_parser(args)
                  .options(options)
                  .positional(positional)
                  .style(style)
                  .run(),
              values);
    po::notify(values);
  } catch (const po::unknown_option& e) {
    return UnknownOption(options, e.get_option_name());
  } catch (const po::too_many_positional_options_error&) {
    return InvalidArgument("too many arguments without an option's name; see "
                           "--help");
  } catch (const std::exception& e) {
    return InvalidArgument(e.what());
  }
  return Ok();
}

int CommandLine::ShowHelp() const {
  std::cout << head_ << '\n' << options;
  return 0;
}

int Fail(const std::string& command, const Status& status, int exit_status) {
  std::string line = status.ToString();
  std::ranges::replace(line, '\n', ' ');
  std::fprintf(stderr, "lockstep %s: %s\n", command.c_str(), line.c_str());
  return exit_status;
}

Status Required(const char* option, const std::string& value) {
  if (!value.empty()) return Ok();
  return InvalidArgument("--", option, " is missing; see --help");
}

}  // namespace lockstep
