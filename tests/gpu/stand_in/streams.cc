// SPDX-License-Identifier: Apache-2.0
#include "tests/gpu/stand_in/streams.h"

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <random>
#include <utility>

#include "tests/gpu/stand_in/memory.h"
#include "tests/gpu/stand_in/report.h"
#include "tests/gpu/stand_in/stream_state.h"

namespace lockstep::stand_in {
namespace {

enum class Timing { kFree, kLate, kRandom };

Timing TimingOf(const char* text) {
  if (text == nullptr || std::strcmp(text, "free") == 0) return Timing::kFree;
  if (std::strcmp(text, "late") == 0) return Timing::kLate;
  if (std::strcmp(text, "random") == 0) return Timing::kRandom;
  Misuse(StrCat("LOCKSTEP_STAND_IN_TIMING=", text));
  return Timing::kFree;
}
Timing TheTiming() {
  static const Timing timing =
      TimingOf(std::getenv("LOCKSTEP_STAND_IN_TIMING"));
  return timing;
}

void Pause() {
  if (TheTiming() != Timing::kRandom) return;
  static const char* const seed = std::getenv("LOCKSTEP_STAND_IN_SEED");
  static std::atomic<unsigned> streams = 0;
  thread_local std::minstd_rand random(
      (seed == nullptr ? 1u : static_cast<unsigned>(std::atoi(seed))) * 1000 +
      streams++);
  std::this_thread::sleep_for(std::chrono::microseconds(random() % 300));
}

std::atomic<cudaError_t> broken = cudaSuccess;
thread_local cudaError_t last_error = cudaSuccess;
thread_local int current_device = 0;

// Has the stream's capture keep a task.
void Keep(cudaStream_t stream, Task task) {
  Capture& capture = *stream->capture;
  capture.tasks.push_back(std::move(task));
  for (auto& [joined, waited] : capture.joined) {
    if (joined == stream) waited = false;
  }
}

bool Check(const std::vector<Use>& uses, int device, const std::string& what) {
  for (const Use& use : uses) {
    std::string why;
    if (use.bytes == 0 || Reaches(use.data, use.bytes, device, &why)) continue;
    Broke(cudaErrorIllegalAddress, StrCat(what, ": ", why));
    return false;
  }
  return true;
}

// Ends the capture that a call that none may have invalidates.
cudaError_t Refuse(cudaStream_t stream, cudaError_t error) {
  stream->capture->invalid = true;
  return Noted(error);
}

}  // namespace

StreamState& TheStreams() {
  static auto& state = *new StreamState;
  return state;
}
void AllowAll(StreamState& s) {
  for (const cudaStream_t stream : s.streams.all()) {
    stream->allowed = stream->given;
  }
  s.changed.notify_all();
}
void Give(StreamState& s, cudaStream_t stream, Task task) {
  stream->tasks.push_back(std::move(task));
  ++stream->given;
  if (TheTiming() != Timing::kLate) stream->allowed = stream->given;
  s.changed.notify_all();
}

int CurrentDevice() { return current_device; }

cudaError_t Noted(cudaError_t error) {
  if (error != cudaSuccess) last_error = error;
  return error;
}
void Broke(cudaError_t error, const std::string& what) {
  Misuse(what);
  broken = error;
}
cudaError_t BrokenBy() { return broken; }
void Mend() { broken = cudaSuccess; }

cudaStream_t Resolve(cudaStream_t stream) {
  StreamState& s = TheStreams();
  const std::lock_guard lock(s.mutex);
  if (stream != nullptr && stream != cudaStreamLegacy) {
    return s.streams.Has(stream) ? stream : nullptr;
  }
  cudaStream_t& legacy = s.legacy[current_device];
  if (legacy == nullptr) {
    legacy = new CUstream_st(current_device, cudaStreamDefault);
    s.streams.Add(legacy, /*for_ever=*/true);
  }
  return legacy;
}

cudaError_t Enqueue(cudaStream_t stream, const std::string& what,
                    std::vector<Use> uses, Task task) {
  if (BrokenBy() != cudaSuccess) return Noted(BrokenBy());
  const cudaStream_t on = Resolve(stream);
  if (on == nullptr) {
    Misuse(StrCat(what, " on a stream that there is not"));
    return Noted(cudaErrorInvalidResourceHandle);
  }
  const int device = on->device;
  if (!Check(uses, device, what)) return Noted(cudaErrorIllegalAddress);
  // What was memory by chance may be none by then; what is memory and is freed
  // in use cannot be read.
  std::erase_if(uses, [](const Use& use) { return use.guessed; });
  Task checked = [=, uses = std::move(uses), task = std::move(task)] {
    Pause();
    if (BrokenBy() == cudaSuccess &&
        Check(uses, device, StrCat(what, ", when it is done"))) {
      task();
    }
  };
  StreamState& s = TheStreams();
  const std::lock_guard lock(s.mutex);
  if (on->capture != nullptr) {
    if (on->capture->invalid) return Noted(cudaErrorStreamCaptureInvalidated);
    Keep(on, std::move(checked));
  } else {
    Give(s, on, std::move(checked));
  }
  return cudaSuccess;
}

cudaError_t EnqueueKernel(cudaStream_t stream, const std::string& what,
                          std::vector<Use> uses, Task task) {
  const cudaStream_t on = Resolve(stream);
  if (on != nullptr && on->device != CurrentDevice()) {
    Misuse(StrCat(what, " on a stream of GPU ", on->device,
                  ", while the thread's is ", CurrentDevice()));
    return Noted(cudaErrorInvalidResourceHandle);
  }
  return Enqueue(stream, what, std::move(uses), std::move(task));
}

void SetCapture(cudaStream_t stream, std::shared_ptr<Capture> capture) {
  StreamState& s = TheStreams();
  const std::lock_guard lock(s.mutex);
  stream->capture = std::move(capture);
}

void HostWaits() {
  StreamState& s = TheStreams();
  const std::lock_guard lock(s.mutex);
  AllowAll(s);
}

cudaError_t Await(cudaStream_t stream) {
  StreamState& s = TheStreams();
  std::unique_lock lock(s.mutex);
  const uint64_t until = stream->given;
  AllowAll(s);
  s.changed.wait(lock, [&] { return stream->done >= until; });
  return Noted(BrokenBy());
}

std::vector<Use> AddressesIn(const void* bytes, size_t count) {
  std::vector<Use> uses;
  for (size_t at = 0; at + sizeof(void*) <= count; at += sizeof(void*)) {
    const void* word;
    std::memcpy(&word, static_cast<const char*>(bytes) + at, sizeof(word));
    // Numbers and what is between members may look like one of the host's, and
    // like one that was; a flag, with what is behind it, like an odd one.
    const bool odd = reinterpret_cast<uintptr_t>(word) % 2 != 0;
    if (!odd && IsKnown(word)) uses.push_back({word, 1, /*guessed=*/true});
  }
  return uses;
}

}  // namespace lockstep::stand_in

