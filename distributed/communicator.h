// SPDX-License-Identifier: Apache-2.0
#pragma once

// Communicator: collectives between the ranks of a job (or of a part of it).
//
// All ranks make the same calls in the same order; a rank that calls something
// else (another collective, name, size, dtype) is found out: every rank gets
// FAILED_PRECONDITION naming two ranks and their calls. Reductions combine
// along one tree over the ranks (reduce.h), so equal inputs give equal bits, on
// every rank and with every backend.
//
// Every call has a deadline: DEADLINE_EXCEEDED names the collective, its
// number, and the ranks that did not arrive where that is known; UNAVAILABLE
// says that a rank is dead or has left. After the first such error, on any
// rank, this and all later calls of all ranks fail with that first cause: the
// job is over. (INVALID_ARGUMENT for one's own bad arguments breaks nothing.)
//
// Calls ending in Async return at once and are made by a thread of the
// communicator's own, in the order of the program: a call waits for those
// before it, asynchronous or not. So ranks need not do alike.
//
// Threading: one call at a time, from any thread; Abort from any thread at any
// time. Not for large groups across machines yet: see docs/distributed.md.
//
//   float loss[2] = {sum, count};
//   LS_RETURN_IF_ERROR(comm.AllReduce(loss, loss, 2, kFloat));
//   LS_RETURN_IF_ERROR(comm.Broadcast(w.data(), n, kFloat, /*root=*/0,
//                                     {.name = "initial values"}));
//   PendingCall sum = comm.AllReduceAsync(x, x, m, kFloat);
//   LS_RETURN_IF_ERROR(sum.Wait());

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "distributed/collective_call.h"
#include "distributed/pending_call.h"
#include "distributed/reduce.h"
#include "runtime/core/status.h"
#include "runtime/core/tensor.h"
#include "runtime/core/trace.h"

namespace lockstep {

class Hardware;

inline constexpr uint64_t kDefaultTimeoutMicros = 30'000'000;

// An array that a rank shows to the others.
struct ShownArray {
  void* data = nullptr;
  size_t bytes = 0;
};

struct CallOptions {
  // Who asks, e.g. a node: in messages, and compared between the ranks.
  std::string_view name = {};
  // Of Env::SteadyMicros; 0: the communicator's timeout from now.
  uint64_t deadline_micros = 0;
};

class Communicator {
 public:
  // Tells the other ranks that this one has left: what they still expect from
  // it fails at once instead of at the deadline.
  virtual ~Communicator() = default;
  Communicator(const Communicator&) = delete;
  Communicator& operator=(const Communicator&) = delete;

  int rank() const { return rank_; }
  int size() const { return size_; }
  virtual std::string_view backend() const = 0;  // "local", "shm", "mpi"
  // The numbers by which messages call the ranks, as those of a larger group;
  // their own unless set.
  void set_labels(std::vector<int> labels) { labels_ = std::move(labels); }
  int label(int rank) const {
    return labels_.empty() ? rank : labels_[static_cast<size_t>(rank)];
  }
  // Whether data goes through a network.
  virtual bool between_machines() const { return false; }
  // Bytes of host memory that this rank keeps for its calls, from start to end.
  virtual size_t buffer_bytes() const { return 0; }
  uint64_t timeout_micros() const { return timeout_micros_; }
  void set_timeout_micros(uint64_t micros) { timeout_micros_ = micros; }
  // Calls from then on are recorded in `trace`, under the same `group` on all
  // ranks; groups that Split makes from then on have numbers of their own.
  void set_trace(std::shared_ptr<Trace> trace, uint16_t group = 0) {
    trace_ = std::move(trace);
    trace_group_ = group;
  }

