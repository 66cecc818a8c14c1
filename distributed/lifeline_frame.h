// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the lifelines of ranks say to each other. On the wire a frame is a
// header (magic, type, size of the rest) and its fields in the machine's own
// byte order: the ranks of a job are one program. Bytes that are no frame are
// an error, never a crash: anybody may connect to an open port.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "distributed/replica_marks.h"
#include "runtime/core/status.h"

namespace lockstep {

enum class FrameType : uint16_t {
  kHello = 1,     // number: the job's token; rank: who connects
  kBeat,          // beat
  kFailure,       // code, text: an error of the sender
  kAccusation,    // rank, kind: the sender saw it
  kLeaving,       // the sender's program has ended; it waits for the others
  kExit,          // the sender's process calls exit
  kGoodbye,       // the sender needs nobody any more
  kVerdict,       // rank, kind, text: the job is over, and why
  kStopWish,      // the sender was asked to stop
  kStopProposal,  // number: the step to stop at
  kStopAnswer,    // number: the proposal; kind: 1 agreed; number2: own step
  kStopDecision,  // number: the proposal; kind: 1 it holds, 0 it does not
};

// What a rank does, as it tells about it.
struct Beat {
  int64_t step = -1;   // of the program; -1: it does not say
  uint64_t runs = 0;   // of plans, begun
  uint64_t word = 0;   // changes when anything moves
  bool waits = false;  // for other ranks
  uint64_t waited_micros = 0;
  // How long the program itself said that it would wait; 0: it did not.
  uint64_t patience_micros = 0;
  std::string where;    // "node 'x' (MatMul)"; empty between runs
  std::string waiting;  // "AllReduce #12 'grads'"
  // A process of the same machine that the sender looks after, and the letter
  // of its state; 0: unknown.
  int32_t neighbour = -1;
  char neighbour_state = 0;
  // Of what all ranks have alike.
  std::vector<ReplicaMark> marks;

  bool operator==(const Beat&) const = default;
};

struct LifelineFrame {
  FrameType type = FrameType::kBeat;
  int32_t rank = -1;
  int32_t kind = 0;
  int64_t number = 0;
  int64_t number2 = 0;
  std::string text;
  Beat beat;  // of kBeat

  bool operator==(const LifelineFrame&) const = default;
};

// Long text is cut at 1,500 bytes.
std::string EncodeFrame(const LifelineFrame& frame);

// Cuts a stream of bytes into frames.
class FrameReader {
 public:
  void Append(std::string_view bytes) { buffer_.append(bytes); }
  // The next whole frame, nothing yet, or DATA_LOSS.
  Result<std::optional<LifelineFrame>> Next();

 private:
  std::string buffer_;
};

}  // namespace lockstep
