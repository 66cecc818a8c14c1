// SPDX-License-Identifier: Apache-2.0
#pragma once

// SegmentCommunicator: collectives over memory that all ranks see, be they
// threads (local_communicator.h) or processes (shared_memory_communicator.h).
//
// Each rank owns one segment: a block of counters and two halves of data. A
// rank copies what others combine into a half, publishes a step number, waits
// until all others have, and combines its own slice straight from all
// segments; after a second step everybody copies the combined slices out. The
// halves alternate: by the time one is written again, everyone has published
// the step of the other, and so has finished reading the first.

#include <atomic>
#include <cstddef>

#include "distributed/communicator.h"

namespace lockstep {

// Lives in memory shared by processes: only plain bytes and lock-free atomics.
struct SegmentBlock {
  // Written by the owner, polled by all.
  alignas(64) std::atomic<uint64_t> step{0};
  alignas(64) std::atomic<uint32_t> left{0};
  int32_t process = 0;
  // Of the calls with even and odd sequence numbers.
  alignas(64) CallHeader headers[2];
  // Messages (Send): the owner posts one chunk at a time, as
  // number << 16 | receiver; the receiver answers with the number.
  alignas(64) std::atomic<uint64_t> posted{0};
  int64_t chunk_bytes = 0;
  CallHeader message;
  alignas(64) std::atomic<uint64_t> taken{0};
  // The job's first failure; rank 0's block alone is used.
  enum : uint32_t { kNone = 0, kWriting = 1, kReady = 2 };
  alignas(64) std::atomic<uint32_t> failure_state{kNone};
  int32_t failure_code = 0;
  char failure_message[1024] = {};
};
static_assert(std::atomic<uint64_t>::is_always_lock_free);

struct SegmentGroup {
  std::vector<std::byte*> segments;  // by rank; SegmentBytes(half_bytes) each
  size_t half_bytes = 0;   // a multiple of 4096, at least 64 for each rank
  int spins = 0;           // see SpinsFor
  bool processes = false;  // ranks are processes on this machine
  // Keeps the segments; shared: the last rank to go frees them.
  std::shared_ptr<const void> owner;
};

// The largest all-reduce that is done in one piece.
inline constexpr size_t kDefaultHalfBytes = 256 * 1024;

class SegmentCommunicator : public Communicator {
 public:
  // What SegmentGroup::half_bytes becomes for a wish (0: the default).
  static size_t HalfBytes(size_t wanted, int size);
  // Memory for one rank.
  static size_t SegmentBytes(size_t half_bytes);
  // To be called by the owner, before any rank uses the group.
  static void InitSegment(std::byte* segment);

  SegmentCommunicator(int rank, SegmentGroup group);
  ~SegmentCommunicator() override;

 protected:
  const SegmentGroup& group() const { return group_; }

  Status DoAllReduce(const CollectiveCall& call, std::span<const Piece> pieces,
                     double factor) override;
  Status DoReduceScatter(const CollectiveCall& call, const void* in,
                         void* out) override;
  Status DoAllGather(const CollectiveCall& call, const void* in,
                     void* out) override;
  Status DoBroadcast(const CollectiveCall& call, void* data) override;
  Status DoSend(const CollectiveCall& call, const void* data) override;
  Status DoRecv(const CollectiveCall& call, void* data) override;
  Status DoBarrier(const CollectiveCall& call) override;
  void Announce(const Status& why) override;

 private:
  SegmentBlock& Block(int rank) const;
  std::byte* Outbox(int rank) const;
  // The data of the half now in use.
  std::byte* Half(int rank) const;
  void NextHalf() { half_ ^= 1; }

  // Every rank arrives at its step of the same number. The first one of a call
  // compares what the ranks call.
  Status Sync(const CollectiveCall& call);
  Status CheckHeaders(const CollectiveCall& call);
  // One chunk of an all-reduce: elements [begin, end) of the pieces.
  Status ReduceSmallChunk(const CollectiveCall& call,
                          std::span<const Piece> pieces, double factor,
                          int64_t begin, int64_t end);
  Status ReduceChunk(const CollectiveCall& call, std::span<const Piece> pieces,
                     double factor, int64_t begin, int64_t end);
  // Whose half holds the slice that `rank` combined.
  int HolderOf(int rank) const { return (rank + 1) % size(); }
  // The slice of the chunk (which begins at element `begin`) that this rank
  // combines: for the others, and to its own arrays.
  void CombineSlice(const CollectiveCall& call, std::span<const Piece> pieces,
                    double factor, int64_t begin, Slice slice);

  // Waits until done(). `awaited()` lists the ranks that keep it waiting.
  template <class Done, class Awaited>
  Status Wait(const CollectiveCall& call, Done done, Awaited awaited);
  // Another rank's failure becomes ours.
  Status CheckFailure();
  // The slow part of a wait: failures, ranks that left or died, the deadline.
  Status CheckPeers(const CollectiveCall& call,
                    const std::vector<int>& awaited);
  std::string Describe(const std::vector<int>& ranks) const;

  SegmentGroup group_;
  uint64_t step_ = 0;
  int half_ = 0;
  int last_receiver_ = 0;
  uint64_t checked_sequence_ = 0;
  uint64_t next_liveness_check_ = 0;
  std::vector<const void*> sources_;  // scratch, one for each rank
};

}  // namespace lockstep
