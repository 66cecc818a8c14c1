// SPDX-License-Identifier: Apache-2.0
#pragma once

// VariableDigest: ranks that train in step have equal variables, bit for bit.
// Each step they compare a digest of a sixteenth of them, another one each
// time: what a fault of memory or of a processor changed on one rank is found
// within 16 steps, before it is trained on for long. A kernel's state; not
// thread-safe.
//
//   VariableDigest digest({"w1", "b1"});
//   const uint64_t mine = digest.Next(&resources.variables());
//   LS_RETURN_IF_ERROR(digest.Compare(digests_of_all_ranks));

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "runtime/op/resource.h"

namespace lockstep {

class VariableDigest {
 public:
  static constexpr int kParts = 16;

  // By the names that they have in the session.
  explicit VariableDigest(std::vector<std::string> names)
      : names_(std::move(names)) {}

  // Of the next part. Variables without a value, or on a GPU, are left out.
  uint64_t Next(VariableStore* variables);
  // DATA_LOSS naming the ranks whose digest is not that of most, and the
  // variables that it is of. `digests` by rank.
  Status Compare(std::span<const uint64_t> digests) const;

 private:
  const std::vector<std::string> names_;
  int part_ = kParts - 1;
  std::vector<std::string> seen_;  // variables of the part
};

}  // namespace lockstep
