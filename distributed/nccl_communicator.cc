// SPDX-License-Identifier: Apache-2.0
#include "distributed/nccl_communicator.h"

#include <thread>

#include "distributed/backoff.h"
#include "distributed/nccl_types.h"
#include "runtime/core/env.h"
#include "runtime/device/cuda/cuda_hardware.h"
#include "runtime/device/cuda/cuda_status.h"

namespace lockstep {
namespace {

class NcclCommunicator final : public GpuCommunicator {
 public:
  NcclCommunicator(std::unique_ptr<Communicator> host, int gpu)
      : GpuCommunicator(host->rank(), host->size(), /*local_when_alone=*/false),
        host_(std::move(host)),
        gpu_(gpu) {}
  ~NcclCommunicator() override {
    const CudaDeviceScope scope(gpu_);
    if (comm_ != nullptr) (void)ncclCommAbort(comm_);
    if (event_ != nullptr) (void)cudaEventDestroy(event_);
    if (ready_ != nullptr) (void)cudaEventDestroy(ready_);
    if (stream_ != nullptr) (void)cudaStreamDestroy(stream_);
  }
  std::string_view backend() const override { return "nccl"; }
  std::shared_ptr<Hardware> host() const override { return host_->host(); }

  void FollowStream(void* stream) override {
    follows_ = static_cast<cudaStream_t>(stream);
    is_following_ = stream != nullptr;
  }

  Status Open();

 protected:
  Status DoAllReduce(const CollectiveCall& call, std::span<const Piece> pieces,
                     double factor, const ElementUpdate* update) override;
  Status DoReduceScatter(const CollectiveCall& call, const void* in,
                         void* out) override;
  Status DoAllGather(const CollectiveCall& call, const void* in,
                     void* out) override;
  Status DoBroadcast(const CollectiveCall& call, void* data) override;
  Status DoSend(const CollectiveCall& call, const void* data) override;
  Status DoRecv(const CollectiveCall& call, void* data) override;
  Status DoBarrier(const CollectiveCall& call) override {
    return host_->Barrier(Within(call));
  }
  Result<std::unique_ptr<Communicator>> DoSplit(const std::vector<int>& members,
                                                int new_rank) override;
  void Announce(const Status& why) override { host_->Abort(why); }

 private:
  // Whether an array is in host memory, where `host_` does the work.
  static bool OnHost(const void* data) {
    cudaPointerAttributes attributes;
    return cudaPointerGetAttributes(&attributes, data) != cudaSuccess ||
           (attributes.type != cudaMemoryTypeDevice &&
            attributes.type != cudaMemoryTypeManaged);
  }
  // All ranks call the same.
  Status Agree(const CollectiveCall& call) { return AgreeAmong(*host_, call); }
  // Until NCCL has taken a call up.
  Status AwaitNccl(const char* what, uint64_t deadline_micros);
  // Runs `enqueue` and waits until the GPU has done it.
  template <class F>
  Status Run(const CollectiveCall& call, const F& enqueue);
  // Why a wait ends early; OK to go on waiting.
  Status Interrupted(const char* what, uint64_t deadline_micros);
  void Drop() {
    if (comm_ != nullptr) (void)ncclCommAbort(comm_);
    comm_ = nullptr;
  }
  static size_t Count(const CollectiveCall& call) {
    return static_cast<size_t>(call.header.count);
  }
  Result<ncclRedOp_t> Weighted(ncclDataType_t type, double factor, bool mean);

