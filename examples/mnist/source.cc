// SPDX-License-Identifier: Apache-2.0
#include "examples/mnist/source.h"

#include <cstdlib>

#include "examples/mnist/download.h"
#include "runtime/core/logging.h"

// The checkout this was built from; an installed program may find it gone.
#ifndef LOCKSTEP_SOURCE_DIR
#define LOCKSTEP_SOURCE_DIR ""
#endif

namespace lockstep::mnist {
namespace {

std::string Variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

std::string CacheFolder() {
  // The XDG rule: a relative $XDG_CACHE_HOME does not count.
  std::string base = Variable("XDG_CACHE_HOME");
  if (!base.starts_with('/')) {
    const std::string home = Variable("HOME");
    if (home.empty()) return {};
    base = JoinPath(home, ".cache");
  }
  return JoinPath(base, "lockstep/mnist");
}

Source Digits() {
  return {"",
          "the embedded UCI handwritten digits (8x8, resized to 28x28), not "
          "MNIST"};
}

Source Folder(const std::string& dir) { return {dir, "MNIST in " + dir}; }

Result<Source> Named(Env& env, const std::string& value, const char* whence) {
  if (value == "digits") return Digits();
  Result<std::vector<std::string>> listed = env.ListDir(value);
  if (!listed.ok()) return listed.status().WithContext(whence);
  return Folder(value);
}

}  // namespace

SourceHints DefaultHints(const std::string& option) {
  SourceHints hints;
  hints.option = option;
  hints.environment = Variable("LOCKSTEP_DATA");
  const std::string source = LOCKSTEP_SOURCE_DIR;
  if (!source.empty()) {
    hints.folders.push_back(JoinPath(source, "../shared/data/mnist"));
  }
  hints.folders.push_back("../shared/data/mnist");
  hints.cache = CacheFolder();
  hints.mirrors = PublicMirrors();
  return hints;
}

Result<Source> ChooseSource(Env& env, const SourceHints& hints) {
  if (!hints.option.empty()) return Named(env, hints.option, "--data");
  if (!hints.environment.empty()) {
    return Named(env, hints.environment, "$LOCKSTEP_DATA");
  }
  for (const std::string& folder : hints.folders) {
    if (HasMnist(env, folder)) return Folder(folder);
  }
  if (hints.cache.empty()) return Digits();
  if (HasMnist(env, hints.cache)) return Folder(hints.cache);
  if (hints.mirrors.empty()) return Digits();
  const Status downloaded = DownloadMnist(env, hints.mirrors, hints.cache);
  if (downloaded.ok()) return Folder(hints.cache);
  LogWarning("MNIST could not be downloaded: ", downloaded.message());
  return Digits();
}

Result<Data> Load(Env& env, const Source& source) {
  return source.folder.empty() ? LoadDigits() : LoadMnist(env, source.folder);
}

}  // namespace lockstep::mnist
