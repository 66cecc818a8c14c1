// SPDX-License-Identifier: Apache-2.0
#pragma once

// MNIST's four files from public mirrors, checked against their published
// checksums.

#include <string>
#include <vector>

#include "runtime/core/env.h"
#include "runtime/core/status.h"

namespace lockstep::mnist {

// One file: its name with ".gz" and the SHA-256 of its bytes, in hex.
struct RemoteFile {
  std::string name;
  std::string sha256;
};
const std::vector<RemoteFile>& PublishedFiles();
const std::vector<std::string>& PublicMirrors();

// Fetches what is missing into `dir` (made if need be), each file from the
// first mirror that has it with the right checksum, and written atomically:
// what is there is whole. Gives up on a mirror that does not answer within a
// few seconds. UNAVAILABLE with the last mirror's reason.
Status DownloadMnist(Env& env, const std::vector<std::string>& mirrors,
                     const std::string& dir,
                     const std::vector<RemoteFile>& files = PublishedFiles());

// In hex.
std::string Sha256(std::string_view bytes);

}  // namespace lockstep::mnist