  std::unique_ptr<Communicator> host_;
  const int gpu_;
  ncclComm_t comm_ = nullptr;
  cudaStream_t stream_ = nullptr;
  cudaEvent_t event_ = nullptr;  // NCCL has done a call
  cudaEvent_t ready_ = nullptr;  // the arrays of one are there
  cudaStream_t follows_ = nullptr;
  bool is_following_ = false;
};

Status NcclCommunicator::Open() {
  const CudaDeviceScope scope(gpu_);
  LS_RETURN_IF_ERROR(scope.status());
  int least = 0, greatest = 0;
  LS_RETURN_IF_CUDA(cudaDeviceGetStreamPriorityRange(&least, &greatest));
  LS_RETURN_IF_CUDA(
      cudaStreamCreateWithPriority(&stream_, cudaStreamNonBlocking, greatest));
  LS_RETURN_IF_CUDA(cudaEventCreateWithFlags(&event_, cudaEventDisableTiming));
  LS_RETURN_IF_CUDA(cudaEventCreateWithFlags(&ready_, cudaEventDisableTiming));
  ncclUniqueId id{};
  if (rank() == 0) LS_RETURN_IF_NCCL(ncclGetUniqueId(&id));
  LS_RETURN_IF_ERROR(host_->Broadcast(&id, sizeof(id), kUint8, /*root=*/0,
                                      {.name = "NCCL's id"}));
  ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
  config.blocking = 0;
  LS_RETURN_IF_NCCL(
      ncclCommInitRankConfig(&comm_, size(), id, rank(), &config));
  return AwaitNccl("ncclCommInitRankConfig",
                   Env::Default()->SteadyMicros() + timeout_micros());
}

Status NcclCommunicator::Interrupted(const char* what,
                                     uint64_t deadline_micros) {
  if (failed()) return status();
  LS_RETURN_IF_ERROR(host_->status());
  if (Env::Default()->SteadyMicros() < deadline_micros) return Ok();
  return DeadlineExceeded(what, " on GPU ", gpu_,
                          " did not end before the deadline");
}

Status NcclCommunicator::AwaitNccl(const char* what, uint64_t deadline_micros) {
  for (;;) {
    ncclResult_t state = ncclSuccess;
    LS_RETURN_IF_NCCL(ncclCommGetAsyncError(comm_, &state));
    if (state == ncclSuccess) return Ok();
    LS_RETURN_IF_ERROR(NcclStatus(state, what));
    LS_RETURN_IF_ERROR(Interrupted(what, deadline_micros));
    std::this_thread::yield();
  }
}

template <class F>
Status NcclCommunicator::Run(const CollectiveCall& call, const F& enqueue) {
  if (comm_ == nullptr) return Unavailable("NCCL's communicator was aborted");
  const CudaDeviceScope scope(gpu_);
  LS_RETURN_IF_ERROR(scope.status());
  const auto run = [&]() -> Status {
    if (is_following_) {
      LS_RETURN_IF_CUDA(cudaEventRecord(ready_, follows_));
      LS_RETURN_IF_CUDA(cudaStreamWaitEvent(stream_, ready_));
    }
    LS_RETURN_IF_ERROR(enqueue());
    LS_RETURN_IF_ERROR(AwaitNccl("NCCL", call.deadline_micros));
    LS_RETURN_IF_CUDA(cudaEventRecord(event_, stream_));
    if (is_following_) {
      LS_RETURN_IF_CUDA(cudaStreamWaitEvent(follows_, event_));
    }
    for (;;) {
      const cudaError_t done = cudaEventQuery(event_);
      if (done == cudaSuccess) return Ok();
      if (done != cudaErrorNotReady) {
        return CudaStatus(done, "cudaEventQuery");
      }
      // Else the thread's next launch would be told of it.
      (void)cudaGetLastError();
      ncclResult_t state = ncclSuccess;
      LS_RETURN_IF_NCCL(ncclCommGetAsyncError(comm_, &state));
      LS_RETURN_IF_ERROR(NcclStatus(state, "NCCL"));
      LS_RETURN_IF_ERROR(Interrupted("NCCL", call.deadline_micros));
      std::this_thread::yield();
    }
  };
  Status status = run();
  // What the GPU has been given ends with the communicator alone.
  if (!status.ok()) Drop();
  return status;
}

// Sum (of a mean: sum / size) of contributions times this rank's factor.
Result<ncclRedOp_t> NcclCommunicator::Weighted(ncclDataType_t type,
                                               double factor, bool mean) {
  if (mean) factor /= size();
  ncclRedOp_t op;
  const float narrow = static_cast<float>(factor);
  const Half half(narrow);
  const BFloat16 bfloat16(narrow);
  void* scalar = type == ncclFloat64   ? static_cast<void*>(&factor)
                 : type == ncclFloat16 ? const_cast<Half*>(&half)
                 : type == ncclBfloat16
                     ? const_cast<BFloat16*>(&bfloat16)
                     : static_cast<void*>(const_cast<float*>(&narrow));
  LS_RETURN_IF_NCCL(ncclRedOpCreatePreMulSum(&op, scalar, type,
                                             ncclScalarHostImmediate, comm_));
  return op;
}

Status NcclCommunicator::DoAllReduce(const CollectiveCall& call,
                                     std::span<const Piece> pieces,
                                     double factor,
                                     const ElementUpdate* update) {
  const DType dtype = call.dtype();
  if (!pieces.empty() && OnHost(pieces[0].in)) {
    return update == nullptr
               ? host_->AllReduce(pieces, dtype, call.header.op, factor,
                                  Within(call))
               : host_->AllReduceUpdate(pieces, dtype, call.header.op, factor,
                                        *update, Within(call));
  }
  if (update != nullptr) return Unimplemented("updates by NCCL");
  LS_ASSIGN_OR_RETURN(const ncclDataType_t type, TypeOf(dtype));
  const bool mean = call.header.op == ReduceOp::kMean;
  if (factor != 1.0 && !mean && call.header.op != ReduceOp::kSum) {
    return Unimplemented("NCCL weights sums alone");
  }
  LS_RETURN_IF_ERROR(Agree(call));
  return Run(call, [&]() -> Status {
    // All ranks have to use the same kind of operation: with weights, if any
    // rank has one, is not known here. So floats are always weighted.
    ncclRedOp_t op = OpOf(call.header.op);
    const bool floating = IsFloating(dtype);
    const bool weighted =
        floating && (mean || call.header.op == ReduceOp::kSum);
    if (weighted) {
      LS_ASSIGN_OR_RETURN(op, Weighted(type, factor, mean));
    }
    Status status = NcclStatus(ncclGroupStart(), "ncclGroupStart");
    for (const Piece& piece : pieces) {
      const void* in = piece.in;
      if (factor == 0.0) {
        // Zeros, whatever the array holds.
        const size_t bytes =
            static_cast<size_t>(piece.count) * call.element_bytes();
        status.Update(CudaStatus(cudaMemsetAsync(piece.out, 0, bytes, stream_),
                                 "cudaMemsetAsync"));
        in = piece.out;
      }
      status.Update(NcclStatus(
          ncclAllReduce(in, piece.out, static_cast<size_t>(piece.count), type,
                        op, comm_, stream_),
          "ncclAllReduce"));
    }
    status.Update(NcclStatus(ncclGroupEnd(), "ncclGroupEnd"));
    status.Update(AwaitNccl("ncclAllReduce", call.deadline_micros));
    if (weighted) {
      status.Update(
          NcclStatus(ncclRedOpDestroy(op, comm_), "ncclRedOpDestroy"));
    }
    return status;
  });
}

Status NcclCommunicator::DoReduceScatter(const CollectiveCall& call,
                                         const void* in, void* out) {
  const DType dtype = call.dtype();
  if (OnHost(in)) {
    return host_->ReduceScatter(in, out, call.header.count, dtype,
                                call.header.op, Within(call));
  }
  LS_ASSIGN_OR_RETURN(const ncclDataType_t type, TypeOf(dtype));
  LS_RETURN_IF_ERROR(Agree(call));
  return Run(call, [&]() -> Status {
    LS_RETURN_IF_NCCL(ncclReduceScatter(in, out, Count(call), type,
                                        OpOf(call.header.op), comm_, stream_));
    return Ok();
  });
}

// What is only moved is moved as bytes.
Status NcclCommunicator::DoAllGather(const CollectiveCall& call, const void* in,
                                     void* out) {
  if (OnHost(in)) {
    return host_->AllGather(in, out, call.header.count, call.dtype(),
                            Within(call));
  }
  LS_RETURN_IF_ERROR(Agree(call));
  return Run(call, [&]() -> Status {
    LS_RETURN_IF_NCCL(
        ncclAllGather(in, out, call.bytes(), ncclUint8, comm_, stream_));
    return Ok();
  });
}

Status NcclCommunicator::DoBroadcast(const CollectiveCall& call, void* data) {
  if (OnHost(data)) {
    return host_->Broadcast(data, call.header.count, call.dtype(),
                            call.header.peer, Within(call));
  }
  LS_RETURN_IF_ERROR(Agree(call));
  return Run(call, [&]() -> Status {
    LS_RETURN_IF_NCCL(ncclBroadcast(data, data, call.bytes(), ncclUint8,
                                    call.header.peer, comm_, stream_));
    return Ok();
  });
}

Status NcclCommunicator::DoSend(const CollectiveCall& call, const void* data) {
  LS_RETURN_IF_ERROR(host_->Send(&call.header, sizeof(CallHeader), kUint8,
                                 call.header.peer, call.header.tag,
                                 Within(call)));
  return Run(call, [&]() -> Status {
    LS_RETURN_IF_NCCL(ncclSend(data, call.bytes(), ncclUint8, call.header.peer,
                               comm_, stream_));
    return Ok();
  });
}

Status NcclCommunicator::DoRecv(const CollectiveCall& call, void* data) {
  CallHeader sent;
  LS_RETURN_IF_ERROR(host_->Recv(&sent, sizeof(CallHeader), kUint8,
                                 call.header.peer, call.header.tag,
                                 Within(call)));
  LS_RETURN_IF_ERROR(CheckMessage(call.header.peer, sent, rank(), call.header));
  return Run(call, [&]() -> Status {
    LS_RETURN_IF_NCCL(ncclRecv(data, call.bytes(), ncclUint8, call.header.peer,
                               comm_, stream_));
    return Ok();
  });
}

Result<std::unique_ptr<Communicator>> NcclCommunicator::DoSplit(
    const std::vector<int>& members, int new_rank) {
  LS_ASSIGN_OR_RETURN(std::unique_ptr<Communicator> part,
                      host_->Split(members[0], new_rank));
  LS_ASSIGN_OR_RETURN(std::unique_ptr<GpuCommunicator> made,
                      MakeNcclCommunicator(std::move(part), gpu_));
  return std::unique_ptr<Communicator>(std::move(made));
}

// The same for a GPU in all processes, whatever number each gives it.
std::string UuidOf(const Hardware& gpu) {
  const int index = CudaIndex(gpu);
  cudaDeviceProp properties;
  if (index < 0 || cudaGetDeviceProperties(&properties, index) != cudaSuccess) {
    return {};
  }
  std::string uuid;
  for (const char byte : properties.uuid.bytes) {
    constexpr char kDigits[] = "0123456789abcdef";
    uuid += kDigits[(byte >> 4) & 15];
    uuid += kDigits[byte & 15];
  }
  return uuid;
}

}  // namespace

const GpuLinks* NcclLinks() {
  static const GpuLinks& links = *new GpuLinks{
      .identity = UuidOf,
      .connect = [](std::unique_ptr<Communicator> host, const Hardware& gpu) {
        return MakeNcclCommunicator(std::move(host), CudaIndex(gpu));
      }};
  return &links;
}

Result<std::unique_ptr<GpuCommunicator>> MakeNcclCommunicator(
    std::unique_ptr<Communicator> host, int gpu) {
  const uint64_t timeout = host->timeout_micros();
  auto comm = std::make_unique<NcclCommunicator>(std::move(host), gpu);
  comm->set_timeout_micros(timeout);
  LS_RETURN_IF_ERROR(comm->Open());
  return std::unique_ptr<GpuCommunicator>(std::move(comm));
}

}  // namespace lockstep
