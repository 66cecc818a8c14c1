// SPDX-License-Identifier: Apache-2.0
#pragma once

// ReducedDigest: of what a session's exchanges gave this rank, its copies of
// the reduced buckets, since the ranks last compared them; and how often its
// nodes have compared something. A service of data-parallel sessions. The
// exchanges and comparisons of a session come one after the other: not
// thread-safe.
//
//   resources.Service<ReducedDigest>()->Add(k.output(0));
//   const uint64_t mine = resources.Service<ReducedDigest>()->Take();

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "distributed/digest.h"

namespace lockstep {

class ReducedDigest {
 public:
  void Add(const Tensor& copy) { digest_ = Digest(digest_, BytesOf(copy)); }
  // Begins anew.
  uint64_t Take() { return std::exchange(digest_, 0); }
  // Counts what a node of that name compares, in whatever plan it is: ranks
  // whose batches differ run different plans, but do the same by name. Stays
  // where it is.
  size_t& Turns(std::string_view node) { return turns_[std::string(node)]; }

 private:
  uint64_t digest_ = 0;
  std::map<std::string, size_t> turns_;
};

}  // namespace lockstep
