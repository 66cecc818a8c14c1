// SPDX-License-Identifier: Apache-2.0
// Events: places in streams, which streams and the host wait for and by which
// a stream is drawn into another one's capture.
#include <memory>
#include <mutex>

#include "tests/gpu/stand_in/report.h"
#include "tests/gpu/stand_in/stream_state.h"

using namespace lockstep::stand_in;  // NOLINT: what follows is C

extern "C" {

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  *event = new CUevent_st{.device = CurrentDevice()};
  StreamState& s = TheStreams();
  const std::lock_guard lock(s.mutex);
  s.events.Add(*event);
  return Noted(BrokenBy());
}
cudaError_t cudaEventDestroy(cudaEvent_t event) {
  StreamState& s = TheStreams();
  const std::lock_guard lock(s.mutex);
  if (!s.events.Remove(event)) return Noted(cudaErrorInvalidResourceHandle);
  delete event;
  return Noted(BrokenBy());
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  const cudaStream_t on = Resolve(stream);
  StreamState& s = TheStreams();
  const std::lock_guard lock(s.mutex);
  if (on == nullptr || !s.events.Has(event) || event->device != on->device) {
    Misuse("an event is recorded on a stream of another GPU, or gone");
    return Noted(cudaErrorInvalidResourceHandle);
  }
  event->stream = on;
  event->capture = on->capture;
  event->mark = nullptr;
  if (on->capture != nullptr) return cudaSuccess;
  event->mark = std::make_shared<Mark>();
  Give(s, on, [&s, mark = event->mark] {
    const std::lock_guard inner(s.mutex);
    mark->done = true;
  });
  return Noted(BrokenBy());
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event,
                                unsigned) {
  const cudaStream_t on = Resolve(stream);
  StreamState& s = TheStreams();
  const std::lock_guard lock(s.mutex);
  if (on == nullptr || !s.events.Has(event)) {
    Misuse("a stream or event that is waited by is gone");
    return Noted(cudaErrorInvalidResourceHandle);
  }
  if (event->capture != nullptr) {
    const std::shared_ptr<Capture>& capture = event->capture;
    if (capture->ended) return Noted(cudaErrorCapturedEvent);
    if (on->capture == nullptr) {
      // Draws the stream into the capture.
      on->capture = capture;
      capture->joined.emplace_back(on, false);
    } else if (on->capture != capture) {
      on->capture->invalid = true;
      return Noted(cudaErrorStreamCaptureMerge);
    }
    for (auto& [joined, waited] : capture->joined) {
      if (joined == event->stream && on == capture->origin) waited = true;
    }
    return cudaSuccess;
  }
  if (on->capture != nullptr) {
    on->capture->invalid = true;
    return Noted(cudaErrorStreamCaptureIsolation);
  }
  if (event->mark == nullptr) {
    Misuse("a stream waits for an event that was never recorded");
    return cudaSuccess;
  }
  Give(s, on, [&s, mark = event->mark] {
    std::unique_lock inner(s.mutex);
    s.changed.wait(inner, [&] { return mark->done; });
  });
  return Noted(BrokenBy());
}

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  StreamState& s = TheStreams();
  std::unique_lock lock(s.mutex);
  if (!s.events.Has(event)) return Noted(cudaErrorInvalidResourceHandle);
  if (event->capture != nullptr) return Noted(cudaErrorCapturedEvent);
  AllowAll(s);
  const auto mark = event->mark;
  s.changed.wait(lock, [&] { return mark == nullptr || mark->done; });
  return Noted(BrokenBy());
}
// An event that is not there yet counts as an error of the thread.
cudaError_t cudaEventQuery(cudaEvent_t event) {
  StreamState& s = TheStreams();
  const std::lock_guard lock(s.mutex);
  if (!s.events.Has(event)) return Noted(cudaErrorInvalidResourceHandle);
  if (event->capture != nullptr) return Noted(cudaErrorCapturedEvent);
  AllowAll(s);
  if (BrokenBy() != cudaSuccess) return Noted(BrokenBy());
  const bool done = event->mark == nullptr || event->mark->done;
  return Noted(done ? cudaSuccess : cudaErrorNotReady);
}

}  // extern "C"
