// SPDX-License-Identifier: Apache-2.0
#include "runtime/device/cuda/cuda_hardware.h"

#include <algorithm>

#include "runtime/core/logging.h"
#include "runtime/device/cuda/cuda_copy.h"
#include "runtime/device/cuda/cuda_status.h"

namespace lockstep {
namespace {

class CudaGpu;

// A queue that its GPU knows of: what is freed waits for it.
class KnownQueue final : public Queue {
 public:
  KnownQueue(CudaGpu* gpu, std::unique_ptr<Queue> queue);
  ~KnownQueue() override;
  Queue& inner() { return *queue_; }

  Status Attach() override { return queue_->Attach(); }
  void* stream() const override { return queue_->stream(); }
  Status Copy(void* to, const void* from, size_t bytes) override {
    return queue_->Copy(to, from, bytes);
  }
  Status Mark(int number) override { return queue_->Mark(number); }
  Status WaitFor(Queue& other, int number) override {
    auto* known = dynamic_cast<KnownQueue*>(&other);
    return queue_->WaitFor(known != nullptr ? known->inner() : other, number);
  }
  Status Await(int number) override { return queue_->Await(number); }
  Status Finish() override { return queue_->Finish(); }
  bool CanRecord() const override { return queue_->CanRecord(); }
  Status BeginRecord() override;
  Result<int> EndRecord() override { return queue_->EndRecord(); }
  Status Replay(int recording) override { return queue_->Replay(recording); }

 private:
  CudaGpu* gpu_;
  std::unique_ptr<Queue> queue_;
};

// Lives as long as the process.
class CudaGpu final : public Hardware {
 public:
  CudaGpu(int index, const cudaDeviceProp& properties)
      : index_(index),
        description_(StrCat(properties.name, " (GPU ", index, ")")),
        bytes_(properties.totalGlobalMem) {}

  DeviceKind kind() const override { return kGpu; }
  const std::string& description() const override { return description_; }
  size_t memory_bytes() const override { return bytes_; }
  bool host_memory() const override { return false; }
  int index() const { return index_; }

  Result<void*> Allocate(size_t bytes) override;
  void Free(void* data, size_t bytes) override;
  Result<std::unique_ptr<Arena>> MakeArena(size_t limit) override {
    return MakeCudaArena(index_, limit);
  }
  Result<std::unique_ptr<Queue>> MakeQueue(QueueKind kind) override;
  Status Copy(void* to, const void* from, size_t bytes) override;

  void Enter(cudaStream_t stream);
  void Leave(cudaStream_t stream);
  // Not while something is being freed.
  Status BeginRecord(Queue& queue) {
    std::lock_guard lock(mutex_);
    return queue.BeginRecord();
  }

 private:
  // Makes the pool and the stream on which memory is taken and given back.
  Status Open();
  // Frees what is in `freed_`; later, while a stream records: nothing may be
  // put on that beside what it records.
  Status EnqueueFree();

