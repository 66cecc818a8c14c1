// SPDX-License-Identifier: Apache-2.0
// Stopping together. A rank that is asked to stop must not end a step before
// the others: they would wait for it. So the hub proposes a step that is
// ahead of all; a rank that has not passed it agrees and will wait there for
// the decision. If one has passed it, the next proposal is further ahead.
#include <algorithm>

#include "distributed/lifeline_core.h"

namespace lockstep {

void LifelineCore::WishToStop() {
  if (ended_ || quiet_ || stop_wished_) return;
  stop_wished_ = true;
  if (hub()) {
    Propose();
  } else {
    port_.Send(0, {.type = FrameType::kStopWish});
  }
}

void LifelineCore::OnStopFrame(int from, const LifelineFrame& frame) {
  if (hub()) {
    if (frame.type == FrameType::kStopWish) WishToStop();
    if (frame.type == FrameType::kStopAnswer) {
      Answer(from, frame.number, frame.kind == 1, frame.number2);
    }
    return;
  }
  if (frame.type == FrameType::kStopProposal) {
    int64_t at = -1;
    const bool holds = port_.HoldAt(frame.number, &at);
    port_.Send(0, {.type = FrameType::kStopAnswer,
                   .kind = holds ? 1 : 0,
                   .number = frame.number,
                   .number2 = at});
  }
  if (frame.type == FrameType::kStopDecision) {
    stop_decided_ = frame.kind == 1;
    port_.Decide(frame.number, stop_decided_);
  }
}

void LifelineCore::Propose() {
  for (const Seen& s : seen_) furthest_ = std::max(furthest_, s.beat.step);
  proposal_ = furthest_ + margin_;
  agreed_ = answered_ = 0;
  for (int r = 1; r < size(); ++r) {
    if (Watches(r)) {
      port_.Send(r, {.type = FrameType::kStopProposal, .number = proposal_});
    }
  }
  int64_t at = -1;
  const bool holds = port_.HoldAt(proposal_, &at);
  Answer(rank_, proposal_, holds, at);
}

void LifelineCore::Answer(int, int64_t step, bool agreed, int64_t at) {
  furthest_ = std::max(furthest_, at);
  if (step != proposal_ || stop_decided_) return;
  ++answered_;
  if (agreed) ++agreed_;
  if (answered_ < size()) return;
  Decision(step, agreed_ == size());
  if (stop_decided_) return;
  margin_ *= 2;
  Propose();
}

void LifelineCore::Decision(int64_t step, bool holds) {
  stop_decided_ = holds;
  for (int r = 1; r < size(); ++r) {
    if (!Watches(r)) continue;
    port_.Send(r, {.type = FrameType::kStopDecision,
                   .kind = holds ? 1 : 0,
                   .number = step});
  }
  port_.Decide(step, holds);
}

}  // namespace lockstep
