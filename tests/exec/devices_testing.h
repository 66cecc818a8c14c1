// SPDX-License-Identifier: Apache-2.0
#pragma once

// What tests of sessions on virtual GPUs share.

#include <gmock/gmock.h>

#include <memory>
#include <utility>

#include "ops/ops.h"
#include "runtime/exec/session.h"

namespace lockstep {

inline SessionOptions Gpus(int count, size_t bytes = size_t{64} << 20) {
  SessionOptions options;
  options.gpu_options.virtual_gpus = {.count = count, .bytes = bytes};
  return options;
}

inline std::unique_ptr<Session> Open(const Graph& graph,
                                     SessionOptions options) {
  auto session = Session::Create(graph, std::move(options));
  EXPECT_TRUE(session.ok()) << session.status().ToString();
  return session.ok() ? *std::move(session) : nullptr;
}

class DevicesTest : public ::testing::Test {
 protected:
  Scope On(const char* device) { return root_.WithDevice(device); }
  Output X(Shape shape) {
    return ops::Placeholder(root_.WithDevice("/cpu:0").WithName("x"), kFloat,
                            shape);
  }

  Graph graph_;
  Scope root_{&graph_};
};

}  // namespace lockstep
