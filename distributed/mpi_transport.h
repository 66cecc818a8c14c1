// SPDX-License-Identifier: Apache-2.0
#pragma once

// MpiTransport: the waits and the notices below the MPI communicator.
//
// A rank that fails or leaves sends a notice to all others of its group, who
// look for notices while they wait.

#include <array>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "distributed/collective_call.h"
#include "distributed/mpi_runtime.h"

namespace lockstep {

// What travels ahead of a collective's data, or with it when it fits.
struct MpiPacket {
  static constexpr size_t kInlineBytes = 384;
  CallHeader header;
  alignas(16) std::byte inline_data[kInlineBytes] = {};
};

class MpiTransport {
 public:
  enum Tag : int { kPacketTag = 1, kMessageTag, kDataTag, kNoticeTag };

  // `label` is Communicator's; `failed` says whether the communicator was
  // aborted here; `adopt` gets the failure another rank announced.
  MpiTransport(std::shared_ptr<MpiRuntime> runtime, MPI_Comm comm, int rank,
               int size, std::function<int(int)> label,
               std::function<Status()> failed,
               std::function<void(const Status&)> adopt);
  ~MpiTransport();

  MpiRuntime& runtime() { return *runtime_; }
  const std::shared_ptr<MpiRuntime>& shared_runtime() { return runtime_; }
  MPI_Comm comm() const { return comm_; }

  // Starts a non-blocking call: Post([&](MPI_Request* r) {
  //   return MPI_Ibcast(data, n, MPI_BYTE, root, comm, r); }, &request)
  template <class F>
  Status Post(F start, MPI_Request* request) {
    const std::lock_guard<std::mutex> lock(runtime_->mutex());
    return MpiStatus(start(request), "MPI call");
  }
  // Until all requests are done. `awaited()` lists the ranks that keep it
  // waiting, empty when that is not known.
  Status Wait(const CollectiveCall& call, std::span<MPI_Request> requests,
              const std::function<std::vector<int>()>& awaited);

  // Sends `mine` to all other ranks and gets theirs: packets()[rank]. Checks
  // that all make the same call.
  Status ExchangePackets(const CollectiveCall& call, const MpiPacket& mine);
  const MpiPacket& packet(int rank) const {
    return packets_[static_cast<size_t>(rank)];
  }

  // Never blocks; from any thread. OK: this rank leaves.
  void SendNotices(const Status& why);

 private:
  struct Notice {
    int32_t code = 0;  // kOk: the sender has left
    int32_t rank = 0;
    char message[1024] = {};
  };
  Status ReadNotices();
  std::string Describe(const std::vector<int>& ranks) const;
  Status CheckPeers(const CollectiveCall& call,
                    const std::vector<int>& awaited);

  std::shared_ptr<MpiRuntime> runtime_;  // shared: MPI ends after the last user
  MPI_Comm comm_;
  int rank_;
  int size_;
  std::function<int(int)> label_;
  std::function<Status()> failed_;
  std::function<void(const Status&)> adopt_;
  std::vector<MpiPacket> packets_;
  std::vector<MPI_Request> requests_;     // of ExchangePackets
  std::vector<uint64_t> left_at_micros_;  // 0: the rank has not left
  int spins_;
};

}  // namespace lockstep
