// SPDX-License-Identifier: Apache-2.0
#pragma once

// SegmentCommunicator: collectives over memory that all ranks see, be they
// threads (local_communicator.h) or processes (shared_memory_communicator.h).
//
// Each rank owns one segment: a block of counters, a table, and two halves of
// data. Arrays that all ranks see where they are (host()) are not copied: each
// rank says where its are, publishes a step number, waits until all others
// have, combines its own slice of all ranks' arrays and writes the result to
// all of them; after a second step the call is over. Other arrays go through
// the halves: a rank copies what others combine into one, publishes, combines
// its own slice, and after a second step everybody copies the combined slices
// out. The halves alternate: by the time one is written again, everyone has
// published the step of the other, and so has finished reading the first.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>

#include "distributed/communicator.h"

namespace lockstep {

class SharedHost;

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
  // The step of the last reduction in place in which this rank has stopped
  // writing to other ranks' arrays.
  alignas(64) std::atomic<uint64_t> combined{0};
  // Of the reduction that begins.
  alignas(64) double factor = 1;
  uint32_t in_place = 0;  // the table says where inputs and outputs are
  // Owners of state arrays that have ended: all below this number.
  alignas(64) std::atomic<uint64_t> owners_ended{0};
  // The job's first failure; rank 0's block alone is used.
  enum : uint32_t { kNone = 0, kWriting = 1, kReady = 2 };
  alignas(64) std::atomic<uint32_t> failure_state{kNone};
  int32_t failure_code = 0;
  char failure_message[1024] = {};
};
static_assert(std::atomic<uint64_t>::is_always_lock_free);

// Where an array is, from its rank's SegmentGroup::bases on.
using ArrayPlace = uint64_t;

// State arrays of owners that have not ended on all ranks.
struct KeptArrays {
  struct Entry {
    uint64_t owner = 0;
    int rank = 0;
    std::vector<Tensor> arrays;
  };
  std::mutex mutex;
  std::vector<Entry> entries;
};

struct SegmentGroup {
  std::vector<std::byte*> segments;  // by rank; SegmentBytes(half_bytes) each
  size_t half_bytes = 0;             // see HalfBytes
  int spins = 0;                     // see SpinsFor
  bool processes = false;            // ranks are processes on this machine
  // The addresses at which this process sees the memory that each rank shares;
  // empty: ranks see no arrays of each other.
  std::vector<std::uintptr_t> bases;
  // This rank's such memory; null when all of the process's is (threads).
  std::shared_ptr<SharedHost> host;
  // Keeps the segments; shared: the last rank to go frees them.
  std::shared_ptr<const void> owner;
  // The same of arrays; of processes it is never freed.
  std::shared_ptr<KeptArrays> kept;
};

// The largest all-reduce that is done in one piece.
inline constexpr size_t kDefaultHalfBytes = 256 * 1024;

// Element `elements` of an array.
template <class T>
T* At(T* base, int64_t elements, size_t element_bytes) {
  return base + static_cast<size_t>(elements) * element_bytes;
}

class SegmentCommunicator : public Communicator {
 public:
  // Reductions of more arrays than these go through the halves.
  static constexpr size_t kMaxArrays = 8192;
  // What SegmentGroup::half_bytes becomes for a wish (0: the default).
  static size_t HalfBytes(size_t wanted, int size);
  // Memory for one rank.
  static size_t SegmentBytes(size_t half_bytes);
  // To be called by the owner, before any rank uses the group.
  static void InitSegment(std::byte* segment);

  SegmentCommunicator(int rank, SegmentGroup group);
  ~SegmentCommunicator() override;
  size_t buffer_bytes() const override {
    return SegmentBytes(group_.half_bytes);
  }
  std::shared_ptr<Hardware> host() const override;
  bool sees_arrays() const override { return !group_.bases.empty(); }
  bool works_together() const override { return sees_arrays(); }
  bool CanShow(const ShownArray& array) const override;
  void* Shown(int rank, size_t i) const override {
    return ArrayAt(rank, Table(rank)[i], 0);
  }
  void ForgetState(void* data, size_t bytes) const override;
  uint64_t OpenOwner() override;
  void CloseOwner(uint64_t number, std::vector<Tensor> arrays) override;
  std::span<const void* const> StateArrays(int rank) const override {
    return state_arrays_[static_cast<size_t>(rank)];
  }

 protected:
  const SegmentGroup& group() const { return group_; }

  Status DoAllReduce(const CollectiveCall& call, std::span<const Piece> pieces,
                     double factor, const ElementUpdate* update) override;
  Status DoReduceSlice(const CollectiveCall& call,
                       std::span<const Piece> pieces, double factor,
                       void* slice) override;
  Status DoGatherSlices(const CollectiveCall& call,
                        std::span<const Piece> pieces) override;
  Status DoWorkTogether(const CollectiveCall& call,
                        std::span<const ShownArray> arrays,
                        const std::function<Status()>& work) override;
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
  // Reductions: see segment_reduce.cc.
  struct Reduction;
  // State arrays, then inputs and outputs of all pieces.
  ArrayPlace* Table(int rank) const;
  Status PublishPlaces(const Reduction& reduction);
  void LearnStateArrays(size_t count);
  bool AllInPlace() const;
  std::byte* ArrayAt(int rank, ArrayPlace place, size_t offset) const;
  template <class Work>
  Status OnSharedArrays(const CollectiveCall& call, const Work& work);
  Status TryInPlace(const Reduction& reduction, bool* done);
  void AwaitWriters(uint64_t phase) const;
  Status CombineMine(const Reduction& reduction);
  Status CombineInPlace(const Reduction& reduction,
                        std::span<const double> factors, int64_t begin,
                        int64_t end) const;
  Status ReduceSmall(const Reduction& reduction);
  Status Reduce(const Reduction& reduction);
  Status ReduceThroughHalves(const Reduction& reduction);
  Status ReduceRound(const Reduction& reduction, int64_t round, int64_t most);
  Status CombineRound(const Reduction& reduction, const Slice& mine,
                      int64_t most);
  // Whose half holds the slice that `rank` combined.
  int HolderOf(int rank) const { return (rank + 1) % size(); }

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
  std::vector<double> factors_;       // the same
  std::vector<bool> owner_ended_;     // by number
  // Of the last AllReduceUpdate, by rank.
  std::vector<std::vector<const void*>> state_arrays_;
};

}  // namespace lockstep
