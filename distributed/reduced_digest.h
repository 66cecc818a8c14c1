// SPDX-License-Identifier: Apache-2.0
#pragma once

// ReducedDigest: of what a session's exchanges gave this rank, its copies of
// the reduced buckets, since the ranks last compared them. A service of
// data-parallel sessions. The exchanges and comparisons of a session come one
// after the other: not thread-safe.
//
//   resources.Service<ReducedDigest>()->Add(k.output(0));
//   const uint64_t mine = resources.Service<ReducedDigest>()->Take();

#include <cstdint>
#include <utility>

#include "distributed/digest.h"

namespace lockstep {

class ReducedDigest {
 public:
  void Add(const Tensor& copy) { digest_ = Digest(digest_, BytesOf(copy)); }
  // Begins anew.
  uint64_t Take() { return std::exchange(digest_, 0); }

 private:
  uint64_t digest_ = 0;
};

}  // namespace lockstep
