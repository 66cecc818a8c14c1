// SPDX-License-Identifier: Apache-2.0
#pragma once

// Program: a graph under construction and, once it is asked for something, a
// session that runs it.
//
//   Program p;
//   const Output v = ops::InitializedVariable(p.s.WithName("v"), 1.0f);
//   ASSERT_TRUE(p.Target(ops::VariablesInitializer(p.s)).ok());
//   EXPECT_EQ(p.Get(v).scalar<float>(), 1);

#include <gtest/gtest.h>

#include <memory>

#include "runtime/exec/session.h"
#include "runtime/graph/builder.h"

namespace lockstep {

struct Program {
  Graph graph;
  Scope s{&graph};
  std::unique_ptr<Session> session;

  Session& Start() {
    if (!session) {
      auto made = Session::Create(graph);
      EXPECT_TRUE(made.ok()) << made.status().ToString();
      session = *std::move(made);
    }
    return *session;
  }
  // Fails the test on an error.
  Tensor Get(Output o) {
    Result<Tensor> r = Start().Run({}, o);
    EXPECT_TRUE(r.ok()) << r.status().ToString();
    return r.ok() ? *r : Tensor();
  }
  Status Target(const Node* n) { return Start().RunTargets({n->name()}); }
};

}  // namespace lockstep
