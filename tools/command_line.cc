// SPDX-License-Identifier: Apache-2.0
#include "tools/command_line.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <iostream>
#include <sstream>

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

CommandLine::CommandLine(std::string head, std::string tail)
    : options("Options"), head_(std::move(head)), tail_(std::move(tail)) {
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
    return InvalidArgument(
        "too many arguments without an option's name; see "
        "--help");
  } catch (const std::exception& e) {
    return InvalidArgument(e.what());
  }
  return Ok();
}

std::string CommandLine::Help() const {
  std::ostringstream text;
  text << head_ << '\n' << options << tail_;
  return text.str();
}

int CommandLine::ShowHelp() const {
  std::cout << Help();
  return 0;
}

Status NotEmpty(const po::variables_map& given, const char* option) {
  if (given.count(option) && given[option].as<std::string>().empty()) {
    return InvalidArgument("--", option, " needs the name of a folder");
  }
  return Ok();
}

Status TryFolder(Env& env, const char* option, const std::string& dir) {
  if (dir.empty()) return Ok();
  const std::string where = StrCat("--", option, " cannot be written");
  const Status made = env.CreateDirs(dir);
  if (!made.ok()) return made.WithContext(where);
  const std::string probe =
      JoinPath(dir, StrCat(".lockstep_probe.", static_cast<int64_t>(getpid())));
  Result<std::unique_ptr<WritableFile>> file = env.NewWritableFile(probe);
  Status status = file.status();
  if (file.ok()) {
    status = (*file)->Append("probe");
    status.Update((*file)->Close());
    status.Update(env.DeleteFile(probe));
  }
  return status.ok() ? Ok() : status.WithContext(where);
}

int WithOutput(const char* program, int status) {
  const bool lost = std::ferror(stdout) != 0;
  errno = 0;
  if (std::fflush(stdout) == 0 && !lost) return status;
  std::fprintf(stderr, "%s: standard output cannot be written%s%s\n", program,
               errno != 0 ? ": " : "", errno != 0 ? std::strerror(errno) : "");
  return status == 0 ? 1 : status;
}

}  // namespace lockstep