  // `in` and `out` may be the same array. Of dtypes: float, double, half,
  // bfloat16, integers; UNIMPLEMENTED for others.
  Status AllReduce(const void* in, void* out, int64_t count, DType dtype,
                   ReduceOp op = ReduceOp::kSum,
                   const CallOptions& options = {});
  // Several arrays as one message, each rank's multiplied by its own `factor`
  // first (floating dtypes only, unless 1). A rank with factor 0 contributes
  // zeros, whatever its arrays hold.
  Status AllReduce(std::span<const Piece> pieces, DType dtype, ReduceOp op,
                   double factor, const CallOptions& options = {});
  // The same, but `update` makes the outputs (which it may also read) from the
  // combined values: each element on one rank of each machine, that with
  // update_rank() r those of SliceOf(all, r, update_size()) of the pieces laid
  // end to end, in every call with these counts; a rank with another number
  // none. All ranks get the outputs. Several threads may call `update` at once,
  // for different parts.
  Status AllReduceUpdate(std::span<const Piece> pieces, DType dtype,
                         ReduceOp op, double factor,
                         const ElementUpdate& update,
                         const CallOptions& options = {});
  virtual int update_rank() const { return rank_; }
  virtual int update_size() const { return size_; }
  // The two halves of an AllReduce, where ranks are on one machine (others:
  // UNIMPLEMENTED). Rank r of the first `holders` gets the combined elements
  // SliceOf(all, r, holders) at `slice`; outputs are not written. And: each of
  // these ranks' slices of its outputs goes to all ranks' outputs; inputs are
  // not looked at. Requires 1 <= holders <= size().
  Status ReduceSlice(std::span<const Piece> pieces, DType dtype, ReduceOp op,
                     double factor, int holders, void* slice,
                     const CallOptions& options = {});
  Status GatherSlices(std::span<const Piece> pieces, DType dtype, int holders,
                      const CallOptions& options = {});
  // Calls `work` on each rank when all have come, and returns when all have
  // done it: meanwhile they may read what the others show and write it, each
  // element by one rank. For sums that are made otherwise than array by array;
  // counts as one of `count` elements. UNIMPLEMENTED, which breaks nothing,
  // unless works_together(); FAILED_PRECONDITION unless this rank CanShow its
  // arrays.
  Status WorkTogether(std::span<const ShownArray> arrays, int64_t count,
                      DType dtype, const std::function<Status()>& work,
                      const CallOptions& options = {});
  virtual bool works_together() const { return false; }
  // Whether all ranks see the array; those in the memory of host() they do.
  virtual bool CanShow(const ShownArray& array) const {
    (void)array;
    return false;
  }
  // In `work`: where this process sees the rank's i-th array.
  virtual void* Shown(int rank, size_t i) const {
    (void)rank;
    (void)i;
    return nullptr;
  }
  // `in` has size() * count elements; rank r gets the r-th part, combined.
  Status ReduceScatter(const void* in, void* out, int64_t count, DType dtype,
                       ReduceOp op = ReduceOp::kSum,
                       const CallOptions& options = {});
  // `out` has size() * count elements, in the order of the ranks. Any plain
  // dtype, as in the calls below.
  Status AllGather(const void* in, void* out, int64_t count, DType dtype,
                   const CallOptions& options = {});
  Status Broadcast(void* data, int64_t count, DType dtype, int root,
                   const CallOptions& options = {});
  // Messages between two ranks are matched in order; tag, dtype and count must
  // agree. Send may wait for the receiver. Not counted among the collectives.
  Status Send(const void* data, int64_t count, DType dtype, int to, int tag,
              const CallOptions& options = {});
  Status Recv(void* data, int64_t count, DType dtype, int from, int tag,
              const CallOptions& options = {});
  Status Barrier(const CallOptions& options = {});
  // Makes `call` as the asynchronous calls below are made. Arrays live until
  // the handle is done, handles end before the communicator. The deadline of a
  // call that does not say its own counts from when it begins.
  PendingCall Start(std::function<Status(Communicator&)> call);
  PendingCall AllReduceAsync(const void* in, void* out, int64_t count,
                             DType dtype, ReduceOp op = ReduceOp::kSum,
                             const CallOptions& options = {});
  PendingCall ReduceScatterAsync(const void* in, void* out, int64_t count,
                                 DType dtype, ReduceOp op = ReduceOp::kSum,
                                 const CallOptions& options = {});
  PendingCall AllGatherAsync(const void* in, void* out, int64_t count,
                             DType dtype, const CallOptions& options = {});
  PendingCall BroadcastAsync(void* data, int64_t count, DType dtype, int root,
                             const CallOptions& options = {});
  PendingCall SendAsync(const void* data, int64_t count, DType dtype, int to,
                        int tag, const CallOptions& options = {});
  PendingCall RecvAsync(void* data, int64_t count, DType dtype, int from,
                        int tag, const CallOptions& options = {});
  PendingCall BarrierAsync(const CallOptions& options = {});
  // One communicator for each color, its ranks in the order of (key, rank).
  // Requires color >= 0.
  Result<std::unique_ptr<Communicator>> Split(int color, int key,
                                              const CallOptions& options = {});

  // Where this process sees the state arrays of update_rank() `rank` in the
  // last AllReduceUpdate, all pieces' in order; none where it does not see
  // them. They change in that call only, after all ranks have come to it.
  virtual std::span<const void* const> StateArrays(int rank) const {
    (void)rank;
    return {};
  }
  // Whether it would see them, in arrays of host().
  virtual bool sees_arrays() const { return false; }
  // Parts of a state array that other ranks keep need no memory here: after
  // this they hold zeros, or what they did.
  virtual void ForgetState(void* data, size_t bytes) const {
    (void)data;
    (void)bytes;
  }
  // Owners of state arrays (sessions) come in one order on all ranks; each gets
  // a number. The arrays that one hands over when it ends live until it has
  // ended on all ranks: another one may still read them.
  virtual uint64_t OpenOwner() { return 0; }
  virtual void CloseOwner(uint64_t number, std::vector<Tensor> arrays) {
    (void)number;
    (void)arrays;
  }
  // Host memory whose arrays the reductions above read and write where they
  // are, on all ranks, instead of copying them; null when there is none. For
  // SessionOptions::host.
  virtual std::shared_ptr<Hardware> host() const { return nullptr; }

