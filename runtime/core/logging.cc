// SPDX-License-Identifier: Apache-2.0
#include "runtime/core/logging.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <cstdlib>
#include <memory>
#include <mutex>

namespace lockstep {
namespace {

spdlog::level::level_enum ToSpdlog(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug: return spdlog::level::debug;
    case LogLevel::kInfo: return spdlog::level::info;
    case LogLevel::kWarning: return spdlog::level::warn;
    case LogLevel::kError: return spdlog::level::err;
  }
  return spdlog::level::err;
}

spdlog::level::level_enum LevelFromEnvironment() {
  const char* text = std::getenv("LOCKSTEP_LOG");
  const std::string_view name = text == nullptr ? "" : text;
  if (name == "debug") return spdlog::level::debug;
  if (name == "warning") return spdlog::level::warn;
  if (name == "error") return spdlog::level::err;
  return spdlog::level::info;
}

struct Log {
  spdlog::logger logger{"lockstep",
                        std::make_shared<spdlog::sinks::stderr_sink_mt>()};
  std::mutex mu;
  std::string prefix;  // guarded by mu

  Log() {
    logger.set_pattern("%L %H:%M:%S.%e %v");
    logger.set_level(LevelFromEnvironment());
    logger.flush_on(spdlog::level::debug);
  }
};

// Never destroyed: destructors of static objects may log.
Log& GetLog() {
  static Log& log = *new Log;
  return log;
}

}  // namespace

void LogLine(LogLevel level, std::string_view text) {
  Log& log = GetLog();
  if (!log.logger.should_log(ToSpdlog(level))) return;
  std::string line;
  {
    const std::lock_guard lock(log.mu);
    if (!log.prefix.empty()) line = StrCat("[", log.prefix, "] ");
  }
  line += text;
  log.logger.log(ToSpdlog(level), spdlog::string_view_t(line));
}

void SetLogPrefix(std::string prefix) {
  Log& log = GetLog();
  const std::lock_guard lock(log.mu);
  log.prefix = std::move(prefix);
}

}  // namespace lockstep
