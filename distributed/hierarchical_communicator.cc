// SPDX-License-Identifier: Apache-2.0
#include "distributed/hierarchical_communicator.h"

#include <algorithm>

namespace lockstep {
namespace {

// Up to this many bytes the steps cost more than they save.
constexpr size_t kSmallBytes = 1024;

class HierarchicalCommunicator : public Communicator {
 public:
  explicit HierarchicalCommunicator(RankGroups groups)
      : Communicator(groups.world->rank(), groups.world->size()),
        world_(std::move(groups.world)),
        machine_(std::move(groups.machine)),
        across_(std::move(groups.across)),
        headers_(static_cast<size_t>(machine_->size())) {}

  std::string_view backend() const override { return "hierarchical"; }
  bool between_machines() const override { return true; }
  int update_rank() const override { return machine_->rank(); }
  int update_size() const override { return machine_->size(); }
  std::span<const void* const> StateArrays(int rank) const override {
    return machine_->StateArrays(rank);
  }
  bool sees_arrays() const override { return machine_->sees_arrays(); }
  void ForgetState(void* data, size_t bytes) const override {
    machine_->ForgetState(data, bytes);
  }
  uint64_t OpenOwner() override { return machine_->OpenOwner(); }
  void CloseOwner(uint64_t number, std::vector<Tensor> arrays) override {
    machine_->CloseOwner(number, std::move(arrays));
  }
  std::shared_ptr<Hardware> host() const override { return machine_->host(); }

 protected:
  Status DoAllReduce(const CollectiveCall& call, std::span<const Piece> pieces,
                     double factor, const ElementUpdate* update) override;
  Status DoReduceScatter(const CollectiveCall& call, const void* in,
                         void* out) override {
    LS_RETURN_IF_ERROR(Agree(call));
    return world_->ReduceScatter(in, out, call.header.count, DTypeOf(call),
                                 call.header.op, For(call));
  }
  Status DoAllGather(const CollectiveCall& call, const void* in,
                     void* out) override {
    LS_RETURN_IF_ERROR(Agree(call));
    return world_->AllGather(in, out, call.header.count, DTypeOf(call),
                             For(call));
  }
  Status DoBroadcast(const CollectiveCall& call, void* data) override {
    LS_RETURN_IF_ERROR(Agree(call));
    return world_->Broadcast(data, call.header.count, DTypeOf(call),
                             call.header.peer, For(call));
  }
  Status DoSend(const CollectiveCall& call, const void* data) override {
    return world_->Send(data, call.header.count, DTypeOf(call),
                        call.header.peer, call.header.tag, For(call));
  }
  Status DoRecv(const CollectiveCall& call, void* data) override {
    return world_->Recv(data, call.header.count, DTypeOf(call),
                        call.header.peer, call.header.tag, For(call));
  }
  Status DoBarrier(const CollectiveCall& call) override {
    LS_RETURN_IF_ERROR(Agree(call));
    return world_->Barrier(For(call));
  }
  Result<std::unique_ptr<Communicator>> DoSplit(const std::vector<int>& members,
                                                int) override {
    // Ranks that stay together have one color; their order is settled.
    const auto me = std::ranges::find(members, rank());
    return world_->Split(members[0], static_cast<int>(me - members.begin()));
  }
  // Whoever waits in one of the groups hears of it there, and tells the others.
  void Announce(const Status& why) override {
    machine_->Abort(why);
    across_->Abort(why);
    world_->Abort(why);
  }

 private:
  // The ranks of a machine compare what they call: it decides which group is
  // to come together.
  Status Agree(const CollectiveCall& call) {
    LS_RETURN_IF_ERROR(
        machine_->AllGather(&call.header, headers_.data(), sizeof(CallHeader),
                            kUint8, {.deadline_micros = call.deadline_micros}));
    for (int r = 0; r < machine_->size(); ++r) {
      LS_RETURN_IF_ERROR(CheckAgreement(rank(), call.header, machine_->label(r),
                                        headers_[static_cast<size_t>(r)]));
    }
    return Ok();
  }
  static DType DTypeOf(const CollectiveCall& call) {
    return static_cast<DType>(call.header.dtype);
  }
  static CallOptions For(const CollectiveCall& call) {
    return {.name = call.header.Name(),
            .deadline_micros = call.deadline_micros};
  }

  const std::shared_ptr<Communicator> world_, machine_, across_;
  std::vector<CallHeader> headers_;  // of the ranks of the machine
  std::vector<std::byte> slice_;
};

Status HierarchicalCommunicator::DoAllReduce(const CollectiveCall& call,
                                             std::span<const Piece> pieces,
                                             double factor,
                                             const ElementUpdate* update) {
  LS_RETURN_IF_ERROR(Agree(call));
  const size_t element = call.element_bytes();
  const DType dtype = DTypeOf(call);
  const ReduceOp op = call.header.op;
  const size_t bytes = static_cast<size_t>(call.header.count) * element;
  // A mean of means rounds twice.
  if (update == nullptr && (bytes <= kSmallBytes || op == ReduceOp::kMean)) {
    return world_->AllReduce(pieces, dtype, op, factor, For(call));
  }
  const Slice mine =
      SliceOf(call.header.count, machine_->rank(), machine_->size());
  const int64_t count = mine.end - mine.begin;
  slice_.resize(static_cast<size_t>(count) * element);
  LS_RETURN_IF_ERROR(machine_->ReduceSlice(pieces, dtype, op, factor,
                                           slice_.data(), For(call)));
  LS_RETURN_IF_ERROR(across_->AllReduce(slice_.data(), slice_.data(), count,
                                        dtype, op, For(call)));
  LS_RETURN_IF_ERROR(DeliverPieces(pieces, element, mine.begin, mine.end,
                                   slice_.data(), update));
  return machine_->GatherSlices(pieces, dtype, For(call));
}

}  // namespace

Result<std::unique_ptr<Communicator>> MakeHierarchicalCommunicator(
    RankGroups groups) {
  for (Communicator* group : {groups.machine.get(), groups.across.get()}) {
    const int64_t mine = groups.world->rank();
    std::vector<int64_t> ranks(static_cast<size_t>(group->size()));
    LS_RETURN_IF_ERROR(group->AllGather(&mine, ranks.data(), 1, kInt64));
    group->set_labels({ranks.begin(), ranks.end()});
  }
  return std::unique_ptr<Communicator>(
      std::make_unique<HierarchicalCommunicator>(std::move(groups)));
}

}  // namespace lockstep