  // Ends all ranks' pending and later calls with `why` (must be an error).
  void Abort(const Status& why);
  // The first failure, OK when there is none.
  Status status() const;

  // What the calls so far took. To be read between calls.
  struct Totals {
    uint64_t calls = 0;
    uint64_t bytes = 0;          // of one rank's arrays
    uint64_t micros = 0;         // from call to return
    uint64_t micros_waited = 0;  // of these, until all ranks had come
  };
  const Totals& totals() const { return totals_; }
  // Called once, with the first failure, on the thread that meets it; `told`:
  // another rank announced it. Set before the first call; parts that Split
  // makes have it too.
  using FailureFn = std::function<void(const Status& why, bool told)>;
  void set_on_failure(FailureFn f) { on_failure_ = std::move(f); }

 protected:
  // `local_when_alone`: a single rank's calls are copies in host memory, made
  // here; else the implementation gets them too.
  Communicator(int rank, int size, bool local_when_alone = true)
      : rank_(rank), size_(size), local_(local_when_alone && size == 1) {}

  // What an implementation provides. Arguments are checked, size() > 1 (but see
  // the constructor), no failure so far. Errors end the communicator (see
  // Abort). `update` may be null: outputs are the combined values.
  virtual Status DoAllReduce(const CollectiveCall& call,
                             std::span<const Piece> pieces, double factor,
                             const ElementUpdate* update) = 0;
  virtual Status DoReduceSlice(const CollectiveCall& call,
                               std::span<const Piece> pieces, double factor,
                               void* slice);
  virtual Status DoGatherSlices(const CollectiveCall& call,
                                std::span<const Piece> pieces);
  virtual Status DoWorkTogether(const CollectiveCall& call,
                                std::span<const ShownArray> arrays,
                                const std::function<Status()>& work);
  virtual Status DoReduceScatter(const CollectiveCall& call, const void* in,
                                 void* out) = 0;
  virtual Status DoAllGather(const CollectiveCall& call, const void* in,
                             void* out) = 0;
  virtual Status DoBroadcast(const CollectiveCall& call, void* data) = 0;
  virtual Status DoSend(const CollectiveCall& call, const void* data) = 0;
  virtual Status DoRecv(const CollectiveCall& call, void* data) = 0;
  virtual Status DoBarrier(const CollectiveCall& call) = 0;
  // `members`: the ranks of the new group, in its order, this one included.
  // Also called with size() 1.
  virtual Result<std::unique_ptr<Communicator>> DoSplit(
      const std::vector<int>& members, int new_rank) = 0;
  // Tells the other ranks of the first failure. At most once, from any thread.
  virtual void Announce(const Status& why) = 0;

  // All ranks have come to `call`: the rest of it is work.
  void NoteArrival(const CollectiveCall& call);
  // Set once by the first failure; polled by waits.
  bool failed() const { return failed_.load(std::memory_order_acquire); }
  // Passes the call's `result` on; an error ends the communicator.
  Status Finish(const CollectiveCall& call, Status result);
  // For the parts of `call` that other communicators do.
  static CallOptions Within(const CollectiveCall& call) {
    return {.name = call.header.Name(),
            .deadline_micros = call.deadline_micros};
  }
  // Whether the ranks of `group`, some or all of these, make the same call.
  Status AgreeAmong(Communicator& group, const CollectiveCall& call);
  // Another rank announced `why`. Returns the first failure.
  Status Adopt(const Status& why) { return Fail(why, /*announce=*/false); }

 private:
  Status Reduce(std::span<const Piece> pieces, DType dtype, ReduceOp op,
                double factor, const ElementUpdate* update,
                const CallOptions& options);
  // After the asynchronous calls before it: the first failure, if any.
  Status Begin() {
    calls_.Drain();
    return status();
  }
  CollectiveCall NewCall(CallKind kind, int64_t count, DType dtype,
                         const CallOptions& options);
  void Record(const CollectiveCall& call);
  // The first failure is `why` unless there was one before; returns it.
  Status Fail(const Status& why, bool announce);

  const int rank_;
  const int size_;
  const bool local_;
  std::vector<int> labels_;
  Totals totals_;
  uint64_t timeout_micros_ = kDefaultTimeoutMicros;
  uint64_t sequence_ = 0;            // collectives so far
  std::vector<CallHeader> headers_;  // of those that agree
  FailureFn on_failure_;
  std::shared_ptr<Trace> trace_;  // shared with the session; null: none
  uint16_t trace_group_ = 0;
  CallQueue calls_;  // asynchronous ones
  std::atomic<bool> failed_{false};
  mutable std::mutex mu_;
  Status failure_;  // guarded by mu_
};

// Adds up each of `values` over the ranks, in place: metrics of a program.
Status SumOverRanks(Communicator& communicator, std::span<double> values,
                    const CallOptions& options = {});

}  // namespace lockstep
