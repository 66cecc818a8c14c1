// SPDX-License-Identifier: Apache-2.0
#include "distributed/shared_memory_communicator.h"

#include <cstdint>

#include "distributed/backoff.h"
#include "distributed/process_state.h"

namespace lockstep {
namespace {

class SharedMemoryCommunicator : public SegmentCommunicator {
 public:
  SharedMemoryCommunicator(int rank, SegmentGroup group,
                           std::shared_ptr<MpiRuntime> runtime, MPI_Comm comm)
      : SegmentCommunicator(rank, std::move(group)),
        runtime_(std::move(runtime)),
        comm_(comm) {}
  ~SharedMemoryCommunicator() override {
    if (failed()) runtime_->NoteFailure();
  }
  std::string_view backend() const override { return "shm"; }

 protected:
  Result<std::unique_ptr<Communicator>> DoSplit(const std::vector<int>& members,
                                                int new_rank) override;

 private:
  // Shared: MPI ends after the last communicator.
  std::shared_ptr<MpiRuntime> runtime_;
  MPI_Comm comm_;
};

constexpr size_t kPage = 4096;

// MPI promises no alignment. Every process maps whole pages, so rounding up
// gives the same byte of the window in all of them.
std::byte* AlignToPage(void* address) {
  const auto number = reinterpret_cast<std::uintptr_t>(address);
  return static_cast<std::byte*>(address) + (kPage - number % kPage) % kPage;
}

// The window's memory, one segment a rank.
Status AllocateWindow(MpiRuntime& runtime, MPI_Comm comm, size_t bytes,
                      std::vector<std::byte*>* segments) {
  const std::lock_guard<std::mutex> lock(runtime.mutex());
  MPI_Info info = MPI_INFO_NULL;
  LS_MPI(MPI_Info_create, &info);
  LS_MPI(MPI_Info_set, info, "alloc_shared_noncontig", "true");
  void* mine = nullptr;
  MPI_Win window = MPI_WIN_NULL;
  const int code = MPI_Win_allocate_shared(static_cast<MPI_Aint>(bytes + kPage),
                                           1, info, comm, &mine, &window);
  MPI_Info_free(&info);
  int all_have = code == MPI_SUCCESS ? 1 : 0;
  LS_MPI(MPI_Allreduce, MPI_IN_PLACE, &all_have, 1, MPI_INT, MPI_MIN, comm);
  if (all_have == 0) {
    const Status here = MpiStatus(code, "MPI_Win_allocate_shared");
    return ResourceExhausted(
        "no shared memory of ", HumanBytes(bytes), " for each rank: ",
        here.ok() ? "refused on another rank" : here.message());
  }
  for (size_t r = 0; r < segments->size(); ++r) {
    MPI_Aint size = 0;
    int unit = 0;
    void* base = nullptr;
    LS_MPI(MPI_Win_shared_query, window, static_cast<int>(r), &size, &unit,
           &base);
    (*segments)[r] = AlignToPage(base);
  }
  SegmentCommunicator::InitSegment(AlignToPage(mine));
  LS_MPI(MPI_Barrier, comm);
  // Freed with the job, in the order of creation, which all ranks share.
  runtime.windows().push_back(window);
  return Ok();
}

Result<std::unique_ptr<Communicator>> SharedMemoryCommunicator::DoSplit(
    const std::vector<int>& members, int new_rank) {
  MPI_Comm sub = MPI_COMM_NULL;
  {
    // All ranks have just met in Split's gather: this does not block for long.
    const std::lock_guard<std::mutex> lock(runtime_->mutex());
    LS_MPI(MPI_Comm_split, comm_, members[0], new_rank, &sub);
  }
  return MakeSharedMemoryCommunicator(runtime_, sub, group().half_bytes);
}

}  // namespace

Result<std::unique_ptr<Communicator>> MakeSharedMemoryCommunicator(
    std::shared_ptr<MpiRuntime> runtime, MPI_Comm comm, size_t half_bytes) {
  int rank = 0;
  int size = 1;
  LS_MPI(MPI_Comm_rank, comm, &rank);
  LS_MPI(MPI_Comm_size, comm, &size);
  SegmentGroup group;
  group.half_bytes = SegmentCommunicator::HalfBytes(half_bytes, size);
  group.segments.resize(static_cast<size_t>(size));
  LS_RETURN_IF_ERROR(AllocateWindow(
      *runtime, comm, SegmentCommunicator::SegmentBytes(group.half_bytes),
      &group.segments));
  group.spins = SpinsFor(static_cast<int>(runtime->node_masks().size()),
                         CountProcessors(runtime->node_masks()));
  group.processes = true;
  std::unique_ptr<Communicator> made =
      std::make_unique<SharedMemoryCommunicator>(rank, std::move(group),
                                                 std::move(runtime), comm);
  return made;
}

}  // namespace lockstep
