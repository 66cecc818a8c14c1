// SPDX-License-Identifier: Apache-2.0
// Whom the others wait for, and how a verdict tells it.
#include <algorithm>
#include <cstdio>

#include "distributed/digest.h"
#include "distributed/lifeline_core.h"

namespace lockstep {
namespace {

// Of a rank that a deadline passed for.
constexpr uint64_t kStillMicros = 500'000;
// So many times the stall timeout a rank may take for one node while others,
// whose program said that they have patience, wait: it may write a checkpoint.
constexpr uint64_t kPatientStalls = 4;

std::string Seconds(uint64_t micros) {
  char text[32];
  std::snprintf(text, sizeof(text), micros < 10'000'000 ? "%.2f s" : "%.1f s",
                static_cast<double>(micros) * 1e-6);
  return text;
}

// "rank 3", "ranks 0, 1 and 2".
std::string Ranks(const std::vector<int>& ranks) {
  constexpr size_t kShown = 6;
  if (ranks.size() == 1) return StrCat("rank ", ranks[0]);
  std::string text = "ranks ";
  const size_t shown = std::min(ranks.size(), kShown);
  for (size_t i = 0; i < shown; ++i) {
    if (i > 0) text += i + 1 == ranks.size() ? " and " : ", ";
    text += StrCat(ranks[i]);
  }
  if (shown < ranks.size())
    text += StrCat(" and ", ranks.size() - shown, " more");
  return text;
}

}  // namespace

bool LifelineCore::Judge(bool at_once) {
  const uint64_t stall = options_.stall_micros;
  bool impatient = at_once, waits_long = false, in_node = false;
  bool all_wait = true;
  int suspect = -1, left = -1, slowest = -1;
  for (int r = 0; r < size(); ++r) {
    const Seen& s = seen(r);
    if (s.goodbye || s.closed) continue;
    if (s.leaving) {
      left = r;
      continue;
    }
    if (s.beat.waits) {
      const uint64_t limit =
          s.beat.patience_micros > 0 ? s.beat.patience_micros : stall;
      const bool long_enough = s.beat.waited_micros >= limit;
      impatient |= long_enough;
      waits_long |= s.beat.waited_micros >= kPatientStalls * stall;
      all_wait &= long_enough;
      if (slowest < 0 || s.beat.runs < seen(slowest).beat.runs) slowest = r;
      continue;
    }
    all_wait = false;
    in_node |= !s.beat.where.empty() && s.still >= kPatientStalls * stall;
    if (at_once && r == pending_.origin) continue;
    const uint64_t least = at_once ? kStillMicros : stall - stall / 10;
    if (s.known && s.still >= least &&
        (suspect < 0 || s.still > seen(suspect).still)) {
      suspect = r;
    }
  }
  if (!impatient && !(waits_long && in_node)) return false;
  if (suspect >= 0) {
    Convict(suspect, FaultKind::kStalled);
  } else if (left >= 0) {
    Convict(left, FaultKind::kLeft);
  } else if (all_wait && !at_once && slowest >= 0) {
    Convict(slowest, FaultKind::kDeadlock);
  }
  return ended_;
}

void LifelineCore::CompareReplicas() {
  std::vector<std::vector<ReplicaMark>> marks;
  for (const Seen& s : seen_) {
    // Who has gone differs no more.
    if (s.goodbye || s.closed) return;
    marks.push_back(s.beat.marks);
  }
  const std::vector<int> odd = OddOnes(ChainsAtOneCount(marks));
  if (odd.empty()) return;
  std::string others;
  for (const int r : odd) {
    if (r != odd[0]) others += StrCat(", as does ", NameOf(r));
  }
  Convict(odd[0], FaultKind::kDiffers, others);
}

std::string LifelineCore::NameOf(int rank) const {
  return StrCat("rank ", rank, " on ", peer(rank).host, " (process ",
                peer(rank).process, ")");
}

// " at step 120, in node 'x' (MatMul)".
std::string LifelineCore::PlaceOf(int rank) const {
  const Seen& s = seen_[static_cast<size_t>(rank)];
  if (!s.known || (s.beat.step < 0 && s.beat.runs == 0)) {
    return s.beat.waits ? StrCat(", waiting in ", s.beat.waiting)
                        : " before its first run";
  }
  std::string text;
  if (s.beat.step >= 0) {
    text = StrCat(" at step ", s.beat.step);
  } else {
    text = StrCat(" at run ", s.beat.runs);
  }
  if (!s.beat.where.empty()) text += StrCat(", in ", s.beat.where);
  if (s.beat.waits) {
    text += StrCat(", waiting in ", s.beat.waiting);
  } else if (s.beat.where.empty()) {
    text += ", between runs";
  }
  return text;
}

std::string LifelineCore::Waiters(int culprit) const {
  std::vector<int> waiting;
  const Seen* longest = nullptr;
  for (int r = 0; r < size(); ++r) {
    const Seen& s = seen_[static_cast<size_t>(r)];
    if (r == culprit || !s.beat.waits || s.closed) continue;
    waiting.push_back(r);
    if (longest == nullptr ||
        s.beat.waited_micros > longest->beat.waited_micros) {
      longest = &s;
    }
  }
  if (waiting.empty()) return {};
  return StrCat("; ", Ranks(waiting), waiting.size() == 1 ? " waits" : " wait",
                " for it in ", longest->beat.waiting, ", for ",
                Seconds(longest->beat.waited_micros));
}

std::string LifelineCore::Story(int culprit, FaultKind kind,
                                const std::string& error) {
  const Seen& s = seen(culprit);
  const std::string name = NameOf(culprit);
  const std::string place = PlaceOf(culprit);
  switch (kind) {
    case FaultKind::kFailed: return StrCat(name, " failed", place, ": ", error);
    case FaultKind::kDied: {
      const std::string how =
          lost_end_.empty() ? "died: it was killed, crashed or ended at once"
                            : lost_end_;
      return StrCat(name, " ", how, ",", place, ", last heard of ",
                    Seconds(s.silent), " before", Waiters(culprit));
    }
    case FaultKind::kLeft:
      return StrCat(name, s.exiting ? " called exit" : " ended its program",
                    ", before the others,", place, Waiters(culprit));
    case FaultKind::kStopped:
      return StrCat(name, " is stopped (SIGSTOP), for ",
                    Seconds(std::max(s.silent, s.stopped)), ",", place,
                    Waiters(culprit));
    case FaultKind::kSilent:
      if (culprit == rank_) {
        return StrCat(name, " hears nothing from most of the others,", place,
                      ": it is cut off from the network");
      }
      return StrCat(name, " sent no heartbeat for ", Seconds(s.silent), ",",
                    place, ": it is cut off, or its machine stands still",
                    Waiters(culprit));
    case FaultKind::kStalled:
      return StrCat(name, " makes no progress, for ", Seconds(s.still), ",",
                    place, Waiters(culprit));
    case FaultKind::kDiffers:
      return StrCat(name, " differs from the other ranks", error, place,
                    ": its variables or its copy of summed gradients are not "
                    "theirs, and have been: the memory or the processor is at "
                    "fault, or something else wrote to them");
    case FaultKind::kDeadlock: break;
  }
  std::string text = "the ranks wait for each other:";
  for (int r = 0; r < std::min(size(), 8); ++r) {
    text += StrCat(r == 0 ? " " : "; ", "rank ", r, PlaceOf(r), ", for ",
                   Seconds(seen(r).beat.waited_micros));
  }
  return text;
}

}  // namespace lockstep
