// SPDX-License-Identifier: Apache-2.0
#pragma once

// What each node of a graph needs of its device - what it asks for, and where
// there are kernels - and which devices of a set have it. Internal to the
// placer.

#include <map>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "runtime/graph/placer.h"
#include "runtime/graph/placer_kernels.h"

namespace lockstep {

struct NodeNeed {
  DeviceName request;
  int kinds = 0;  // that have a kernel; all when none has
  bool no_kernel = false;
  // Carried out by the planner, on the CPU whatever it asks for.
  bool control_flow = false;
  int assigned = -1;  // number of its device in the set, when it has one
  // The call whose function leaves only `kinds` for the variable; or null.
  const Node* caller = nullptr;
};

// The parts of both; what is in one only is kept. Requires Agree(a, b).
DeviceName Merge(const DeviceName& a, const DeviceName& b);
// No part is different in both.
bool Agree(const DeviceName& a, const DeviceName& b);
bool AsksForSomething(const DeviceName& request);

class PlacerNeeds {
 public:
  PlacerNeeds(const DeviceSet& devices, const PlacerOptions& options);
  // INVALID_ARGUMENT naming a node whose requested device is no device name or
  // whose assigned device is not in the set.
  Status Read(const Graph& graph);

  const NodeNeed& Of(const Node* node) const {
    return needs_[static_cast<size_t>(node->id())];
  }
  const DeviceSet& devices() const { return devices_; }
  const Device& device(int i) const {
    return devices_.all()[static_cast<size_t>(i)];
  }
  bool several_tasks() const { return several_tasks_; }
  bool has_gpus() const { return set_kinds_ & KindBit(kGpu); }

  bool SameTask(int a, int b) const {
    return device(a).name.task == device(b).name.task;
  }

  // Numbers of the devices, the preferred first: those of the default task,
  // and of these GPUs; otherwise in the set's order.
  const std::vector<int>& Candidates(const DeviceName& request, int kinds);
  // What is left of the node's request when soft placement drops it.
  DeviceName SoftRequest(const Node* node) const;
  // A bit ('0' or '1') for each device: whether the node can be there.
  std::string Allowed(const Node* node, bool soft) const;
  // "asks for '/gpu:0' and has a kernel for CPU only (T=string)".
  std::string Text(const Node* node) const;
  // "/cpu:0", with the task when there are several.
  std::string DeviceText(int device) const;
  std::string DevicesText() const;

 private:
  Status ReadNode(const Node* node, NodeNeed* need) const;
  Status ReadRequest(const Node* node, NodeNeed* need) const;
  void ReadKernels(const Node* node, NodeNeed* need) const;
  void ReadCalls(const Graph& graph);

  const DeviceSet& devices_;
  const PlacerOptions& options_;
  bool several_tasks_ = false;
  int only_task_ = 0;
  int set_kinds_ = 0;
  std::unordered_map<std::string, int> number_of_;  // by complete name
  std::vector<NodeNeed> needs_;                     // by node id
  std::map<std::pair<std::string, int>, std::vector<int>> candidates_;
};

}  // namespace lockstep
