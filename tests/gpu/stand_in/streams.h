// SPDX-License-Identifier: Apache-2.0
#pragma once

// Streams, events and graphs of the GPUs that are stood in for. A stream is a
// thread that does one task after the other; when it begins is set by
// LOCKSTEP_STAND_IN_TIMING:
//
//   free     at once (this is the default)
//   late     not before the host waits for something: a wait that is missing
//            shows each time, not now and then
//   random   after a pause of up to 300 us, by LOCKSTEP_STAND_IN_SEED
//
// What a capturing stream is given is kept instead of done. The types are those
// that cuda_runtime_api.h leaves open.

#include <cuda_runtime_api.h>

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace lockstep::stand_in {

using Task = std::function<void()>;

// What a task reads or writes. Looked at when the task is given and again when
// it is done: what is freed in between was freed in use.
struct Use {
  const void* data = nullptr;
  size_t bytes = 0;
  bool guessed = false;  // it may be a number that looks like an address
};

struct Capture {
  cudaStream_t origin = nullptr;
  std::vector<Task> tasks;
  bool invalid = false;
  bool ended = false;
  // Streams that were drawn in, and whether the origin has waited for all that
  // they were given.
  std::vector<std::pair<cudaStream_t, bool>> joined;
};

// A place in a stream.
struct Mark {
  bool done = false;
};

// The calling thread's GPU.
int CurrentDevice();

// Notes an error of the calling thread, for cudaGetLastError, and returns it.
cudaError_t Noted(cudaError_t error);
// An error of work that was enqueued: all calls fail from then on, as after an
// illegal access.
void Broke(cudaError_t error, const std::string& what);
// cudaSuccess, or what the GPUs broke by; Mend: for tests of the stand-in.
cudaError_t BrokenBy();
void Mend();

// The stream, the legacy one of the current GPU for null; null when it is none.
cudaStream_t Resolve(cudaStream_t stream);

// Gives the stream a task that uses these ranges; `what` names it in messages.
cudaError_t Enqueue(cudaStream_t stream, const std::string& what,
                    std::vector<Use> uses, Task task);
// Of kernels: the stream has to be one of the thread's current GPU.
cudaError_t EnqueueKernel(cudaStream_t stream, const std::string& what,
                          std::vector<Use> uses, Task task);
// Waits, in the calling thread, until all that the stream was given is done.
cudaError_t Await(cudaStream_t stream);
// The addresses of GPUs' memory, freed memory too, in the bytes that a kernel
// is given.
std::vector<Use> AddressesIn(const void* bytes, size_t count);

void SetCapture(cudaStream_t stream, std::shared_ptr<Capture> capture);

// While the host waits for something, work is done in any mode.
void HostWaits();

}  // namespace lockstep::stand_in

struct CUstream_st {
  CUstream_st(int device, unsigned flags);
  ~CUstream_st();

  const int device;
  const unsigned flags;
  std::shared_ptr<lockstep::stand_in::Capture> capture;
  std::deque<lockstep::stand_in::Task> tasks;
  uint64_t given = 0, done = 0, allowed = 0;
  bool ends = false;
  std::thread thread;

 private:
  void Run();
};

struct CUevent_st {
  int device = 0;
  std::shared_ptr<lockstep::stand_in::Mark> mark;  // null: never recorded
  std::shared_ptr<lockstep::stand_in::Capture> capture;
  cudaStream_t stream = nullptr;
};
