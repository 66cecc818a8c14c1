// SPDX-License-Identifier: Apache-2.0
#pragma once

// Session: runs parts of a graph and keeps its variables between runs.
//
// The first run for a set of feeds, fetches, targets and feed shapes makes a
// Plan (see docs/architecture.md); later ones only execute it. Run may be
// called from several threads; calls take turns.
//
//   LS_ASSIGN_OR_RETURN(auto session, Session::Create(graph, options));
//   LS_RETURN_IF_ERROR(session->RunTargets({"init"}));
//   LS_ASSIGN_OR_RETURN(std::vector<Tensor> out,
//       session->Run({{"x:0", x}, {"y:0", y}}, {"loss:0"}, {"train"}));
//   LS_ASSIGN_OR_RETURN(auto step, session->MakeCallable({x, y}, {loss},
//   {train})); LS_RETURN_IF_ERROR(step->Run({batch_x, batch_y}, &out));   // no
//   look-ups

#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "runtime/exec/session_options.h"
#include "runtime/graph/graph.h"
#include "runtime/graph/placement.h"

namespace lockstep {

class Plan;

// A run whose names are resolved. Used from one thread at a time; must not
// outlive its session.
class Callable {
 public:
  virtual ~Callable() = default;
  // `feeds` in the order given to MakeCallable; they are only read, and only
  // during the call. `fetches` is resized; a tensor already in it with the
  // right dtype and shape, held by nobody else, is overwritten instead of
  // allocated anew. What is not small is computed there, without a copy.
  // Errors name the node and leave `fetches` empty.
  virtual Status Run(std::span<const Tensor> feeds,
                     std::vector<Tensor>* fetches) = 0;
};

// What a plan needs of one device's memory, in bytes.
struct DeviceNeed {
  std::string device;            // "/gpu:0"
  size_t arena_bytes = 0;        // activations, scratch, buffers of copies
  size_t lower_bound_bytes = 0;  // largest sum of live bytes at any step
  size_t variable_bytes = 0;     // of the plan and those the session has
  size_t constant_bytes = 0;     // on GPUs
  size_t result_bytes = 0;       // of what a run makes for its caller
  // What communicators keep for the session (SessionOptions).
  size_t communication_bytes = 0;
  // What the session holds there once the plan is made: the planned peak.
  size_t total_bytes = 0;
  size_t limit_bytes = 0;
  std::vector<std::pair<std::string, size_t>> largest;  // at most five
};

// A session's memory on a device, as it is.
struct DeviceUse {
  std::string device;
  size_t used_bytes = 0;
  size_t peak_bytes = 0;
  size_t limit_bytes = 0;
};

// What a step of a plan does each time it runs (runtime/graph/node_work.h).
struct StepWork {
  std::string name;
  std::string op;
  double bytes = 0;
  double flops = 0;
};

// What one plan needs and does, for tools and tests.
struct PlanInfo {
  std::vector<DeviceNeed> devices;  // those that the plan uses; /cpu:0 first
  size_t arena_bytes = 0;           // on all devices
  size_t lower_bound_bytes = 0;
  size_t variable_bytes = 0;
  int num_steps = 0;
  int num_dynamic_steps = 0;
  std::vector<std::string> steps;  // "name = Op(inputs) float [2,3] @ offset"
  std::vector<StepWork> work;      // of the same steps
};

class Session {
 public:
  // `graph` is copied; nodes added to it later are unknown to the session.
  // The graph's own error, if it has one, is returned.
  static Result<std::unique_ptr<Session>> Create(const Graph& graph,
                                                 SessionOptions options = {});
  virtual ~Session() = default;

  using Feed = std::pair<std::string, Tensor>;
  // Any tensor may be fed. Fetches are the caller's to keep and to change.
  virtual Result<std::vector<Tensor>> Run(
      const std::vector<Feed>& feeds, const std::vector<std::string>& fetches,
      const std::vector<std::string>& targets = {}) = 0;
  // One fetch.
  Result<Tensor> RunOne(const std::vector<Feed>& feeds,
                        const std::string& fetch);
  Status RunTargets(const std::vector<std::string>& targets,
                    const std::vector<Feed>& feeds = {});
  // By outputs of the graph given to Create (matched by name).
  Result<Tensor> Run(const std::vector<std::pair<Output, Tensor>>& feeds,
                     Output fetch);

  virtual Result<std::unique_ptr<Callable>> MakeCallable(
      const std::vector<Output>& feeds, const std::vector<Output>& fetches,
      const std::vector<Node*>& targets = {}) = 0;

  // Plans for these feed shapes: nothing is run and no memory is taken. A plan
  // over a limit is described too: `devices` says what it needs.
  virtual Result<PlanInfo> Explain(
      const std::vector<std::pair<std::string, Tensor>>& feeds,
      const std::vector<std::string>& fetches,
      const std::vector<std::string>& targets = {}) = 0;

  // What the session holds on each of its devices.
  virtual std::vector<DeviceUse> MemoryUse() const = 0;
  // What the placer decided for each node of the graph, in order of node id;
  // empty when the graph cannot be placed.
  virtual const std::vector<Placement>& placements() const = 0;

  virtual SessionResources& resources() = 0;
  virtual const SessionOptions& options() const = 0;
};

}  // namespace lockstep
