// SPDX-License-Identifier: Apache-2.0
#pragma once

// ReplicaMarks: digests of what all ranks have alike, for their heartbeats.
// Ranks note digests in one order but tell of them at different instants, some
// after many more than others. So all are chained, one number stands for all
// so far, and the numbers after some of them are kept: the last two of each
// sixteenth, each 256th, and so on. Two ranks whose counts differ by no more
// than a million have one in common. What once differed differs for good.
//
// Thread-safe; Read does not wait.
//
//   marks->Add(digest);                                   // the program
//   beat.marks = marks->Read();                           // the lifeline

#include <array>
#include <cstdint>
#include <mutex>
#include <vector>

namespace lockstep {

// After `count` digests their chain was `chain`.
struct ReplicaMark {
  uint64_t count = 0;
  uint64_t chain = 0;

  bool operator==(const ReplicaMark&) const = default;
};

class ReplicaMarks {
 public:
  static constexpr size_t kLevels = 6;
  static constexpr uint64_t kStride = 16;  // of a level, in the one below

  void Add(uint64_t digest);
  // The marks kept, no count twice; none while one is added.
  std::vector<ReplicaMark> Read() const;

 private:
  struct Level {
    ReplicaMark last, before;
  };
  mutable std::mutex mu_;
  ReplicaMark now_;                         // guarded by mu_
  std::array<Level, kLevels> levels_ = {};  // guarded by mu_
};

// The highest count that all have a mark of, with the chains by rank; empty
// where there is none.
std::vector<uint64_t> ChainsAtOneCount(
    const std::vector<std::vector<ReplicaMark>>& marks_by_rank);

}  // namespace lockstep
