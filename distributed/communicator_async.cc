// SPDX-License-Identifier: Apache-2.0
// Calls of a communicator by handle: each is the call of the same name, made
// by the communicator's own thread.
#include <string>
#include <utility>

#include "distributed/communicator.h"

namespace lockstep {
namespace {

// CallOptions that outlive the caller's name.
struct KeptOptions {
  explicit KeptOptions(const CallOptions& options)
      : name(options.name), deadline_micros(options.deadline_micros) {}
  CallOptions options() const {
    return {.name = name, .deadline_micros = deadline_micros};
  }
  std::string name;
  uint64_t deadline_micros;
};

}  // namespace

PendingCall Communicator::Start(std::function<Status(Communicator&)> call) {
  return calls_.Post([this, call = std::move(call)] { return call(*this); });
}

PendingCall Communicator::AllReduceAsync(const void* in, void* out,
                                         int64_t count, DType dtype,
                                         ReduceOp op,
                                         const CallOptions& options) {
  return Start([=, kept = KeptOptions(options)](Communicator& c) {
    return c.AllReduce(in, out, count, dtype, op, kept.options());
  });
}

PendingCall Communicator::ReduceScatterAsync(const void* in, void* out,
                                             int64_t count, DType dtype,
                                             ReduceOp op,
                                             const CallOptions& options) {
  return Start([=, kept = KeptOptions(options)](Communicator& c) {
    return c.ReduceScatter(in, out, count, dtype, op, kept.options());
  });
}

PendingCall Communicator::AllGatherAsync(const void* in, void* out,
                                         int64_t count, DType dtype,
                                         const CallOptions& options) {
  return Start([=, kept = KeptOptions(options)](Communicator& c) {
    return c.AllGather(in, out, count, dtype, kept.options());
  });
}

PendingCall Communicator::BroadcastAsync(void* data, int64_t count, DType dtype,
                                         int root, const CallOptions& options) {
  return Start([=, kept = KeptOptions(options)](Communicator& c) {
    return c.Broadcast(data, count, dtype, root, kept.options());
  });
}

PendingCall Communicator::SendAsync(const void* data, int64_t count,
                                    DType dtype, int to, int tag,
                                    const CallOptions& options) {
  return Start([=, kept = KeptOptions(options)](Communicator& c) {
    return c.Send(data, count, dtype, to, tag, kept.options());
  });
}

PendingCall Communicator::RecvAsync(void* data, int64_t count, DType dtype,
                                    int from, int tag,
                                    const CallOptions& options) {
  return Start([=, kept = KeptOptions(options)](Communicator& c) {
    return c.Recv(data, count, dtype, from, tag, kept.options());
  });
}

PendingCall Communicator::BarrierAsync(const CallOptions& options) {
  return Start([kept = KeptOptions(options)](Communicator& c) {
    return c.Barrier(kept.options());
  });
}

}  // namespace lockstep
