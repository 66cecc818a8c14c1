// SPDX-License-Identifier: Apache-2.0
#pragma once

// Hardware: a processor with memory of its own - the host, a GPU, or a virtual
// GPU that stands in for one. There is one object for each in a process;
// sessions share it and share out its memory through its ledger. Thread-safe.
//
//   std::vector<std::shared_ptr<Hardware>> gpus = VirtualGpus({.count = 1});
//   LS_ASSIGN_OR_RETURN(auto arena, gpus[0]->MakeArena(64 << 20));
//   LS_ASSIGN_OR_RETURN(auto queue, gpus[0]->MakeQueue(QueueKind::kCompute));
//   LS_RETURN_IF_ERROR(queue->Copy(arena->base(), host_data, bytes));
//   LS_RETURN_IF_ERROR(queue->Finish());

#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "runtime/device/arena.h"
#include "runtime/device/device_name.h"

namespace lockstep {

enum class QueueKind { kCompute, kCopy, kCommunication };

// Work of one session on one device, done in the order in which it is
// enqueued. Used by one thread at a time. On the host, and on virtual GPUs,
// whatever is enqueued is done at once; on CUDA a queue is a stream.
class Queue {
 public:
  virtual ~Queue() = default;
  // Called by the thread that will use the queue, before anything else (CUDA:
  // makes the device the thread's current one).
  virtual Status Attach() { return Ok(); }
  // The cudaStream_t that kernels launch on; null on the host.
  virtual void* stream() const { return nullptr; }
  // Between any two memories that this process can reach; at least one of them
  // is the host's or this device's. Enqueued: both must stay valid and the
  // source unchanged until the queue has come to it.
  virtual Status Copy(void* to, const void* from, size_t bytes) = 0;
  // Marks this place in the queue as event `number` (small, from 0); marking
  // it again moves it.
  virtual Status Mark(int number) {
    (void)number;
    return Ok();
  }
  // Blocks the calling thread until the queue has come to event `number`,
  // which has been marked; the first error until there. Any thread may call it.
  virtual Status Await(int number) {
    (void)number;
    return Ok();
  }
  // What is enqueued from now on starts after event `number` of `other`, which
  // has been marked. A queue of the host blocks until then.
  virtual Status WaitFor(Queue& other, int number) {
    return other.Await(number);
  }
  // Blocks until all that was enqueued is done; the first error of it.
  virtual Status Finish() { return Ok(); }

  // A queue that can (on CUDA, by graphs) records work in order to repeat it at
  // the cost of one call: what is enqueued between BeginRecord and EndRecord is
  // kept, not done, and each Replay of the number that EndRecord returns
  // enqueues it. Operands are those of the recording. After an error of
  // EndRecord the queue is as if nothing had been recorded.
  virtual bool CanRecord() const { return false; }
  virtual Status BeginRecord() { return Unimplemented("no recording"); }
  virtual Result<int> EndRecord() { return Unimplemented("no recording"); }
  virtual Status Replay(int recording) {
    return Unimplemented("no recording ", recording);
  }
};

class Hardware {
 public:
  virtual ~Hardware() = default;

  virtual DeviceKind kind() const = 0;
  // A GPU whose kernels are the CPU's.
  virtual bool is_virtual() const { return false; }
  // "NVIDIA H200", "virtual GPU 0"; unique among the process's devices.
  virtual const std::string& description() const = 0;
  // All the memory that sessions together may take.
  virtual size_t memory_bytes() const = 0;
  // Whether the host's processors can use its memory.
  virtual bool host_memory() const = 0;

  // Memory, aligned to kTensorAlignment. RESOURCE_EXHAUSTED when there is none
  // left. `bytes` of Free are those of Allocate. Limits are not looked at: see
  // DeviceMemory, through which sessions come here.
  virtual Result<void*> Allocate(size_t bytes) = 0;
  virtual void Free(void* data, size_t bytes) = 0;
  // Addresses for at most `limit` bytes; see Arena.
  virtual Result<std::unique_ptr<Arena>> MakeArena(size_t limit) = 0;
  virtual Result<std::unique_ptr<Queue>> MakeQueue(QueueKind kind) = 0;
  // Copies and waits; like Queue::Copy.
  virtual Status Copy(void* to, const void* from, size_t bytes) = 0;

  // The ledger: what each live session holds of memory_bytes(). Sets the share
  // of `session` (a number that is never used again, and a name for messages).
  // RESOURCE_EXHAUSTED naming this and the sessions that hold the rest when the
  // sum would be over; the share is then as before. Zero takes it out.
  Status SetShare(uint64_t session, const std::string& name, size_t bytes);
  size_t TotalShares() const;

 private:
  struct Share {
    std::string name;
    size_t bytes = 0;
  };
  mutable std::mutex mutex_;
  std::map<uint64_t, Share> shares_;
};

// The machine's memory and CPUs.
const std::shared_ptr<Hardware>& HostHardware();

}  // namespace lockstep
