// SPDX-License-Identifier: Apache-2.0
#include "distributed/segment_communicator.h"

#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <new>

#include "distributed/backoff.h"
#include "distributed/process_state.h"
#include "runtime/core/env.h"
#include "runtime/device/shared_host.h"

namespace lockstep {
namespace {

constexpr size_t kPage = 4096;
constexpr size_t kOutboxBytes = 64 * 1024;
constexpr uint64_t kLivenessMicros = 50'000;
// After a failure, for ranks that write to this one's arrays: they have the
// processor, or are hung or dead.
constexpr uint64_t kAwaitWritersMicros = 2'000'000;

constexpr size_t RoundUp(size_t n) { return (n + kPage - 1) / kPage * kPage; }
constexpr size_t kBlockBytes = RoundUp(sizeof(SegmentBlock));
constexpr size_t kTableBytes =
    RoundUp(SegmentCommunicator::kMaxArrays * sizeof(ArrayPlace));

}  // namespace

size_t SegmentCommunicator::HalfBytes(size_t wanted, int size) {
  if (wanted == 0) wanted = kDefaultHalfBytes;
  constexpr size_t kLeast =
      static_cast<size_t>(kSliceAlignment) * kMaxReducedBytes;
  return RoundUp(std::max(wanted, kLeast * static_cast<size_t>(size)));
}

size_t SegmentCommunicator::SegmentBytes(size_t half_bytes) {
  return kBlockBytes + kTableBytes + kOutboxBytes + 2 * half_bytes;
}

void SegmentCommunicator::InitSegment(std::byte* segment) {
  auto* block = new (segment) SegmentBlock;
  block->process = static_cast<int32_t>(getpid());
}

SegmentCommunicator::SegmentCommunicator(int rank, SegmentGroup group)
    : Communicator(rank, static_cast<int>(group.segments.size())),
      group_(std::move(group)),
      sources_(group_.segments.size()),
      factors_(group_.segments.size()),
      state_arrays_(group_.segments.size()) {}

SegmentCommunicator::~SegmentCommunicator() {
  Block(rank()).left.store(1, std::memory_order_release);
}

std::shared_ptr<Hardware> SegmentCommunicator::host() const {
  return group_.host;
}

bool SegmentCommunicator::CanShow(const ShownArray& array) const {
  return group_.host == nullptr || array.bytes == 0 ||
         group_.host->Contains(array.data, array.bytes);
}

void SegmentCommunicator::ForgetState(void* data, size_t bytes) const {
  if (group_.host != nullptr) group_.host->Forget(data, bytes);
}

uint64_t SegmentCommunicator::OpenOwner() {
  owner_ended_.push_back(false);
  return owner_ended_.size() - 1;
}

void SegmentCommunicator::CloseOwner(uint64_t number,
                                     std::vector<Tensor> arrays) {
  owner_ended_[number] = true;
  const auto running = std::ranges::find(owner_ended_, false);
  Block(rank()).owners_ended.store(
      static_cast<uint64_t>(running - owner_ended_.begin()),
      std::memory_order_release);
  uint64_t ended = number + 1;  // on all ranks
  for (int r = 0; r < size(); ++r) {
    ended =
        std::min(ended, Block(r).owners_ended.load(std::memory_order_acquire));
  }
  const std::lock_guard<std::mutex> lock(group_.kept->mutex);
  auto& entries = group_.kept->entries;
  if (!arrays.empty()) entries.push_back({number, rank(), std::move(arrays)});
  std::erase_if(entries, [&](const KeptArrays::Entry& e) {
    return e.rank == rank() && e.owner < ended;
  });
}

SegmentBlock& SegmentCommunicator::Block(int rank) const {
  return *std::launder(reinterpret_cast<SegmentBlock*>(
      group_.segments[static_cast<size_t>(rank)]));
}

ArrayPlace* SegmentCommunicator::Table(int rank) const {
  return reinterpret_cast<ArrayPlace*>(
      group_.segments[static_cast<size_t>(rank)] + kBlockBytes);
}

std::byte* SegmentCommunicator::Outbox(int rank) const {
  return group_.segments[static_cast<size_t>(rank)] + kBlockBytes + kTableBytes;
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
  // Who fails says so before it leaves: that is the cause.
  if (!gone.empty()) {
    LS_RETURN_IF_ERROR(CheckFailure());
    return Unavailable(Describe(gone), " has left the job");
  }
  const uint64_t now = Env::Default()->SteadyMicros();
  if (group_.processes && now >= next_liveness_check_) {
    next_liveness_check_ = now + kLivenessMicros;
    for (const int r : awaited) {
      if (!ProcessIsAlive(Block(r).process)) gone.push_back(r);
    }
    if (!gone.empty()) {
      LS_RETURN_IF_ERROR(CheckFailure());
      return Unavailable(Describe(gone), " is dead");
    }
  }
  if (now < call.deadline_micros) return Ok();
  return DidNotArrive(call, now, Describe(awaited));
}

void SegmentCommunicator::AwaitWriters(uint64_t phase) const {
  std::atomic_thread_fence(std::memory_order_seq_cst);
  const uint64_t end = Env::Default()->SteadyMicros() + kAwaitWritersMicros;
  Backoff backoff(0);
  for (int r = 0; r < size(); ++r) {
    const SegmentBlock& block = Block(r);
    while (block.step.load(std::memory_order_acquire) >= phase &&
           block.combined.load(std::memory_order_acquire) < phase &&
           block.left.load(std::memory_order_acquire) == 0) {
      if (!backoff.Pause()) continue;
      if (Env::Default()->SteadyMicros() > end) return;
      if (group_.processes && !ProcessIsAlive(block.process)) break;
    }
  }
}

std::string SegmentCommunicator::Describe(const std::vector<int>& ranks) const {
  std::vector<std::string> parts;
  for (const int r : ranks) {
    parts.push_back(group_.processes ? StrCat("rank ", label(r), " (process ",
                                              Block(r).process, ")")
                                     : StrCat("rank ", label(r)));
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
  if (!first) return Ok();
  NoteArrival(call);
  return CheckHeaders(call);
}

Status SegmentCommunicator::CheckHeaders(const CollectiveCall& call) {
  checked_sequence_ = call.header.sequence;
  for (int r = 0; r < size(); ++r) {
    if (r == rank()) continue;
    LS_RETURN_IF_ERROR(
        CheckAgreement(label(rank()), call.header, label(r),
                       Block(r).headers[call.header.sequence % 2]));
  }
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
  size_t left = call.bytes();
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
  size_t left = call.bytes();
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
