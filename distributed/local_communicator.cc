// SPDX-License-Identifier: Apache-2.0
#include "distributed/local_communicator.h"

#include <new>

#include "distributed/backoff.h"
#include "distributed/segment_communicator.h"
#include "runtime/core/threads.h"

namespace lockstep {
namespace {

// The segments of all ranks, one after the other.
class LocalMemory {
 public:
  LocalMemory(int size, size_t segment_bytes)
      : segment_bytes_(segment_bytes),
        bytes_(static_cast<std::byte*>(operator new (
            static_cast<size_t>(size) * segment_bytes,
            std::align_val_t{4096}))) {
    for (int r = 0; r < size; ++r) {
      SegmentCommunicator::InitSegment(Segment(r));
    }
  }
  ~LocalMemory() { operator delete (bytes_, std::align_val_t{4096}); }
  LocalMemory(const LocalMemory&) = delete;
  LocalMemory& operator=(const LocalMemory&) = delete;

  const std::shared_ptr<KeptArrays>& kept() const { return kept_; }
  std::byte* Segment(int rank) const {
    return bytes_ + static_cast<size_t>(rank) * segment_bytes_;
  }

 private:
  size_t segment_bytes_;
  std::byte* bytes_;
  std::shared_ptr<KeptArrays> kept_ = std::make_shared<KeptArrays>();
};

using Memory = std::shared_ptr<const LocalMemory>;

class LocalCommunicator : public SegmentCommunicator {
 public:
  using SegmentCommunicator::SegmentCommunicator;
  std::string_view backend() const override { return "local"; }

 protected:
  Result<std::unique_ptr<Communicator>> DoSplit(const std::vector<int>& members,
                                                int new_rank) override;
};

std::unique_ptr<Communicator> Make(int rank, int size, size_t half_bytes,
                                   const Memory& memory) {
  SegmentGroup group;
  for (int r = 0; r < size; ++r) group.segments.push_back(memory->Segment(r));
  group.half_bytes = half_bytes;
  group.spins = SpinsFor(size, AffinityCount());
  group.owner = memory;
  group.kept = memory->kept();
  // Threads see all of each other's memory.
  group.bases.resize(group.segments.size());
  return std::make_unique<LocalCommunicator>(rank, std::move(group));
}

// Everyone gathers a pointer to a handle on the first member's memory, takes a
// copy, and the first member drops its handle when all have.
Result<std::unique_ptr<Communicator>> LocalCommunicator::DoSplit(
    const std::vector<int>& members, int new_rank) {
  const int new_size = static_cast<int>(members.size());
  const size_t half = group().half_bytes;
  auto mine = std::make_unique<Memory>();
  if (new_rank == 0) {
    *mine = std::make_shared<const LocalMemory>(new_size, SegmentBytes(half));
  }
  const auto handle =
      static_cast<int64_t>(reinterpret_cast<std::intptr_t>(mine.get()));
  std::vector<int64_t> handles(static_cast<size_t>(size()));
  Status met = AllGather(&handle, handles.data(), 1, kInt64, {.name = "Split"});
  Memory memory;
  if (met.ok()) {
    memory = *reinterpret_cast<const Memory*>(
        static_cast<std::intptr_t>(handles[static_cast<size_t>(members[0])]));
    met = Barrier({.name = "Split"});
  }
  if (!met.ok()) {
    (void)mine.release();  // a late rank may still read it
    return met;
  }
  return Make(new_rank, new_size, half, memory);
}

}  // namespace

std::vector<std::unique_ptr<Communicator>> MakeLocalCommunicators(
    int size, const LocalCommunicatorOptions& options) {
  const size_t half = SegmentCommunicator::HalfBytes(options.half_bytes, size);
  const auto memory = std::make_shared<const LocalMemory>(
      size, SegmentCommunicator::SegmentBytes(half));
  std::vector<std::unique_ptr<Communicator>> ranks;
  for (int r = 0; r < size; ++r) ranks.push_back(Make(r, size, half, memory));
  return ranks;
}

}  // namespace lockstep
