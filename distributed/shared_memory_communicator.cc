// SPDX-License-Identifier: Apache-2.0
#include "distributed/shared_memory_communicator.h"

#include <unistd.h>

#include <cstdint>

#include "distributed/backoff.h"
#include "distributed/process_state.h"
#include "runtime/device/shared_host.h"

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

// Ranks that are late may read the arrays of one whose program is about to end.
std::shared_ptr<KeptArrays> KeptUntilExit() {
  static auto& all = *new std::vector<std::shared_ptr<KeptArrays>>;
  static auto& mutex = *new std::mutex;
  const std::lock_guard<std::mutex> lock(mutex);
  return all.emplace_back(std::make_shared<KeptArrays>());
}

// What a rank tells the others of the memory that it shares.
struct SharedFile {
  int32_t process = 0;
  int32_t file = -1;  // none
  uint64_t mark = 0;
};

// Maps the memory of all ranks, or of none where one of them could not be.
Status MapMemory(MpiRuntime& runtime, MPI_Comm comm,
                 const std::shared_ptr<SharedHost>& mine, SegmentGroup* group) {
  SharedFile file{.process = static_cast<int32_t>(getpid())};
  if (mine != nullptr) {
    file.file = mine->file();
    file.mark = mine->mark();
  }
  const std::lock_guard<std::mutex> lock(runtime.mutex());
  std::vector<SharedFile> files(group->segments.size());
  LS_MPI(MPI_Allgather, &file, sizeof(file), MPI_BYTE, files.data(),
         sizeof(file), MPI_BYTE, comm);
  auto views = std::make_shared<std::vector<std::unique_ptr<SharedHostView>>>();
  int all = 1;
  for (const SharedFile& f : files) {
    auto view = SharedHostView::Open(f.process, f.file, f.mark);
    if (!view.ok()) {
      all = 0;
      break;
    }
    views->push_back(*std::move(view));
  }
  LS_MPI(MPI_Allreduce, MPI_IN_PLACE, &all, 1, MPI_INT, MPI_MIN, comm);
  if (all == 0) return Ok();  // arrays are copied instead
  int rank = 0;
  LS_MPI(MPI_Comm_rank, comm, &rank);
  for (const auto& view : *views) {
    group->bases.push_back(reinterpret_cast<std::uintptr_t>(view->base()));
  }
  // The rank's own arrays where it uses them.
  group->bases[static_cast<size_t>(rank)] =
      reinterpret_cast<std::uintptr_t>(mine->base());
  group->owner = std::move(views);
  group->host = mine;
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
  return MakeSharedMemoryCommunicator(runtime_, sub, group().half_bytes,
                                      group().host);
}

}  // namespace

Result<std::unique_ptr<Communicator>> MakeSharedMemoryCommunicator(
    std::shared_ptr<MpiRuntime> runtime, MPI_Comm comm, size_t half_bytes,
    std::shared_ptr<SharedHost> host) {
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
  if (host == nullptr) {
    if (auto made = SharedHost::Make(size); made.ok()) host = *std::move(made);
  }
  LS_RETURN_IF_ERROR(MapMemory(*runtime, comm, host, &group));
  group.kept = KeptUntilExit();
  group.spins = SpinsFor(static_cast<int>(runtime->node_masks().size()),
                         CountProcessors(runtime->node_masks()));
  group.processes = true;
  std::unique_ptr<Communicator> made =
      std::make_unique<SharedMemoryCommunicator>(rank, std::move(group),
                                                 std::move(runtime), comm);
  return made;
}

}  // namespace lockstep