using namespace lockstep::stand_in;  // NOLINT: what follows is C

CUstream_st::CUstream_st(int device_, unsigned flags_)
    : device(device_), flags(flags_), thread([this] { Run(); }) {}

CUstream_st::~CUstream_st() {
  {
    StreamState& s = TheStreams();
    const std::lock_guard lock(s.mutex);
    ends = true;
    allowed = given;
    s.changed.notify_all();
  }
  thread.join();
}

void CUstream_st::Run() {
  StreamState& s = TheStreams();
  std::unique_lock lock(s.mutex);
  current_device = device;
  for (;;) {
    s.changed.wait(lock, [&] { return ends || done < allowed; });
    if (tasks.empty()) return;
    const Task task = std::move(tasks.front());
    tasks.pop_front();
    lock.unlock();
    task();
    lock.lock();
    ++done;
    s.changed.notify_all();
  }
}

extern "C" {

cudaError_t cudaGetLastError() {
  if (BrokenBy() != cudaSuccess) return BrokenBy();
  return std::exchange(last_error, cudaSuccess);
}

cudaError_t cudaSetDevice(int device) {
  if (device < 0 || device >= VisibleGpus()) {
    return Noted(cudaErrorInvalidDevice);
  }
  current_device = device;
  return Noted(BrokenBy());
}
cudaError_t cudaGetDevice(int* device) {
  *device = current_device;
  return cudaSuccess;
}

cudaError_t cudaStreamCreateWithPriority(cudaStream_t* stream, unsigned flags,
                                         int priority) {
  if (flags > cudaStreamNonBlocking || priority > 0 ||
      priority < kGreatestPriority) {
    return Noted(cudaErrorInvalidValue);
  }
  *stream = new CUstream_st(current_device, flags);
  StreamState& s = TheStreams();
  const std::lock_guard lock(s.mutex);
  s.streams.Add(*stream);
  return Noted(BrokenBy());
}
cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags) {
  return cudaStreamCreateWithPriority(stream, flags, 0);
}

// What the stream was given goes on; here it is waited for.
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  StreamState& s = TheStreams();
  {
    const std::lock_guard lock(s.mutex);
    if (!s.streams.Remove(stream)) {
      return Noted(cudaErrorInvalidResourceHandle);
    }
    if (stream->capture != nullptr) Misuse("a capturing stream is destroyed");
  }
  delete stream;
  return Noted(BrokenBy());
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  const cudaStream_t on = Resolve(stream);
  if (on == nullptr) return Noted(cudaErrorInvalidResourceHandle);
  if (on->capture != nullptr) {
    return Refuse(on, cudaErrorStreamCaptureUnsupported);
  }
  return Await(on);
}

cudaError_t cudaDeviceSynchronize() {
  std::vector<cudaStream_t> streams;
  {
    StreamState& s = TheStreams();
    const std::lock_guard lock(s.mutex);
    for (const cudaStream_t stream : s.streams.all()) {
      if (stream->device == current_device) streams.push_back(stream);
    }
  }
  for (const cudaStream_t stream : streams) {
    if (stream->capture != nullptr) {
      return Refuse(stream, cudaErrorStreamCaptureUnsupported);
    }
    (void)Await(stream);
  }
  return Noted(BrokenBy());
}

cudaError_t cudaStreamIsCapturing(cudaStream_t stream,
                                  cudaStreamCaptureStatus* status) {
  const cudaStream_t on = Resolve(stream);
  if (on == nullptr) return Noted(cudaErrorInvalidResourceHandle);
  StreamState& s = TheStreams();
  const std::lock_guard lock(s.mutex);
  *status = on->capture == nullptr ? cudaStreamCaptureStatusNone
            : on->capture->invalid ? cudaStreamCaptureStatusInvalidated
                                   : cudaStreamCaptureStatusActive;
  return cudaSuccess;
}

}  // extern "C"
