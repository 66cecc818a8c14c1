// SPDX-License-Identifier: Apache-2.0
#pragma once

// VariableDigest: ranks that train in step have equal variables, bit for bit.
// Each step they compare a digest of a part of them, another one each time:
// what a fault of memory or of a processor changed on one rank is found within
// kParts steps, before it is trained on for long. A kernel's state; not
// thread-safe.
//
//   VariableDigest digest({"w1", "b1"});
//   const uint64_t mine = digest.OfPart(step, &resources.variables());
//   digest.What()                                // "the variables w1"

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/op/resource.h"

namespace lockstep {

class VariableDigest {
 public:
  static constexpr size_t kParts = 3;

  // By the names that they have in the session.
  explicit VariableDigest(std::vector<std::string> names);

  // Of the part whose turn it is. Variables without a value, or on a GPU, are
  // left out.
  uint64_t OfPart(size_t turn, VariableStore* variables);
  uint64_t names_digest() const { return names_digest_; }
  // What it was of.
  std::string What() const;

 private:
  const std::vector<std::string> names_;
  const uint64_t names_digest_;
  std::vector<std::string> seen_;  // variables of the part
};

}  // namespace lockstep
