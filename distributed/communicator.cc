// SPDX-License-Identifier: Apache-2.0
#include "distributed/communicator.h"

#include <algorithm>
#include <cstring>
#include <tuple>

#include "runtime/core/env.h"
#include "runtime/core/progress.h"

namespace lockstep {
namespace {

Status CheckArray(const void* data, int64_t count, DType dtype) {
  if (count < 0) return InvalidArgument("negative count ", count);
  if (!IsPod(dtype)) {
    return InvalidArgument("dtype ", DTypeName(dtype),
                           " cannot be sent between ranks");
  }
  if (data == nullptr && count > 0) return InvalidArgument("null array");
  return Ok();
}

Status CheckReduction(DType dtype, double factor) {
  const ReduceKernels* kernels = FindReduceKernels(dtype);
  if (kernels == nullptr) {
    return Unimplemented("dtype ", DTypeName(dtype),
                         " cannot be reduced over ranks");
  }
  if (factor != 1.0 && kernels->scale == nullptr) {
    return InvalidArgument("dtype ", DTypeName(dtype),
                           " cannot be weighted: it is not floating");
  }
  return Ok();
}

struct EndOfWait {
  ~EndOfWait() { ThisThreadsProgress().EndWait(); }
};

// One rank's own contributions are the combined ones.
Status ReduceAlone(std::span<const Piece> pieces, DType dtype, double factor,
                   const ElementUpdate* update) {
  constexpr int64_t kBlock = 2048;
  alignas(64) std::byte scaled[kBlock * kMaxReducedBytes];
  const size_t element = DTypeSize(dtype);
  const ReduceKernels* kernels = FindReduceKernels(dtype);
  Status first;
  ForEachPart(pieces, 0, TotalCount(pieces), kBlock, [&](const Part& part) {
    const Piece& piece = pieces[part.piece];
    if (!first.ok() ||
        (factor == 1.0 && piece.in == piece.out && update == nullptr)) {
      return;
    }
    GatherPieces({&piece, 1}, element, kernels, factor, part.begin,
                 part.begin + part.count, scaled);
    if (update != nullptr) {
      first = (*update)(part, scaled);
    } else {
      ScatterPieces({&piece, 1}, element, part.begin, part.begin + part.count,
                    scaled);
    }
  });
  return first;
}

Status CopyAlone(const void* in, void* out, int64_t count, DType dtype) {
  if (count > 0) {
    std::memmove(out, in, static_cast<size_t>(count) * DTypeSize(dtype));
  }
  return Ok();
}

}  // namespace

CollectiveCall Communicator::NewCall(CallKind kind, int64_t count, DType dtype,
                                     const CallOptions& options) {
  CollectiveCall call;
  const bool message = kind == CallKind::kSend || kind == CallKind::kRecv;
  call.header.sequence = message ? 0 : ++sequence_;
  call.header.count = count;
  call.header.kind = kind;
  call.header.dtype = dtype;
  call.header.SetName(options.name);
  call.start_micros = Env::Default()->SteadyMicros();
  call.deadline_micros = options.deadline_micros != 0
                             ? options.deadline_micros
                             : call.start_micros + timeout_micros_;
  ThisThreadsProgress().BeginWait({.call = call.header.Verb(),
                                   .number = call.header.sequence,
                                   .peer = message ? call.header.peer : -1,
                                   .name = options.name,
                                   .start_micros = call.start_micros,
                                   .deadline_micros = options.deadline_micros});
  if (trace_ != nullptr) call.trace_begin = trace_->Now();
  return call;
}

void Communicator::Record(const CollectiveCall& call) {
  const uint64_t end = trace_->Now();
  const CallHeader& header = call.header;
  const uint32_t name =
      trace_->Name(TraceKind::kCollective, header.Verb(), header.Name());
  trace_->Add({.begin = call.trace_begin,
               .end = end,
               .bytes = call.bytes(),
               .number = static_cast<uint32_t>(header.sequence),
               .name = name,
               .kind = TraceKind::kCollective,
               .group = trace_group_});
}

// The gather has no name: those that differ are told by the headers.
Status Communicator::AgreeAmong(Communicator& group,
                                const CollectiveCall& call) {
  headers_.resize(static_cast<size_t>(group.size()));
  LS_RETURN_IF_ERROR(
      group.AllGather(&call.header, headers_.data(), sizeof(CallHeader), kUint8,
                      {.deadline_micros = call.deadline_micros}));
  for (int r = 0; r < group.size(); ++r) {
    LS_RETURN_IF_ERROR(CheckAgreement(label(rank_), call.header, group.label(r),
                                      headers_[static_cast<size_t>(r)]));
  }
  return Ok();
}

void Communicator::NoteArrival(const CollectiveCall& call) {
  totals_.micros_waited += Env::Default()->SteadyMicros() - call.start_micros;
}

Status Communicator::Finish(const CollectiveCall& call, Status result) {
  ++totals_.calls;
  totals_.bytes += call.bytes();
  totals_.micros += Env::Default()->SteadyMicros() - call.start_micros;
  // Who fails is seen waiting until the failure is told.
  const EndOfWait end;
  if (trace_ != nullptr) Record(call);
  if (result.ok()) [[likely]]
    return result;
  // A failure that was announced already (by another rank, or by Abort) keeps
  // its own words; one of this call says where.
  if (failed()) return status();
  return Fail(result.WithContext(
                  StrCat("[rank ", label(rank_), "] ", call.header.Title())),
              /*announce=*/true);
}

Status Communicator::Fail(const Status& why, bool announce) {
  Status first;
  {
    const std::lock_guard<std::mutex> lock(mu_);
    if (!failure_.ok()) return failure_;
    failure_ = why;
    first = why;
    failed_.store(true, std::memory_order_release);
  }
  if (announce && size_ > 1) Announce(first);
  if (on_failure_) on_failure_(first, /*told=*/!announce);
  return first;
}

void Communicator::Abort(const Status& why) {
  if (!why.ok()) (void)Fail(why, /*announce=*/true);
}

Status Communicator::status() const {
  if (!failed()) return Ok();
  const std::lock_guard<std::mutex> lock(mu_);
  return failure_;
}

Status Communicator::AllReduce(const void* in, void* out, int64_t count,
                               DType dtype, ReduceOp op,
                               const CallOptions& options) {
  const Piece piece{in, out, count};
  return AllReduce({&piece, 1}, dtype, op, 1.0, options);
}

Status Communicator::AllReduce(std::span<const Piece> pieces, DType dtype,
                               ReduceOp op, double factor,
                               const CallOptions& options) {
  return Reduce(pieces, dtype, op, factor, nullptr, options);
}

Status Communicator::AllReduceUpdate(std::span<const Piece> pieces, DType dtype,
                                     ReduceOp op, double factor,
                                     const ElementUpdate& update,
                                     const CallOptions& options) {
  return Reduce(pieces, dtype, op, factor, &update, options);
}

Status Communicator::Reduce(std::span<const Piece> pieces, DType dtype,
                            ReduceOp op, double factor,
                            const ElementUpdate* update,
                            const CallOptions& options) {
  for (const Piece& piece : pieces) {
    LS_RETURN_IF_ERROR(CheckArray(piece.in, piece.count, dtype));
    LS_RETURN_IF_ERROR(CheckArray(piece.out, piece.count, dtype));
  }
  LS_RETURN_IF_ERROR(CheckReduction(dtype, factor));
  LS_RETURN_IF_ERROR(Begin());
  if (local_) return ReduceAlone(pieces, dtype, factor, update);
  CollectiveCall call =
      NewCall(CallKind::kAllReduce, TotalCount(pieces), dtype, options);
  call.header.op = op;
  return Finish(call, DoAllReduce(call, pieces, factor, update));
}

Status Communicator::ReduceSlice(std::span<const Piece> pieces, DType dtype,
                                 ReduceOp op, double factor, int holders,
                                 void* slice, const CallOptions& options) {
  for (const Piece& piece : pieces) {
    LS_RETURN_IF_ERROR(CheckArray(piece.in, piece.count, dtype));
  }
  LS_RETURN_IF_ERROR(CheckReduction(dtype, factor));
  LS_RETURN_IF_ERROR(Begin());
  const int64_t count = TotalCount(pieces);
  if (local_) {
    GatherPieces(pieces, DTypeSize(dtype), FindReduceKernels(dtype), factor, 0,
                 count, slice);
    return Ok();
  }
  CollectiveCall call = NewCall(CallKind::kReduceSlice, count, dtype, options);
  call.header.op = op;
  call.header.peer = holders;
  return Finish(call, DoReduceSlice(call, pieces, factor, slice));
}

Status Communicator::GatherSlices(std::span<const Piece> pieces, DType dtype,
                                  int holders, const CallOptions& options) {
  for (const Piece& piece : pieces) {
    LS_RETURN_IF_ERROR(CheckArray(piece.out, piece.count, dtype));
  }
  LS_RETURN_IF_ERROR(Begin());
  if (local_) return Ok();
  CollectiveCall call =
      NewCall(CallKind::kGatherSlices, TotalCount(pieces), dtype, options);
  call.header.peer = holders;
  return Finish(call, DoGatherSlices(call, pieces));
}

Status Communicator::WorkTogether(std::span<const ShownArray> arrays,
                                  int64_t count, DType dtype,
                                  const std::function<Status()>& work,
                                  const CallOptions& options) {
  if (!works_together()) {
    return Unimplemented("work on each other's arrays, by backend ", backend());
  }
  LS_RETURN_IF_ERROR(Begin());
  const CollectiveCall call =
      NewCall(CallKind::kWorkTogether, count, dtype, options);
  return Finish(call, DoWorkTogether(call, arrays, work));
}

Status Communicator::DoWorkTogether(const CollectiveCall&,
                                    std::span<const ShownArray>,
                                    const std::function<Status()>&) {
  return Unimplemented("WorkTogether");
}

Status Communicator::DoReduceSlice(const CollectiveCall&,
                                   std::span<const Piece>, double, void*) {
  return Unimplemented("slices, by backend ", backend());
}

Status Communicator::DoGatherSlices(const CollectiveCall&,
                                    std::span<const Piece>) {
  return Unimplemented("slices, by backend ", backend());
}

Status Communicator::ReduceScatter(const void* in, void* out, int64_t count,
                                   DType dtype, ReduceOp op,
                                   const CallOptions& options) {
  LS_RETURN_IF_ERROR(CheckArray(in, count, dtype));
  LS_RETURN_IF_ERROR(CheckArray(out, count, dtype));
  LS_RETURN_IF_ERROR(CheckReduction(dtype, 1.0));
  LS_RETURN_IF_ERROR(Begin());
  if (local_) return CopyAlone(in, out, count, dtype);
  CollectiveCall call =
      NewCall(CallKind::kReduceScatter, count, dtype, options);
  call.header.op = op;
  return Finish(call, DoReduceScatter(call, in, out));
}

Status Communicator::AllGather(const void* in, void* out, int64_t count,
                               DType dtype, const CallOptions& options) {
  LS_RETURN_IF_ERROR(CheckArray(in, count, dtype));
  LS_RETURN_IF_ERROR(CheckArray(out, count, dtype));
  LS_RETURN_IF_ERROR(Begin());
  if (local_) return CopyAlone(in, out, count, dtype);
  const CollectiveCall call =
      NewCall(CallKind::kAllGather, count, dtype, options);
  return Finish(call, DoAllGather(call, in, out));
}

Status Communicator::Broadcast(void* data, int64_t count, DType dtype, int root,
                               const CallOptions& options) {
  LS_RETURN_IF_ERROR(CheckArray(data, count, dtype));
  if (root < 0 || root >= size_) {
    return InvalidArgument("no rank ", root, " among ", size_);
  }
  LS_RETURN_IF_ERROR(Begin());
  if (local_) return Ok();
  CollectiveCall call = NewCall(CallKind::kBroadcast, count, dtype, options);
  call.header.peer = root;
  return Finish(call, DoBroadcast(call, data));
}

Status Communicator::Send(const void* data, int64_t count, DType dtype, int to,
                          int tag, const CallOptions& options) {
  LS_RETURN_IF_ERROR(CheckArray(data, count, dtype));
  if (to < 0 || to >= size_ || to == rank_) {
    return InvalidArgument("rank ", rank_, " of ", size_,
                           " cannot send to rank ", to);
  }
  LS_RETURN_IF_ERROR(Begin());
  CollectiveCall call = NewCall(CallKind::kSend, count, dtype, options);
  call.header.peer = to;
  call.header.tag = tag;
  return Finish(call, DoSend(call, data));
}

Status Communicator::Recv(void* data, int64_t count, DType dtype, int from,
                          int tag, const CallOptions& options) {
  LS_RETURN_IF_ERROR(CheckArray(data, count, dtype));
  if (from < 0 || from >= size_ || from == rank_) {
    return InvalidArgument("rank ", rank_, " of ", size_,
                           " cannot receive from rank ", from);
  }
  LS_RETURN_IF_ERROR(Begin());
  CollectiveCall call = NewCall(CallKind::kRecv, count, dtype, options);
  call.header.peer = from;
  call.header.tag = tag;
  return Finish(call, DoRecv(call, data));
}

Status Communicator::Barrier(const CallOptions& options) {
  LS_RETURN_IF_ERROR(Begin());
  if (local_) return Ok();
  const CollectiveCall call = NewCall(CallKind::kBarrier, 0, kUint8, options);
  return Finish(call, DoBarrier(call));
}

Result<std::unique_ptr<Communicator>> Communicator::Split(
    int color, int key, const CallOptions& options) {
  if (color < 0) return InvalidArgument("negative color ", color);
  const int32_t mine[2] = {color, key};
  std::vector<int32_t> all(2 * static_cast<size_t>(size_));
  LS_RETURN_IF_ERROR(AllGather(mine, all.data(), 2, kInt32, options));
  std::vector<int> members;
  for (int r = 0; r < size_; ++r) {
    if (all[2 * static_cast<size_t>(r)] == color) members.push_back(r);
  }
  std::ranges::stable_sort(
      members, {}, [&](int r) { return all[2 * static_cast<size_t>(r) + 1]; });
  const auto me = std::ranges::find(members, rank_);
  auto made = DoSplit(members, static_cast<int>(me - members.begin()));
  if (!made.ok()) {
    return Fail(made.status().WithContext(StrCat("[rank ", rank_, "] Split")),
                /*announce=*/true);
  }
  (*made)->set_timeout_micros(timeout_micros_);
  (*made)->on_failure_ = on_failure_;
  if (trace_ != nullptr) {
    // The same on all members: the number of the call that split, the color.
    (*made)->set_trace(
        trace_, static_cast<uint16_t>((trace_group_ * 31 + sequence_) * 257 +
                                      static_cast<uint64_t>(color) + 1));
  }
  return made;
}

Status SumOverRanks(Communicator& communicator, std::span<double> values,
                    const CallOptions& options) {
  return communicator.AllReduce(values.data(), values.data(),
                                static_cast<int64_t>(values.size()), kDouble,
                                ReduceOp::kSum, options);
}

}  // namespace lockstep
