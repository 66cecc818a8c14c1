// SPDX-License-Identifier: Apache-2.0
#include "distributed/lifeline_core.h"

#include <algorithm>

#include "distributed/process_state.h"

namespace lockstep {
namespace {

// A failure that is about other ranks: they may know better.
bool AboutOthers(Code code) {
  return code == Code::kUnavailable || code == Code::kDeadlineExceeded;
}

}  // namespace

LifelineCore::LifelineCore(int rank, std::vector<LifelinePeer> peers,
                           const LifelineOptions& options, LifelinePort* port)
    : rank_(rank),
      peers_(std::move(peers)),
      options_(options),
      port_(*port),
      seen_(peers_.size()) {
  for (int i = 1; i < size() && neighbour_ < 0; ++i) {
    const int r = (rank_ + i) % size();
    if (Near(r)) neighbour_ = r;
  }
}

bool LifelineCore::Watches(int r) const {
  const Seen& s = seen_[static_cast<size_t>(r)];
  return r != rank_ && (hub() || r == 0) && !s.closed && !s.goodbye;
}

bool LifelineCore::alone() const {
  for (int r = 0; r < size(); ++r) {
    if (Watches(r)) return false;
  }
  return true;
}

void LifelineCore::OnTick(uint64_t now) {
  if (ended_) return;
  const uint64_t elapsed =
      last_tick_ == 0 ? 0
                      : std::min(now - last_tick_, 2 * options_.beat_micros);
  last_tick_ = now;
  SendBeat();
  if (quiet_) return;
  for (int r = 0; r < size(); ++r) {
    seen(r).still += elapsed;
    if (Watches(r)) seen(r).silent += elapsed;
  }
  LookForStopped(elapsed);
  if (!ended_ && lost_ < 0) LookForSilent();
  if (!ended_ && hub()) DecidePending(now);
  if (!ended_ && hub() && lost_ < 0) CompareReplicas();
  if (!ended_ && hub() && lost_ < 0 && options_.stall_micros > 0) {
    Judge(/*at_once=*/false);
  }
  if (!ended_ && answer_by_ != 0 && now >= answer_by_) Finish(own_);
}

void LifelineCore::SendBeat() {
  LifelineFrame frame{.type = FrameType::kBeat, .beat = port_.Progress()};
  frame.beat.neighbour = neighbour_;
  frame.beat.neighbour_state = neighbour_state_;
  NoteBeat(rank_, frame.beat);
  if (quiet_) return;
  for (int r = 0; r < size(); ++r) {
    if (Watches(r)) port_.Send(r, frame);
  }
}

void LifelineCore::NoteBeat(int from, const Beat& beat) {
  Seen& s = seen(from);
  if (!s.known || beat.word != s.beat.word || beat.waits != s.beat.waits) {
    s.still = 0;
  }
  s.known = true;
  s.beat = beat;
}

// Of each process two others look after: the rank before it on its machine,
// and the hub, or for the hub all that are with it.
void LifelineCore::LookForStopped(uint64_t elapsed) {
  for (int r = 0; r < size() && !ended_; ++r) {
    const bool looks = r == neighbour_ || (Watches(r) && Near(r));
    if (!looks || seen(r).goodbye) continue;
    const char state = port_.ProcessState(r);
    seen(r).shown = seen(r).shown || state != 0;
    if (r == neighbour_) neighbour_state_ = state;
    LookForStoppedProcess(r, state, elapsed);
  }
}

void LifelineCore::LookForStoppedProcess(int rank, char state,
                                         uint64_t elapsed) {
  Seen& s = seen(rank);
  s.stopped = state == 'T' ? s.stopped + elapsed : 0;
  if (s.stopped >= options_.stopped_micros) Accuse(rank, FaultKind::kStopped);
}

uint64_t LifelineCore::SilenceLimit(int rank) {
  if (Near(rank)) {
    const char state = port_.ProcessState(rank);
    return StateRuns(state) || state == 'T' ? options_.vouched_micros
                                            : options_.silence_micros;
  }
  for (int o = 0; o < size(); ++o) {
    Seen& observer = seen(o);
    if (observer.beat.neighbour == rank &&
        StateRuns(observer.beat.neighbour_state) &&
        observer.silent < options_.silence_micros / 2 && Watches(o)) {
      return options_.vouched_micros;
    }
  }
  return options_.silence_micros;
}

void LifelineCore::LookForSilent() {
  int first = -1;
  int quiet = 0;
  for (int r = 0; r < size(); ++r) {
    if (!Watches(r)) continue;
    // Of several that fell silent together one is the first over the limit.
    if (2 * seen(r).silent >= options_.silence_micros) ++quiet;
    if (first < 0 && seen(r).silent >= options_.silence_micros &&
        seen(r).silent >= SilenceLimit(r)) {
      first = r;
    }
  }
  if (first < 0) return;
  // Who hears nothing from most of the others is cut off itself.
  const bool cut_off = hub() && quiet > 1 && 2 * quiet > size();
  Accuse(cut_off ? rank_ : first, FaultKind::kSilent);
}

// What this rank saw itself. The hub's own fate others have to decide.
void LifelineCore::Accuse(int culprit, FaultKind kind) {
  if (hub()) return Convict(culprit, kind);
  if (culprit != 0) {
    port_.Send(0, {.type = FrameType::kAccusation,
                   .rank = culprit,
                   .kind = static_cast<int32_t>(kind)});
    seen(culprit).stopped = 0;  // said again if that changes nothing
    return;
  }
  Finish({0, kind, Story(0, kind, {})});
}

void LifelineCore::OnFrame(int from, const LifelineFrame& frame, uint64_t now) {
  if (ended_ || from < 0 || from >= size() || from == rank_) return;
  Seen& s = seen(from);
  s.silent = 0;
  switch (frame.type) {
    case FrameType::kBeat: NoteBeat(from, frame.beat); break;
    case FrameType::kFailure:
      if (hub()) {
        OnFailure(from, static_cast<Code>(frame.kind), frame.text, now);
      }
      break;
    case FrameType::kAccusation:
      if (hub() && !quiet_ && frame.rank > 0 && frame.rank < size() &&
          Watches(frame.rank)) {
        Convict(frame.rank, static_cast<FaultKind>(frame.kind));
      }
      break;
    case FrameType::kLeaving: s.leaving = true; break;
    case FrameType::kExit: s.exiting = true; break;
    case FrameType::kGoodbye: s.goodbye = true; break;
    case FrameType::kVerdict:
      if (!hub() && !quiet_) {
        Finish({frame.rank, static_cast<FaultKind>(frame.kind), frame.text});
      }
      break;
    case FrameType::kStopWish:
    case FrameType::kStopProposal:
    case FrameType::kStopAnswer:
    case FrameType::kStopDecision: OnStopFrame(from, frame); break;
    case FrameType::kHello: break;
  }
}

void LifelineCore::OnClosed(int from, uint64_t now) {
  if (ended_ || from < 0 || from >= size() || from == rank_) return;
  Seen& s = seen(from);
  s.closed = true;
  if (s.goodbye || quiet_ || (!hub() && from != 0)) return;
  // Who leaves waits for the others: it has not ended by itself.
  const FaultKind kind = s.exiting ? FaultKind::kLeft : FaultKind::kDied;
  if (lost_ >= 0) return;
  lost_ = from;
  lost_kind_ = kind;
  if (Near(from)) lost_end_ = port_.ProcessEnd(from);
  convict_lost_at_ = now + options_.beat_micros + options_.beat_micros / 2;
  if (hub()) return;
  const Verdict lost = {0, kind, Story(0, kind, {})};
  // A hub that has never said a word, and a signal to stop: a launcher ends the
  // ranks one by one, for another reason, which it tells.
  const bool by_launcher = stop_wished_ && !s.known;
  if (!by_launcher) return Finish(lost);
  own_ = lost;
  answer_by_ = now + options_.answer_micros;
}

void LifelineCore::Fail(const Status& why, bool told, uint64_t now) {
  if (ended_ || quiet_ || why.ok()) return;
  const Code code = told ? Code::kUnavailable : why.code();
  SendBeat();  // what it waits in, or where it was
  if (hub()) return OnFailure(rank_, code, why.ToString(), now);
  if (answer_by_ != 0) return;
  own_ = {rank_, FaultKind::kFailed,
          Story(rank_, FaultKind::kFailed, why.ToString())};
  answer_by_ = now + options_.answer_micros;
  port_.Send(0, {.type = FrameType::kFailure,
                 .kind = static_cast<int32_t>(code),
                 .text = why.ToString()});
}

void LifelineCore::OnFailure(int origin, Code code, const std::string& text,
                             uint64_t now) {
  if (quiet_ || lost_ >= 0) return;
  if (!AboutOthers(code)) return Convict(origin, FaultKind::kFailed, text);
  if (pending_.origin >= 0) return;
  pending_ = {.origin = origin,
              .text = text,
              .decide_at = now + options_.evidence_micros,
              .timeout = code == Code::kDeadlineExceeded};
  if (pending_.timeout) Judge(/*at_once=*/true);
}

void LifelineCore::DecidePending(uint64_t now) {
  if (lost_ >= 0) {
    if (now >= convict_lost_at_) Convict(lost_, lost_kind_);
    return;
  }
  if (pending_.origin < 0 || now < pending_.decide_at) return;
  for (int r = 0; r < size(); ++r) {
    if ((seen(r).leaving || seen(r).exiting) && r != pending_.origin) {
      return Convict(r, FaultKind::kLeft);
    }
  }
  // On a machine with too many ranks the news may still be on its way.
  if (const int ended = FindEnded(); ended >= 0) return OnClosed(ended, now);
  if (pending_.timeout && Judge(/*at_once=*/true)) return;
  Convict(pending_.origin, FaultKind::kFailed, pending_.text);
}

int LifelineCore::FindEnded() {
  for (int r = 0; r < size(); ++r) {
    if (!Watches(r)) continue;
    const char state = Near(r) ? port_.ProcessState(r) : 'S';
    if (state == 'Z' || (state == 0 && seen(r).shown)) return r;
    const Beat& beat = seen(r).beat;  // what it sees of the one beside it
    const int beside = beat.neighbour;
    if (beat.neighbour_state == 'Z' && beside >= 0 && beside < size() &&
        Watches(beside)) {
      return beside;
    }
  }
  return -1;
}

void LifelineCore::Leave() {
  if (ended_) return;
  seen(rank_).leaving = true;
  if (!hub()) port_.Send(0, {.type = FrameType::kLeaving});
}

void LifelineCore::Exit() {
  if (ended_ || quiet_) return;
  seen(rank_).exiting = true;
  for (int r = 0; r < size(); ++r) {
    if (Watches(r)) port_.Send(r, {.type = FrameType::kExit});
  }
}

void LifelineCore::Goodbye() {
  if (ended_ || quiet_) return;
  quiet_ = true;
  for (int r = 0; r < size(); ++r) {
    if (Watches(r)) port_.Send(r, {.type = FrameType::kGoodbye});
  }
}

void LifelineCore::Convict(int culprit, FaultKind kind,
                           const std::string& error) {
  if (ended_ || quiet_) return;
  Finish({culprit, kind, Story(culprit, kind, error)});
}

void LifelineCore::Finish(const Verdict& verdict) {
  if (ended_ || quiet_) return;
  ended_ = true;
  if (hub()) {
    for (int r = 1; r < size(); ++r) {
      if (!Watches(r)) continue;
      port_.Send(r, {.type = FrameType::kVerdict,
                     .rank = verdict.culprit,
                     .kind = static_cast<int32_t>(verdict.kind),
                     .text = verdict.text});
    }
  }
  port_.End(verdict);
}

}  // namespace lockstep
