// SPDX-License-Identifier: Apache-2.0
#pragma once

// GpuExchange: the way that a session's gradients take from GPU to GPU, by NCCL
// instead of over the host: where each rank has a GPU of its own that a library
// of communication knows. UseDataParallel makes one for each session.
//
//   GpuExchange exchange(communicator, NcclLinks());
//   LS_RETURN_IF_ERROR(exchange.Open(gpus));     // all ranks
//   if (exchange.communicator() != nullptr) ...

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "distributed/communicator.h"
#include "runtime/device/hardware.h"

namespace lockstep {

// A communicator for arrays in the memory of GPUs.
class GpuCommunicator : public Communicator {
 public:
  // Calls from now on read and write arrays in the order of the stream (a
  // cudaStream_t): after what it has been given, before what it is given next.
  // Null: what was enqueued on the arrays is done.
  virtual void FollowStream(void* stream) = 0;

 protected:
  using Communicator::Communicator;
};

// A library of communication between GPUs.
struct GpuLinks {
  // What tells the GPU from all others of the job; empty when the library does
  // not know it.
  std::function<std::string(const Hardware& gpu)> identity;
  // Called by all ranks; `host` is for the communicator alone.
  std::function<Result<std::unique_ptr<GpuCommunicator>>(
      std::unique_ptr<Communicator> host, const Hardware& gpu)>
      connect;
};
// NCCL; null in builds without.
const GpuLinks* NcclLinks();

class GpuExchange {
 public:
  // `links` null: always over the host. Both outlive the object.
  GpuExchange(std::shared_ptr<Communicator> host, const GpuLinks* links)
      : host_(std::move(host)), links_(links) {}

  // Of the first of this rank's GPUs with those of all ranks, who all have to
  // call this. OK and no communicator where a rank has none, or two ranks share
  // one.
  Status Open(const std::vector<std::shared_ptr<Hardware>>& gpus);
  // Null: over the host.
  GpuCommunicator* communicator() const { return communicator_.get(); }

 private:
  const std::shared_ptr<Communicator> host_;
  const GpuLinks* const links_;
  std::unique_ptr<GpuCommunicator> communicator_;
};

}  // namespace lockstep
