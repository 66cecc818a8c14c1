// SPDX-License-Identifier: Apache-2.0
// Kernels do not throw; the libraries that they call may.
#include <gtest/gtest.h>

#include <new>
#include <stdexcept>

#include "ops/ops.h"
#include "runtime/core/progress.h"
#include "runtime/exec/session.h"
#include "runtime/op/kernel.h"
#include "runtime/op/shape_context.h"

namespace lockstep {
namespace {

Status ThrowCpu(KernelContext& k) {
  if (k.input(0).scalar<float>() > 1) throw std::bad_alloc();
  if (k.input(0).scalar<float>() > 0) throw std::runtime_error("no such luck");
  k.output(0).flat<float>()[0] = 5;
  return Ok();
}

LOCKSTEP_OP("TestThrow")
    .Input("x: float")
    .Output("y: float")
    .Shape(UnchangedShape)
    .NoGradient()
    .Stateful()
    .Kernel(kCpu, {ThrowCpu});

TEST(ThrowingKernelTest, IsAnErrorThatNamesTheNodeAndTheSessionGoesOn) {
  Graph graph;
  const Scope root(&graph);
  const Output x = ops::Placeholder(root.WithName("x"), kFloat, Shape{});
  const Output y = root.WithName("unlucky").Op("TestThrow").In(x).Out();
  auto session = Session::Create(graph);
  ASSERT_TRUE(session.ok()) << session.status().ToString();
  const Status thrown =
      (*session)->RunOne({{"x:0", Tensor(1.0f)}}, y.name()).status();
  EXPECT_EQ(thrown.ToString(),
            "INTERNAL: /cpu:0 node 'unlucky' (TestThrow): threw an exception: "
            "no such luck");
  EXPECT_EQ(ReadProgress().where, "");
  const Status memory =
      (*session)->RunOne({{"x:0", Tensor(2.0f)}}, y.name()).status();
  EXPECT_EQ(memory.ToString(),
            "RESOURCE_EXHAUSTED: /cpu:0 node 'unlucky' (TestThrow): out of "
            "memory");
  const auto fine = (*session)->RunOne({{"x:0", Tensor(0.0f)}}, y.name());
  ASSERT_TRUE(fine.ok()) << fine.status().ToString();
  EXPECT_EQ(fine->scalar<float>(), 5);
}

}  // namespace
}  // namespace lockstep
