// SPDX-License-Identifier: Apache-2.0
// Work is cut by sizes, never by the number of threads: kernels of our own give
// the same bits on any number of them. What oneDNN's give is told, not
// promised; reproducible mode is for that (docs/reproducible.md).
#include <gtest/gtest.h>

#include "ops/array/array.h"
#include "ops/conv/conv.h"
#include "ops/linalg/linalg.h"
#include "ops/math/math.h"
#include "ops/nn/nn.h"
#include "ops/random/random.h"
#include "ops/reduce/reduce.h"
#include "ops/state/state.h"
#include "ops/training/optimizer.h"
#include "runtime/exec/session.h"
#include "runtime/graph/builder.h"
#include "runtime/graph/gradients.h"

namespace lockstep {
namespace {

// Numbers of no pattern, of the sizes of a training step.
Output Numbers(const Scope& s, std::initializer_list<int32_t> shape, int seed) {
  return ops::Sub(s, ops::RandomUniform(s.WithSeed(seed), shape, kFloat), 0.4f);
}

struct Kernel {
  const char* name;
  Output (*build)(const Scope& s);
  bool library = false;  // oneDNN's
};

Output Convolution(const Scope& s, const char* op, bool by_filter) {
  const Output x = Numbers(s, {32, 14, 14, 16}, 1);
  const Output f = Numbers(s, {3, 3, 16, 24}, 2);
  const Output y = ops::Conv2D(s.WithName("conv"), x, f, {1, 1, 1, 1}, "SAME");
  if (std::string(op) == "forward") return y;
  std::vector<Output> gradients;
  s.graph()->UpdateStatus(
      AddGradients(s, {ops::Mul(s, y, y)}, {by_filter ? f : x}, &gradients));
  return gradients.empty() ? y : gradients[0];
}

const Kernel kKernels[] = {
    {"MatMul",
     [](const Scope& s) {
       return ops::MatMul(s, Numbers(s, {100, 784}, 1),
                          Numbers(s, {784, 300}, 2));
     },
     true},
    {"MatMul of a weight gradient",
     [](const Scope& s) {
       return ops::MatMul(s, Numbers(s, {100, 784}, 1),
                          Numbers(s, {100, 300}, 2), true, false);
     },
     true},
    {"Conv2D", [](const Scope& s) { return Convolution(s, "forward", false); },
     true},
    {"Conv2DBackpropInput",
     [](const Scope& s) { return Convolution(s, "backward", false); }, true},
    {"Conv2DBackpropFilter",
     [](const Scope& s) { return Convolution(s, "backward", true); }, true},
    {"random numbers", [](const Scope& s) { return Numbers(s, {70001}, 5); }},
    {"TruncatedNormal",
     [](const Scope& s) {
       return ops::TruncatedNormal(s.WithSeed(4), {70001}, kFloat);
     }},
    {"Exp and Tanh",
     [](const Scope& s) {
       return ops::Tanh(s, ops::Exp(s, Numbers(s, {70001}, 5)));
     }},
    {"Sum of all",
     [](const Scope& s) {
       return ops::Sum(s, Numbers(s, {300, 301}, 6), {0, 1});
     }},
    {"Sum of columns",
     [](const Scope& s) {
       return ops::Sum(s, Numbers(s, {5000, 33}, 6), {0});
     }},
    {"Mean of rows",
     [](const Scope& s) {
       return ops::Mean(s, Numbers(s, {33, 5000}, 6), {1});
     }},
    {"Softmax",
     [](const Scope& s) {
       return ops::Softmax(s, Numbers(s, {999, 10}, 7));
     }},
    {"MaxPool",
     [](const Scope& s) {
       return ops::MaxPool(s, Numbers(s, {64, 14, 14, 8}, 8), {1, 2, 2, 1},
                           {1, 2, 2, 1}, "SAME");
     }},
    {"cross-entropy and BiasAdd, with gradients",
     [](const Scope& s) {
       const Output bias = Numbers(s, {10}, 9);
       const Output logits = ops::BiasAdd(s, Numbers(s, {4000, 10}, 10), bias);
       const Output losses = ops::SoftmaxCrossEntropyWithLogits(
           s, logits, ops::Softmax(s, Numbers(s, {4000, 10}, 11)));
       std::vector<Output> gradients;
       s.graph()->UpdateStatus(
           AddGradients(s, {ops::Mean(s, losses, {0})}, {bias}, &gradients));
       return gradients.empty() ? losses : gradients[0];
     }},
};

Result<Tensor> Compute(const Kernel& kernel, int threads) {
  Graph graph;
  const Scope root(&graph);
  const Output y = ops::Identity(root.WithName("y"), kernel.build(root));
  LS_RETURN_IF_ERROR(root.status());
  SessionOptions options;
  options.intra_op_threads = threads;
  LS_ASSIGN_OR_RETURN(auto session, Session::Create(graph, options));
  return session->RunOne({}, y.name());
}

TEST(ThreadBitsTest, OurKernelsDoNotKnowTheNumberOfThreads) {
  for (const Kernel& kernel : kKernels) {
    SCOPED_TRACE(kernel.name);
    const Result<Tensor> one = Compute(kernel, 1);
    ASSERT_TRUE(one.ok()) << one.status().ToString();
    for (const int threads : {2, 3, 4, 7}) {
      const Result<Tensor> more = Compute(kernel, threads);
      ASSERT_TRUE(more.ok()) << more.status().ToString();
      const bool equal = BitwiseEqual(*one, *more);
      if (kernel.library) {
        std::printf("%s, %d threads: %s\n", kernel.name, threads,
                    equal ? "equal" : "other bits");
        continue;
      }
      EXPECT_TRUE(equal) << threads << " threads";
    }
  }
}

// An Adam step, over variables of odd sizes.
TEST(ThreadBitsTest, UpdatesDoNotKnowTheNumberOfThreads) {
  const auto train = [](int threads) {
    Graph graph;
    const Scope root(&graph);
    const Output v = ops::InitializedVariable(root.WithName("v"),
                                              Numbers(root, {50021}, 12));
    ops::AdamOptimizer adam(0.01f);
    const Node* step = adam.Minimize(
        root.WithName("train"), ops::Sum(root, ops::Square(root, v), {0}), {v});
    const Node* init = ops::VariablesInitializer(root);
    SessionOptions options;
    options.intra_op_threads = threads;
    auto session = Session::Create(graph, options).value();
    Status s = session->RunTargets({init->name()});
    for (int i = 0; i < 5; ++i) s.Update(session->RunTargets({step->name()}));
    EXPECT_TRUE(s.ok()) << s.ToString();
    return session->RunOne({}, "v:0").value();
  };
  const Tensor one = train(1);
  for (const int threads : {2, 3, 4}) {
    EXPECT_TRUE(BitwiseEqual(train(threads), one)) << threads;
  }
}

}  // namespace
}  // namespace lockstep