  const int index_;
  const std::string description_;
  const size_t bytes_;
  std::mutex mutex_;
  cudaMemPool_t pool_ = nullptr;
  cudaStream_t stream_ = nullptr;
  cudaEvent_t event_ = nullptr;
  std::vector<cudaStream_t> streams_;
  std::vector<void*> freed_;
  size_t outstanding_ = 0;
};

KnownQueue::KnownQueue(CudaGpu* gpu, std::unique_ptr<Queue> queue)
    : gpu_(gpu), queue_(std::move(queue)) {
  gpu_->Enter(static_cast<cudaStream_t>(queue_->stream()));
}
Status KnownQueue::BeginRecord() { return gpu_->BeginRecord(*queue_); }
KnownQueue::~KnownQueue() {
  // What it has been given may use memory that is being freed.
  (void)queue_->Finish();
  gpu_->Leave(static_cast<cudaStream_t>(queue_->stream()));
}

Status CudaGpu::Open() {
  if (event_ != nullptr) return Ok();
  cudaMemPoolProps what{};
  what.allocType = cudaMemAllocationTypePinned;
  what.location.type = cudaMemLocationTypeDevice;
  what.location.id = index_;
  LS_RETURN_IF_CUDA(cudaMemPoolCreate(&pool_, &what));
  // What is free stays in the pool until all is: see Free.
  uint64_t keep = ~uint64_t{0};
  LS_RETURN_IF_CUDA(
      cudaMemPoolSetAttribute(pool_, cudaMemPoolAttrReleaseThreshold, &keep));
  LS_RETURN_IF_CUDA(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking));
  LS_RETURN_IF_CUDA(cudaEventCreateWithFlags(&event_, cudaEventDisableTiming));
  return Ok();
}

Result<void*> CudaGpu::Allocate(size_t bytes) {
  const CudaDeviceScope scope(index_);
  LS_RETURN_IF_ERROR(scope.status());
  std::lock_guard lock(mutex_);
  LS_RETURN_IF_ERROR(Open());
  LS_RETURN_IF_ERROR(EnqueueFree());
  void* data = nullptr;
  // A pool refuses to give nothing.
  LS_RETURN_IF_CUDA(cudaMallocFromPoolAsync(&data, std::max(bytes, size_t{1}),
                                            pool_, stream_));
  // Any stream may use it from now on.
  LS_RETURN_IF_CUDA(cudaStreamSynchronize(stream_));
  outstanding_ += bytes;
  return data;
}

Status CudaGpu::EnqueueFree() {
  for (cudaStream_t stream : streams_) {
    cudaStreamCaptureStatus recording = cudaStreamCaptureStatusNone;
    LS_RETURN_IF_CUDA(cudaStreamIsCapturing(stream, &recording));
    if (recording != cudaStreamCaptureStatusNone) return Ok();
  }
  if (freed_.empty()) return Ok();
  for (cudaStream_t stream : streams_) {
    LS_RETURN_IF_CUDA(cudaEventRecord(event_, stream));
    LS_RETURN_IF_CUDA(cudaStreamWaitEvent(stream_, event_));
  }
  for (void* data : freed_) LS_RETURN_IF_CUDA(cudaFreeAsync(data, stream_));
  freed_.clear();
  return Ok();
}

void CudaGpu::Free(void* data, size_t bytes) {
  if (data == nullptr) return;
  const CudaDeviceScope scope(index_);
  std::lock_guard lock(mutex_);
  freed_.push_back(data);
  outstanding_ -= bytes;
  const Status freed = EnqueueFree();
  if (!freed.ok()) {
    LogWarning("memory is lost: ", freed.message());
    freed_.clear();
  }
  if (outstanding_ > 0 || !freed_.empty()) return;
  // The last one: all goes back to the system.
  (void)cudaStreamSynchronize(stream_);
  (void)cudaMemPoolTrimTo(pool_, 0);
}

Result<std::unique_ptr<Queue>> CudaGpu::MakeQueue(QueueKind kind) {
  LS_ASSIGN_OR_RETURN(std::unique_ptr<Queue> queue,
                      MakeCudaQueue(index_, kind));
  return std::unique_ptr<Queue>(
      std::make_unique<KnownQueue>(this, std::move(queue)));
}

Status CudaGpu::Copy(void* to, const void* from, size_t bytes) {
  const CudaDeviceScope scope(index_);
  LS_RETURN_IF_ERROR(scope.status());
  if (bytes == 0) return Ok();
  LS_RETURN_IF_ERROR(EnqueueCudaCopy(to, from, bytes, cudaStreamLegacy));
  LS_RETURN_IF_CUDA(cudaStreamSynchronize(cudaStreamLegacy));
  return Ok();
}

void CudaGpu::Enter(cudaStream_t stream) {
  std::lock_guard lock(mutex_);
  streams_.push_back(stream);
}
void CudaGpu::Leave(cudaStream_t stream) {
  std::lock_guard lock(mutex_);
  std::erase(streams_, stream);
  if (const Status freed = EnqueueFree(); !freed.ok()) {
    LogWarning("memory is lost: ", freed.message());
  }
}

std::vector<std::shared_ptr<Hardware>> FindGpus() {
  std::vector<std::shared_ptr<Hardware>> gpus;
  int count = 0;
  const cudaError_t error = cudaGetDeviceCount(&count);
  if (error != cudaSuccess) {
    (void)cudaGetLastError();
    // A machine without GPU or driver is no mistake.
    if (error != cudaErrorNoDevice && error != cudaErrorInsufficientDriver &&
        error != cudaErrorStubLibrary) {
      LogWarning("no GPU is used: ", cudaGetErrorString(error));
    }
    return gpus;
  }
  for (int i = 0; i < count; ++i) {
    cudaDeviceProp properties;
    if (cudaGetDeviceProperties(&properties, i) != cudaSuccess) continue;
    gpus.push_back(std::make_shared<CudaGpu>(i, properties));
  }
  return gpus;
}

}  // namespace

const std::vector<std::shared_ptr<Hardware>>& CudaGpus() {
  // Not destroyed: the driver may be gone before the last session is.
  static const auto& gpus =
      *new std::vector<std::shared_ptr<Hardware>>(FindGpus());
  return gpus;
}

int CudaIndex(const Hardware& hardware) {
  const auto* gpu = dynamic_cast<const CudaGpu*>(&hardware);
  return gpu == nullptr ? -1 : gpu->index();
}

}  // namespace lockstep
