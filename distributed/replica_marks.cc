// SPDX-License-Identifier: Apache-2.0
#include "distributed/replica_marks.h"

#include <algorithm>

namespace lockstep {

void ReplicaMarks::Add(uint64_t digest) {
  const std::lock_guard<std::mutex> lock(mu_);
  ++now_.count;
  now_.chain = (now_.chain ^ digest) * 0x9e3779b97f4a7c15;
  now_.chain ^= now_.chain >> 29;
  uint64_t stride = 1;
  for (Level& level : levels_) {
    if (now_.count % stride != 0) break;
    level.before = level.last;
    level.last = now_;
    stride *= kStride;
  }
}

std::vector<ReplicaMark> ReplicaMarks::Read() const {
  const std::unique_lock<std::mutex> lock(mu_, std::try_to_lock);
  std::vector<ReplicaMark> marks;
  if (!lock.owns_lock()) return marks;
  for (const Level& level : levels_) {
    for (const ReplicaMark& mark : {level.last, level.before}) {
      if (mark.count > 0 && std::ranges::find(marks, mark) == marks.end()) {
        marks.push_back(mark);
      }
    }
  }
  return marks;
}

std::vector<uint64_t> ChainsAtOneCount(
    const std::vector<std::vector<ReplicaMark>>& marks_by_rank) {
  uint64_t best = 0;
  std::vector<uint64_t> found, chains;
  if (marks_by_rank.empty()) return found;
  for (const ReplicaMark& candidate : marks_by_rank[0]) {
    if (candidate.count <= best) continue;
    chains.clear();
    for (const auto& marks : marks_by_rank) {
      const auto mark =
          std::ranges::find(marks, candidate.count, &ReplicaMark::count);
      if (mark != marks.end()) chains.push_back(mark->chain);
    }
    if (chains.size() != marks_by_rank.size()) continue;
    best = candidate.count;
    found = chains;
  }
  return found;
}

}  // namespace lockstep
