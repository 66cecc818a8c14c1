// SPDX-License-Identifier: Apache-2.0
// Capture of streams and the graphs that come of it: the tasks in the order in
// which they were given, which keeps every order that streams and events set.
#include <mutex>

#include "tests/gpu/stand_in/handles.h"
#include "tests/gpu/stand_in/report.h"
#include "tests/gpu/stand_in/streams.h"

struct CUgraph_st {
  std::vector<lockstep::stand_in::Task> tasks;
};
struct CUgraphExec_st {
  std::shared_ptr<const std::vector<lockstep::stand_in::Task>> tasks;
  int device = 0;
};

namespace lockstep::stand_in {
namespace {

struct State {
  std::mutex mutex;
  Handles<cudaGraph_t> graphs{"graph"};
  Handles<cudaGraphExec_t> execs{"instance of a graph"};
  State() {
    CheckAtExit([] {
      State& s = Get();
      const size_t left = s.graphs.left() + s.execs.left();
      return left == 0 ? std::string() : StrCat(left, " graphs are left over");
    });
  }
  static State& Get() {
    static auto& state = *new State;
    return state;
  }
};

}  // namespace
}  // namespace lockstep::stand_in

using namespace lockstep::stand_in;  // NOLINT: what follows is C

extern "C" {

cudaError_t cudaStreamBeginCapture(cudaStream_t stream,
                                   cudaStreamCaptureMode mode) {
  const cudaStream_t on = Resolve(stream);
  if (on == nullptr) return Noted(cudaErrorInvalidResourceHandle);
  if (stream == nullptr || stream == cudaStreamLegacy) {
    return Noted(cudaErrorStreamCaptureUnsupported);
  }
  if (on->capture != nullptr) return Noted(cudaErrorIllegalState);
  // The others forbid calls of other kinds meanwhile.
  if (mode != cudaStreamCaptureModeRelaxed) {
    Misuse("captures that are not relaxed are not stood in for");
  }
  auto capture = std::make_shared<Capture>();
  capture->origin = on;
  SetCapture(on, std::move(capture));
  return Noted(BrokenBy());
}

cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  *graph = nullptr;
  const cudaStream_t on = Resolve(stream);
  if (on == nullptr) return Noted(cudaErrorInvalidResourceHandle);
  const std::shared_ptr<Capture> capture = on->capture;
  if (capture == nullptr) return Noted(cudaErrorIllegalState);
  if (capture->origin != on) return Noted(cudaErrorStreamCaptureUnmatched);
  capture->ended = true;
  SetCapture(on, nullptr);
  bool unjoined = false;
  for (const auto& [joined, waited] : capture->joined) {
    SetCapture(joined, nullptr);
    unjoined |= !waited;
  }
  if (unjoined) return Noted(cudaErrorStreamCaptureUnjoined);
  if (capture->invalid) return Noted(cudaErrorStreamCaptureInvalidated);
  *graph = new CUgraph_st{std::move(capture->tasks)};
  State& s = State::Get();
  const std::lock_guard lock(s.mutex);
  s.graphs.Add(*graph);
  return Noted(BrokenBy());
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t* exec, cudaGraph_t graph,
                                 unsigned long long) {
  State& s = State::Get();
  const std::lock_guard lock(s.mutex);
  if (!s.graphs.Has(graph)) return Noted(cudaErrorInvalidValue);
  *exec = new CUgraphExec_st{
      std::make_shared<const std::vector<Task>>(graph->tasks), CurrentDevice()};
  s.execs.Add(*exec);
  return Noted(BrokenBy());
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  State& s = State::Get();
  const std::lock_guard lock(s.mutex);
  if (!s.graphs.Remove(graph)) return Noted(cudaErrorInvalidValue);
  delete graph;
  return Noted(BrokenBy());
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec) {
  State& s = State::Get();
  const std::lock_guard lock(s.mutex);
  if (!s.execs.Remove(exec)) return Noted(cudaErrorInvalidValue);
  delete exec;
  return Noted(BrokenBy());
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t stream) {
  State& s = State::Get();
  const std::lock_guard lock(s.mutex);
  if (!s.execs.Has(exec)) {
    Misuse("a graph is launched that is gone");
    return Noted(cudaErrorInvalidValue);
  }
  return Enqueue(stream, "cudaGraphLaunch", {}, [tasks = exec->tasks] {
    for (const Task& task : *tasks) task();
  });
}

}  // extern "C"
