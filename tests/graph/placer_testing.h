// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the tests of the placer share: a graph, and its placement as text.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "ops/ops.h"
#include "runtime/graph/placer.h"

namespace lockstep::testing {

// "/cpu:0" ... and "/gpu:0" ... of each task.
inline DeviceSet Devices(int cpus, int gpus, int tasks = 1) {
  DeviceSet set;
  for (int task = 0; task < tasks; ++task) {
    const DeviceSet local = DeviceSet::Local(task, cpus);
    for (const Device& d : local.all()) set.Add(d);
    for (int i = 0; i < gpus; ++i) {
      set.Add({.name = {.job = "worker",
                        .replica = {},
                        .task = task,
                        .type = "GPU",
                        .index = i}});
    }
  }
  return set;
}

class PlacerTest : public ::testing::Test {
 protected:
  Scope On(const char* name, const char* device) {
    return root_.WithName(name).WithDevice(device);
  }
  Scope Named(const char* name) { return root_.WithName(name); }

  // A line a node, "name device reason", with "!" after it for a fall-back and
  // the task in front of the device when there are several; or the error.
  std::string Place(const DeviceSet& devices,
                    const PlacerOptions& options = {}) {
    EXPECT_TRUE(graph_.status().ok()) << graph_.status().ToString();
    Graph graph = graph_.Clone();
    std::vector<Placement> decisions;
    const Status s = PlaceGraph(devices, options, &graph, &decisions);
    if (!s.ok()) return s.ToString();
    bool several = false;
    for (const Device& d : devices.all()) several |= d.name.task != 0;
    std::string text;
    why_.clear();
    for (const Placement& p : decisions) {
      const DeviceName at = *DeviceName::Parse(p.assigned);
      text += StrCat(p.node, " ", several ? StrCat(*at.task) : std::string(),
                     at.Short(), " ", ReasonName(p.reason),
                     p.fell_back ? "!\n" : "\n");
      why_ += StrCat(p.node, ": ", p.why, "\n");
    }
    return text;
  }
  std::string PlaceSoft(const DeviceSet& devices) {
    return Place(devices, {.allow_soft_placement = true});
  }

  Graph graph_;
  Scope root_{&graph_};
  std::string why_;  // of the last Place
};

}  // namespace lockstep::testing
