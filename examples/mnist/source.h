// SPDX-License-Identifier: Apache-2.0
#pragma once

// Where the data comes from, decided once for all ranks.

#include <string>
#include <vector>

#include "examples/mnist/data.h"
#include "runtime/core/env.h"
#include "runtime/core/status.h"

namespace lockstep::mnist {

struct Source {
  std::string folder;       // empty: the embedded digits
  std::string description;  // for people: "MNIST in /data/mnist"
};

// What the choice depends on, apart from the file system.
struct SourceHints {
  std::string option;                // --data; "digits" is the embedded set
  std::string environment;           // $LOCKSTEP_DATA, with the same meaning
  std::vector<std::string> folders;  // looked through in order
  std::string cache;                 // where a download goes; empty: nowhere
  std::vector<std::string> mirrors;  // URLs of folders; empty: no download
};

// The option, $LOCKSTEP_DATA, shared/data/mnist beside the checkout and the
// working folder, the user's cache folder, the public mirrors.
SourceHints DefaultHints(const std::string& option);

// The first of: the option, the environment, the folders that have all four
// files, the cache, a download into the cache, the embedded digits. Only what
// was asked for by name can be an error (NOT_FOUND).
Result<Source> ChooseSource(Env& env, const SourceHints& hints);

Result<Data> Load(Env& env, const Source& source);

}  // namespace lockstep::mnist
