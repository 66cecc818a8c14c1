// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <cstring>
#include <mutex>
#include <vector>

#include "runtime/device/cuda/cuda_copy.h"
#include "runtime/device/cuda/cuda_hardware.h"
#include "runtime/device/cuda/cuda_status.h"

namespace lockstep {
namespace {

// Two pinned buffers, used in turn: what comes from pageable memory goes
// through them, so that the copy runs beside the host.
class Staging {
 public:
  static constexpr size_t kBytes = size_t{4} << 20;
  // Less than this the driver takes along with the command.
  static constexpr size_t kWorthIt = size_t{64} << 10;

  ~Staging() {
    for (Buffer& b : buffers_) {
      if (b.free != nullptr) {
        (void)cudaEventSynchronize(b.free);
        (void)cudaEventDestroy(b.free);
      }
      if (b.data != nullptr) (void)cudaFreeHost(b.data);
    }
  }

  Status Copy(char* to, const char* from, size_t bytes, cudaStream_t stream) {
    while (bytes > 0) {
      Buffer& b = buffers_[next_];
      next_ = 1 - next_;
      LS_RETURN_IF_ERROR(Await(b));
      const size_t part = std::min(bytes, kBytes);
      std::memcpy(b.data, from, part);
      LS_RETURN_IF_CUDA(
          cudaMemcpyAsync(to, b.data, part, cudaMemcpyHostToDevice, stream));
      LS_RETURN_IF_CUDA(cudaEventRecord(b.free, stream));
      to += part;
      from += part;
      bytes -= part;
    }
    return Ok();
  }

 private:
  struct Buffer {
    void* data = nullptr;
    cudaEvent_t free = nullptr;  // the last copy from it is done
  };

  static Status Await(Buffer& b) {
    if (b.data == nullptr) {
      LS_RETURN_IF_CUDA(cudaMallocHost(&b.data, kBytes));
      LS_RETURN_IF_CUDA(
          cudaEventCreateWithFlags(&b.free, cudaEventDisableTiming));
    }
    LS_RETURN_IF_CUDA(cudaEventSynchronize(b.free));
    return Ok();
  }

  std::array<Buffer, 2> buffers_;
  size_t next_ = 0;
};

class CudaQueue final : public Queue {
 public:
  explicit CudaQueue(int index) : index_(index) {}
  ~CudaQueue() override {
    const CudaDeviceScope scope(index_);
    if (stream_ == nullptr) return;
    (void)cudaStreamSynchronize(stream_);
    for (cudaEvent_t event : events_) (void)cudaEventDestroy(event);
    for (cudaGraphExec_t graph : graphs_) (void)cudaGraphExecDestroy(graph);
    (void)cudaStreamDestroy(stream_);
  }

  Status Open(QueueKind kind) {
    const CudaDeviceScope scope(index_);
    LS_RETURN_IF_ERROR(scope.status());
    // Copies and messages go first: others wait for them.
    int least = 0, greatest = 0;
    LS_RETURN_IF_CUDA(cudaDeviceGetStreamPriorityRange(&least, &greatest));
    LS_RETURN_IF_CUDA(cudaStreamCreateWithPriority(
        &stream_, cudaStreamNonBlocking,
        kind == QueueKind::kCompute ? least : greatest));
    return Ok();
  }

  Status Attach() override {
    LS_RETURN_IF_CUDA(cudaSetDevice(index_));
    return Ok();
  }
  void* stream() const override { return stream_; }

  Status Copy(void* to, const void* from, size_t bytes) override {
    if (bytes == 0) return Ok();
    if (bytes >= Staging::kWorthIt && IsPageable(from) && !IsPageable(to)) {
      return staging_.Copy(static_cast<char*>(to),
                           static_cast<const char*>(from), bytes, stream_);
    }
    return EnqueueCudaCopy(to, from, bytes, stream_);
  }

  Status Mark(int number) override {
    LS_ASSIGN_OR_RETURN(const cudaEvent_t event, MakeEvent(number));
    LS_RETURN_IF_CUDA(cudaEventRecord(event, stream_));
    return Ok();
  }

  Status WaitFor(Queue& other, int number) override {
    auto* queue = dynamic_cast<CudaQueue*>(&other);
    // What the host does is done when it is marked.
    if (queue == nullptr) return Ok();
    LS_ASSIGN_OR_RETURN(const cudaEvent_t event, queue->Event(number));
    LS_RETURN_IF_CUDA(cudaStreamWaitEvent(stream_, event));
    return Ok();
  }

  Status Await(int number) override {
    LS_ASSIGN_OR_RETURN(const cudaEvent_t event, Event(number));
    LS_RETURN_IF_CUDA(cudaEventSynchronize(event));
    return Ok();
  }

  Status Finish() override {
    LS_RETURN_IF_CUDA(cudaStreamSynchronize(stream_));
    return Ok();
  }

  bool CanRecord() const override { return true; }
  Status BeginRecord() override {
    LS_RETURN_IF_CUDA(
        cudaStreamBeginCapture(stream_, cudaStreamCaptureModeRelaxed));
    return Ok();
  }
  Result<int> EndRecord() override {
    cudaGraph_t graph = nullptr;
    LS_RETURN_IF_CUDA(cudaStreamEndCapture(stream_, &graph));
    cudaGraphExec_t made = nullptr;
    const cudaError_t error = cudaGraphInstantiate(&made, graph, 0);
    (void)cudaGraphDestroy(graph);
    LS_RETURN_IF_CUDA(error);
    graphs_.push_back(made);
    return static_cast<int>(graphs_.size()) - 1;
  }
  Status Replay(int recording) override {
    LS_RETURN_IF_CUDA(
        cudaGraphLaunch(graphs_[static_cast<size_t>(recording)], stream_));
    return Ok();
  }

 private:
  static bool IsPageable(const void* data) {
    cudaPointerAttributes attributes;
    return cudaPointerGetAttributes(&attributes, data) == cudaSuccess &&
           attributes.type == cudaMemoryTypeUnregistered;
  }
  Result<cudaEvent_t> MakeEvent(int number) {
    std::lock_guard lock(mutex_);
    while (events_.size() <= static_cast<size_t>(number)) {
      cudaEvent_t event = nullptr;
      LS_RETURN_IF_CUDA(
          cudaEventCreateWithFlags(&event, cudaEventDisableTiming));
      events_.push_back(event);
    }
    return events_[static_cast<size_t>(number)];
  }
  Result<cudaEvent_t> Event(int number) const {
    std::lock_guard lock(mutex_);
    const auto at = static_cast<size_t>(number);
    if (number < 0 || at >= events_.size()) {
      return Internal("GPU ", index_, ": event ", number,
                      " is waited for and was never marked");
    }
    return events_[at];
  }

  const int index_;
  cudaStream_t stream_ = nullptr;
  mutable std::mutex mutex_;  // other queues look events up
  std::vector<cudaEvent_t> events_;
  std::vector<cudaGraphExec_t> graphs_;  // by the number of the recording
  Staging staging_;
};

}  // namespace

Result<std::unique_ptr<Queue>> MakeCudaQueue(int index, QueueKind kind) {
  auto queue = std::make_unique<CudaQueue>(index);
  LS_RETURN_IF_ERROR(queue->Open(kind));
  return std::unique_ptr<Queue>(std::move(queue));
}

}  // namespace lockstep
