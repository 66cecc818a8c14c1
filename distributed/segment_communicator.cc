// SPDX-License-Identifier: Apache-2.0
#include "distributed/segment_communicator.h"

#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <new>

#include "distributed/backoff.h"
#include "distributed/process_state.h"
#include "runtime/core/env.h"

namespace lockstep {
namespace {

constexpr size_t kPage = 4096;
constexpr size_t kOutboxBytes = 64 * 1024;
// Up to this many bytes every rank combines everything itself: one step less.
constexpr int64_t kSmallBytes = 16 * 1024;
constexpr uint64_t kLivenessMicros = 50'000;

constexpr size_t RoundUp(size_t n) { return (n + kPage - 1) / kPage * kPage; }
constexpr size_t kBlockBytes = RoundUp(sizeof(SegmentBlock));

template <class T>
T* At(T* base, int64_t elements, size_t element_bytes) {
  return base + static_cast<size_t>(elements) * element_bytes;
}

}  // namespace

size_t SegmentCommunicator::HalfBytes(size_t wanted, int size) {
  if (wanted == 0) wanted = kDefaultHalfBytes;
  return RoundUp(std::max(wanted, size_t{64} * static_cast<size_t>(size)));
}

size_t SegmentCommunicator::SegmentBytes(size_t half_bytes) {
  return kBlockBytes + kOutboxBytes + 2 * half_bytes;
}

void SegmentCommunicator::InitSegment(std::byte* segment) {
  auto* block = new (segment) SegmentBlock;
  block->process = static_cast<int32_t>(getpid());
}

SegmentCommunicator::SegmentCommunicator(int rank, SegmentGroup group)
    : Communicator(rank, static_cast<int>(group.segments.size())),
      group_(std::move(group)),
      sources_(group_.segments.size()) {}

SegmentCommunicator::~SegmentCommunicator() {
  Block(rank()).left.store(1, std::memory_order_release);
}

SegmentBlock& SegmentCommunicator::Block(int rank) const {
  return *std::launder(reinterpret_cast<SegmentBlock*>(
      group_.segments[static_cast<size_t>(rank)]));
}

std::byte* SegmentCommunicator::Outbox(int rank) const {
  return group_.segments[static_cast<size_t>(rank)] + kBlockBytes;
}

std::byte* SegmentCommunicator::Half(int rank) const {
  return Outbox(rank) + kOutboxBytes +
         static_cast<size_t>(half_) * group_.half_bytes;
}

template <class Done, class Awaited>
Status SegmentCommunicator::Wait(const CollectiveCall& call, Done done,
                                 Awaited awaited) {
  Backoff backoff(group_.spins);
  while (!done()) {
    if (!backoff.Pause()) continue;
    const Status peers = CheckPeers(call, awaited());
    // What was awaited may have come just before the rank left.
    if (!peers.ok()) return done() ? Ok() : peers;
  }
  return Ok();
}

Status SegmentCommunicator::CheckFailure() {
  if (failed()) return status();
  const SegmentBlock& first = Block(0);
  if (first.failure_state.load(std::memory_order_acquire) !=
      SegmentBlock::kReady) {
    return Ok();
  }
  return Adopt(
      Status(static_cast<Code>(first.failure_code), first.failure_message));
}

Status SegmentCommunicator::CheckPeers(const CollectiveCall& call,
                                       const std::vector<int>& awaited) {
  LS_RETURN_IF_ERROR(CheckFailure());
  std::vector<int> gone;
  for (const int r : awaited) {
    if (Block(r).left.load(std::memory_order_acquire) != 0) gone.push_back(r);
  }
  if (!gone.empty()) return Unavailable(Describe(gone), " has left the job");
  const uint64_t now = Env::Default()->SteadyMicros();
  if (group_.processes && now >= next_liveness_check_) {
    next_liveness_check_ = now + kLivenessMicros;
    for (const int r : awaited) {
      if (!ProcessIsAlive(Block(r).process)) gone.push_back(r);
    }
    if (!gone.empty()) return Unavailable(Describe(gone), " is dead");
  }
  if (now < call.deadline_micros) return Ok();
  const double waited = static_cast<double>(now - call.start_micros) * 1e-6;
  return DeadlineExceeded(Describe(awaited), " did not arrive within ", waited,
                          " s");
}

std::string SegmentCommunicator::Describe(const std::vector<int>& ranks) const {
  std::vector<std::string> parts;
  for (const int r : ranks) {
    parts.push_back(group_.processes ? StrCat("rank ", r, " (process ",
                                              Block(r).process, ")")
                                     : StrCat("rank ", r));
  }
  return Join(parts, ", ");
}

Status SegmentCommunicator::Sync(const CollectiveCall& call) {
  const uint64_t target = ++step_;
  const bool first = checked_sequence_ != call.header.sequence;
  if (first) {
    // Who comes late to a call that the others gave up must not pass.
    LS_RETURN_IF_ERROR(CheckFailure());
    Block(rank()).headers[call.header.sequence % 2] = call.header;
  }
  Block(rank()).step.store(target, std::memory_order_release);
  const auto arrived = [&](int r) {
    return Block(r).step.load(std::memory_order_acquire) >= target;
  };
  int next = 0;
  const auto done = [&] {
    while (next < size() && arrived(next)) ++next;
    return next == size();
  };
  const auto awaited = [&] {
    std::vector<int> late;
    for (int r = next; r < size(); ++r) {
      if (!arrived(r)) late.push_back(r);
    }
    return late;
  };
  LS_RETURN_IF_ERROR(Wait(call, done, awaited));
  return first ? CheckHeaders(call) : Ok();
}

Status SegmentCommunicator::CheckHeaders(const CollectiveCall& call) {
  checked_sequence_ = call.header.sequence;
  for (int r = 0; r < size(); ++r) {
    if (r == rank()) continue;
    LS_RETURN_IF_ERROR(CheckAgreement(
        rank(), call.header, r, Block(r).headers[call.header.sequence % 2]));
  }
  return Ok();
}

Status SegmentCommunicator::DoAllReduce(const CollectiveCall& call,
                                        std::span<const Piece> pieces,
                                        double factor) {
  const size_t element = call.element_bytes();
  const int64_t count = call.header.count;
  const int64_t step = static_cast<int64_t>(group_.half_bytes / element);
  int64_t begin = 0;
  do {  // once also for nothing: the ranks meet
    const int64_t end = std::min(count, begin + step);
    const bool small =
        (end - begin) * static_cast<int64_t>(element) <= kSmallBytes;
    LS_RETURN_IF_ERROR(small
                           ? ReduceSmallChunk(call, pieces, factor, begin, end)
                           : ReduceChunk(call, pieces, factor, begin, end));
    NextHalf();
    begin = end;
  } while (begin < count);
  return Ok();
}

Status SegmentCommunicator::ReduceSmallChunk(const CollectiveCall& call,
                                             std::span<const Piece> pieces,
                                             double factor, int64_t begin,
                                             int64_t end) {
  const size_t element = call.element_bytes();
  const ReduceKernels* kernels =
      FindReduceKernels(static_cast<DType>(call.header.dtype));
  GatherPieces(pieces, element, kernels, factor, begin, end, Half(rank()));
  LS_RETURN_IF_ERROR(Sync(call));
  for (int r = 0; r < size(); ++r) sources_[static_cast<size_t>(r)] = Half(r);
  alignas(64) std::byte combined[kSmallBytes];
  kernels->combine(call.header.op, sources_, combined, end - begin);
  ScatterPieces(pieces, element, begin, end, combined);
  return Ok();
}

Status SegmentCommunicator::ReduceChunk(const CollectiveCall& call,
                                        std::span<const Piece> pieces,
                                        double factor, int64_t begin,
                                        int64_t end) {
  const size_t element = call.element_bytes();
  const ReduceKernels* kernels =
      FindReduceKernels(static_cast<DType>(call.header.dtype));
  for (int r = 0; r < size(); ++r) {
    if (r == rank()) continue;
    const Slice slice = SliceOf(end - begin, r, size());
    GatherPieces(pieces, element, kernels, factor, begin + slice.begin,
                 begin + slice.end, At(Half(rank()), slice.begin, element));
  }
  LS_RETURN_IF_ERROR(Sync(call));
  CombineSlice(call, pieces, factor, begin,
               SliceOf(end - begin, rank(), size()));
  LS_RETURN_IF_ERROR(Sync(call));
  for (int r = 0; r < size(); ++r) {
    if (r == rank()) continue;
    const Slice slice = SliceOf(end - begin, r, size());
    ScatterPieces(pieces, element, begin + slice.begin, begin + slice.end,
                  At(Half(HolderOf(r)), slice.begin, element));
  }
  return Ok();
}

// In blocks that stay in the first-level cache: our own contribution, the sum
// with the others', the copy to our arrays. The sum goes where another rank's
// contribution was: those lines are in our cache by then, while writing to ones
// that others read last would fetch them first.
void SegmentCommunicator::CombineSlice(const CollectiveCall& call,
                                       std::span<const Piece> pieces,
                                       double factor, int64_t begin,
                                       Slice slice) {
  constexpr int64_t kBlock = 2048;
  constexpr size_t kWidest = 8;  // bytes of an element that can be reduced
  alignas(64) std::byte own[kBlock * kWidest];
  const size_t element = call.element_bytes();
  const ReduceKernels* kernels =
      FindReduceKernels(static_cast<DType>(call.header.dtype));
  for (int64_t at = slice.begin; at < slice.end; at += kBlock) {
    const int64_t n = std::min(kBlock, slice.end - at);
    GatherPieces(pieces, element, kernels, factor, begin + at, begin + at + n,
                 own);
    for (int r = 0; r < size(); ++r) {
      sources_[static_cast<size_t>(r)] =
          r == rank() ? own : At(Half(r), at, element);
    }
    std::byte* combined = At(Half(HolderOf(rank())), at, element);
    kernels->combine(call.header.op, sources_, combined, n);
    ScatterPieces(pieces, element, begin + at, begin + at + n, combined);
  }
}

Status SegmentCommunicator::DoReduceScatter(const CollectiveCall& call,
                                            const void* in, void* out) {
  const size_t element = call.element_bytes();
  const int64_t count = call.header.count;
  const int64_t step = static_cast<int64_t>(group_.half_bytes / element /
                                            static_cast<size_t>(size()));
  const ReduceKernels* kernels =
      FindReduceKernels(static_cast<DType>(call.header.dtype));
  const auto* from = static_cast<const std::byte*>(in);
  int64_t begin = 0;
  do {
    const int64_t n = std::min(count - begin, step);
    for (int r = 0; r < size() && n > 0; ++r) {
      std::memcpy(At(Half(rank()), r * n, element),
                  At(from, r * count + begin, element),
                  static_cast<size_t>(n) * element);
    }
    LS_RETURN_IF_ERROR(Sync(call));
    for (int r = 0; r < size(); ++r) {
      sources_[static_cast<size_t>(r)] = At(Half(r), rank() * n, element);
    }
    kernels->combine(call.header.op, sources_,
                     At(static_cast<std::byte*>(out), begin, element), n);
    NextHalf();
    begin += n;
  } while (begin < count);
  return Ok();
}

Status SegmentCommunicator::DoAllGather(const CollectiveCall& call,
                                        const void* in, void* out) {
  const size_t element = call.element_bytes();
  const int64_t count = call.header.count;
  const int64_t step = static_cast<int64_t>(group_.half_bytes / element);
  int64_t begin = 0;
  do {
    const int64_t n = std::min(count - begin, step);
    const size_t bytes = static_cast<size_t>(n) * element;
    if (n > 0) {
      std::memcpy(Half(rank()),
                  At(static_cast<const std::byte*>(in), begin, element), bytes);
    }
    LS_RETURN_IF_ERROR(Sync(call));
    for (int r = 0; r < size() && n > 0; ++r) {
      std::memcpy(At(static_cast<std::byte*>(out), r * count + begin, element),
                  Half(r), bytes);
    }
    NextHalf();
    begin += n;
  } while (begin < count);
  return Ok();
}

Status SegmentCommunicator::DoBroadcast(const CollectiveCall& call,
                                        void* data) {
  const size_t element = call.element_bytes();
  const int64_t count = call.header.count;
  const int64_t step = static_cast<int64_t>(group_.half_bytes / element);
  const int root = call.header.peer;
  int64_t begin = 0;
  do {
    const int64_t n = std::min(count - begin, step);
    const size_t bytes = static_cast<size_t>(n) * element;
    std::byte* part = At(static_cast<std::byte*>(data), begin, element);
    if (rank() == root && n > 0) std::memcpy(Half(root), part, bytes);
    LS_RETURN_IF_ERROR(Sync(call));
    if (rank() != root && n > 0) std::memcpy(part, Half(root), bytes);
    NextHalf();
    begin += n;
  } while (begin < count);
  return Ok();
}

Status SegmentCommunicator::DoSend(const CollectiveCall& call,
                                   const void* data) {
  SegmentBlock& block = Block(rank());
  const auto* from = static_cast<const std::byte*>(data);
  size_t left = static_cast<size_t>(call.header.count) * call.element_bytes();
  do {
    const uint64_t number = block.posted.load(std::memory_order_relaxed) >> 16;
    LS_RETURN_IF_ERROR(Wait(
        call,
        [&] { return block.taken.load(std::memory_order_acquire) == number; },
        [&] { return std::vector<int>{last_receiver_}; }));
    const size_t bytes = std::min(left, kOutboxBytes);
    if (bytes > 0) std::memcpy(Outbox(rank()), from, bytes);
    block.message = call.header;
    block.chunk_bytes = static_cast<int64_t>(bytes);
    last_receiver_ = call.header.peer;
    block.posted.store(
        (number + 1) << 16 | static_cast<uint64_t>(last_receiver_),
        std::memory_order_release);
    from += bytes;
    left -= bytes;
  } while (left > 0);
  return Ok();
}

Status SegmentCommunicator::DoRecv(const CollectiveCall& call, void* data) {
  const int sender = call.header.peer;
  SegmentBlock& block = Block(sender);
  auto* to = static_cast<std::byte*>(data);
  size_t left = static_cast<size_t>(call.header.count) * call.element_bytes();
  do {
    uint64_t posted = 0;
    LS_RETURN_IF_ERROR(Wait(
        call,
        [&] {
          posted = block.posted.load(std::memory_order_acquire);
          return static_cast<int>(posted & 0xffff) == rank() &&
                 posted >> 16 != block.taken.load(std::memory_order_acquire);
        },
        [&] { return std::vector<int>{sender}; }));
    LS_RETURN_IF_ERROR(
        CheckMessage(sender, block.message, rank(), call.header));
    const size_t bytes = static_cast<size_t>(block.chunk_bytes);
    if (bytes > 0) std::memcpy(to, Outbox(sender), bytes);
    block.taken.store(posted >> 16, std::memory_order_release);
    to += bytes;
    left -= bytes;
  } while (left > 0);
  return Ok();
}

Status SegmentCommunicator::DoBarrier(const CollectiveCall& call) {
  return Sync(call);
}

void SegmentCommunicator::Announce(const Status& why) {
  SegmentBlock& first = Block(0);
  uint32_t none = SegmentBlock::kNone;
  if (!first.failure_state.compare_exchange_strong(none,
                                                   SegmentBlock::kWriting)) {
    return;  // somebody else was first
  }
  first.failure_code = static_cast<int32_t>(why.code());
  const size_t n =
      std::min(why.message().size(), sizeof(first.failure_message) - 1);
  std::memcpy(first.failure_message, why.message().data(), n);
  first.failure_message[n] = '\0';
  first.failure_state.store(SegmentBlock::kReady, std::memory_order_release);
}

}  // namespace lockstep
