// SPDX-License-Identifier: Apache-2.0
#include "distributed/hierarchical_communicator.h"

#include <algorithm>

namespace lockstep {
namespace {

// Up to this many bytes the steps cost more than they save.
constexpr size_t kSmallBytes = 1024;

class HierarchicalCommunicator : public Communicator {
 public:
  // `holders`: the ranks of each machine that talk to others. `sees`: whether
  // on every machine its ranks see each other's arrays.
  HierarchicalCommunicator(RankGroups groups, int holders, bool sees)
      : Communicator(groups.world->rank(), groups.world->size()),
        holders_(holders),
        sees_arrays_(sees),
        world_(std::move(groups.world)),
        machine_(std::move(groups.machine)),
        across_(std::move(groups.across)) {}

  std::string_view backend() const override { return "hierarchical"; }
  bool between_machines() const override { return true; }
  size_t buffer_bytes() const override {
    return world_->buffer_bytes() + machine_->buffer_bytes() +
           (across_ == nullptr ? 0 : across_->buffer_bytes());
  }
  int update_rank() const override { return machine_->rank(); }
  int update_size() const override { return holders_; }
  std::span<const void* const> StateArrays(int rank) const override {
    return machine_->size() == 1 ? std::span<const void* const>(own_states_)
                                 : machine_->StateArrays(rank);
  }
  bool sees_arrays() const override { return sees_arrays_; }
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
    return world_->ReduceScatter(in, out, call.header.count, call.dtype(),
                                 call.header.op, Within(call));
  }
  Status DoAllGather(const CollectiveCall& call, const void* in,
                     void* out) override {
    LS_RETURN_IF_ERROR(Agree(call));
    return world_->AllGather(in, out, call.header.count, call.dtype(),
                             Within(call));
  }
  Status DoBroadcast(const CollectiveCall& call, void* data) override {
    LS_RETURN_IF_ERROR(Agree(call));
    return world_->Broadcast(data, call.header.count, call.dtype(),
                             call.header.peer, Within(call));
  }
  Status DoSend(const CollectiveCall& call, const void* data) override {
    return world_->Send(data, call.header.count, call.dtype(), call.header.peer,
                        call.header.tag, Within(call));
  }
  Status DoRecv(const CollectiveCall& call, void* data) override {
    return world_->Recv(data, call.header.count, call.dtype(), call.header.peer,
                        call.header.tag, Within(call));
  }
  Status DoBarrier(const CollectiveCall& call) override {
    LS_RETURN_IF_ERROR(Agree(call));
    return world_->Barrier(Within(call));
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
    if (across_ != nullptr) across_->Abort(why);
    world_->Abort(why);
  }

 private:
  // The ranks of a machine compare what they call: it decides which group is
  // to come together.
  Status Agree(const CollectiveCall& call) {
    return AgreeAmong(*machine_, call);
  }
  // Of the parts of a reduction.
  static ReduceOp PartialOp(ReduceOp op) {
    return op == ReduceOp::kMean ? ReduceOp::kSum : op;
  }

  Status SumAcross(const CollectiveCall& call, std::span<const Piece> pieces,
                   const Slice& mine, const ElementUpdate* update);

  const int holders_;
  const bool sees_arrays_;
  const std::shared_ptr<Communicator> world_, machine_, across_;
  std::vector<std::byte> slice_;
  std::vector<const void*> own_states_;  // of the last update, of a rank alone
};

// A mean of sums that are complete already.
void DivideByRanks(const ReduceKernels& kernels, int ranks, size_t element,
                   int64_t count, std::byte* data) {
  constexpr int64_t kBlock = 1024;
  const std::vector<std::byte> zeros(static_cast<size_t>(kBlock) * element);
  std::vector<const void*> sources(static_cast<size_t>(ranks), zeros.data());
  for (int64_t at = 0; at < count; at += kBlock) {
    std::byte* part = data + static_cast<size_t>(at) * element;
    sources[0] = part;
    kernels.combine(ReduceOp::kMean, sources, {}, part,
                    std::min(kBlock, count - at));
  }
}

Status HierarchicalCommunicator::DoAllReduce(const CollectiveCall& call,
                                             std::span<const Piece> pieces,
                                             double factor,
                                             const ElementUpdate* update) {
  LS_RETURN_IF_ERROR(Agree(call));
  const size_t element = call.element_bytes();
  const DType dtype = call.dtype();
  const ReduceOp op = call.header.op;
  const size_t bytes = static_cast<size_t>(call.header.count) * element;
  // Sums within machines would round or overflow before they are divided.
  if (update == nullptr && (bytes <= kSmallBytes || op == ReduceOp::kMean)) {
    return world_->AllReduce(pieces, dtype, op, factor, Within(call));
  }
  own_states_.clear();
  for (const Piece& piece : pieces) {
    own_states_.insert(own_states_.end(), piece.state.begin(),
                       piece.state.end());
  }
  const Slice mine = SliceOf(call.header.count, machine_->rank(), holders_);
  slice_.resize(static_cast<size_t>(mine.end - mine.begin) * element);
  LS_RETURN_IF_ERROR(machine_->ReduceSlice(pieces, dtype, PartialOp(op), factor,
                                           holders_, slice_.data(),
                                           Within(call)));
  if (across_ != nullptr) {
    LS_RETURN_IF_ERROR(SumAcross(call, pieces, mine, update));
  }
  return machine_->GatherSlices(pieces, dtype, holders_, Within(call));
}

Status HierarchicalCommunicator::SumAcross(const CollectiveCall& call,
                                           std::span<const Piece> pieces,
                                           const Slice& mine,
                                           const ElementUpdate* update) {
  const DType dtype = call.dtype();
  const int64_t count = mine.end - mine.begin;
  LS_RETURN_IF_ERROR(across_->AllReduce(slice_.data(), slice_.data(), count,
                                        dtype, PartialOp(call.header.op),
                                        Within(call)));
  if (call.header.op == ReduceOp::kMean) {
    DivideByRanks(*FindReduceKernels(dtype), size(), call.element_bytes(),
                  count, slice_.data());
  }
  return DeliverPieces(pieces, call.element_bytes(), mine.begin, mine.end,
                       slice_.data(), update);
}

}  // namespace

Result<std::unique_ptr<Communicator>> MakeHierarchicalCommunicator(
    RankGroups groups) {
  for (Communicator* group : {groups.machine.get(), groups.across.get()}) {
    if (group == nullptr) continue;
    const int64_t mine = groups.world->rank();
    std::vector<int64_t> ranks(static_cast<size_t>(group->size()));
    LS_RETURN_IF_ERROR(group->AllGather(&mine, ranks.data(), 1, kInt64));
    group->set_labels({ranks.begin(), ranks.end()});
  }
  const Communicator& machine = *groups.machine;
  const bool sees = machine.sees_arrays() || machine.size() == 1;
  int32_t least[] = {machine.size(), sees ? 1 : 0};
  LS_RETURN_IF_ERROR(
      groups.world->AllReduce(least, least, 2, kInt32, ReduceOp::kMin));
  if ((groups.across != nullptr) != (machine.rank() < least[0])) {
    return InvalidArgument("rank ", groups.world->rank(), " is number ",
                           machine.rank(), " of its machine, of which ",
                           least[0], " talk to other machines");
  }
  return std::unique_ptr<Communicator>(
      std::make_unique<HierarchicalCommunicator>(std::move(groups), least[0],
                                                 least[1] != 0));
}

}  // namespace lockstep
