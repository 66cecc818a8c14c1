// SPDX-License-Identifier: Apache-2.0
#include "tests/distributed/linear_model.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <utility>

#include "ops/array/array.h"
#include "ops/math/math.h"
#include "ops/random/random.h"
#include "ops/reduce/reduce.h"
#include "ops/state/state.h"
#include "runtime/graph/gradients.h"
#include "runtime/op/kernel.h"
#include "runtime/op/shape_context.h"

namespace lockstep {
namespace {

// var -= rate * gradient: all that the rewrite knows of an Apply* op is the
// trait.
Status DescendCpu(KernelContext& k) {
  float* var = k.variable(0).data<float>();
  const float rate = *k.in<float>(1);
  const float* gradient = k.in<float>(2);
  for (int64_t i = 0; i < k.input(2).NumElements(); ++i) {
    var[i] -= rate * gradient[i];
  }
  return Ok();
}

LOCKSTEP_OP("_TestDescend")
    .Input("var: Ref(float)")
    .Input("rate: float")
    .Input("gradient: float")
    .Output("out: Ref(float)")
    .Shape(UnchangedShape)
    .NoGradient()
    .Stateful()
    .With([](OpTraits& t) { t.applies_gradient = 2; })
    .Kernel(kCpu, {DescendCpu});

float Feature(int64_t sample, int64_t feature) {
  return static_cast<float>((sample * 5 + feature * 3) % 7) / 7.0f - 0.4f;
}

}  // namespace

Output Descend(const Scope& scope, Output var, float rate, Output gradient) {
  return scope.Op("_TestDescend").In(var).In(rate).In(gradient).Out();
}

Model::Model(bool noisy) {
  x = ops::Placeholder(root.WithName("x"), kFloat, Shape{-1, 3});
  y = ops::Placeholder(root.WithName("y"), kFloat, Shape{-1, 1});
  w = ops::InitializedVariable(root.WithName("w"),
                               Tensor::Of<float>({3}, {0.3f, -0.2f, 0}));
  b = ops::InitializedVariable(root.WithName("b"), Tensor::Of<float>({1}, {1}));
  noise = ops::RandomUniform(root.WithName("noise"), ops::Shape(root, x));
  const Output features = noisy ? ops::Mul(root, x, noise) : x;
  const Output prediction =
      ops::Add(root, ops::Sum(root, ops::Mul(root, features, w), {1}, true), b);
  loss = ops::Mean(root.WithName("loss"),
                   ops::Square(root, ops::Sub(root, prediction, y)), {0, 1});
  std::vector<Output> gradients;
  root.graph()->UpdateStatus(AddGradients(root, {loss}, {w, b}, &gradients));
  if (root.ok()) {
    const Output steps[] = {
        Descend(root.WithName("apply_w"), w, 0.05f, gradients[0]),
        Descend(root.WithName("apply_b"), b, 0.05f, gradients[1])};
    root.WithName("train")
        .WithControlDependencies({steps[0], steps[1]})
        .Op("NoOp")
        .Build();
  }
  ops::VariablesInitializer(root.WithName("init"));
  EXPECT_TRUE(root.ok()) << root.status().ToString();
}

std::vector<Session::Feed> Batch(int64_t begin, int64_t end) {
  Tensor x(kFloat, Shape{end - begin, 3});
  Tensor y(kFloat, Shape{end - begin, 1});
  for (int64_t s = begin; s < end; ++s) {
    const auto row = static_cast<size_t>(s - begin);
    for (int64_t f = 0; f < 3; ++f) {
      x.flat<float>()[3 * row + static_cast<size_t>(f)] = Feature(s, f);
    }
    y.flat<float>()[row] =
        2 * Feature(s, 0) - Feature(s, 1) + 0.5f * Feature(s, 2) + 0.1f;
  }
  return {{"x:0", x}, {"y:0", y}};
}

std::vector<float> Floats(const Tensor& t) {
  const auto span = t.flat<float>();
  return {span.begin(), span.end()};
}

std::vector<float> Train(Session& session, int64_t begin, int64_t end) {
  Status s = session.RunTargets({"init"});
  for (int i = 0; i < kSteps; ++i) {
    s.Update(session.RunTargets({"train"}, Batch(begin, end)));
  }
  auto values = session.Run({}, {"w:0", "b:0"});
  s.Update(values.status());
  EXPECT_TRUE(s.ok()) << s.ToString();
  if (!s.ok()) return {};
  std::vector<float> all = Floats((*values)[0]);
  all.push_back(Floats((*values)[1])[0]);
  return all;
}

SessionOptions CpuOptions() {
  SessionOptions options;
  options.device_count = {{"GPU", 0}};
  return options;
}

std::unique_ptr<Session> Open(const Graph& graph, SessionOptions options) {
  options.intra_op_threads = 1;
  auto session = Session::Create(graph, std::move(options));
  EXPECT_TRUE(session.ok()) << session.status().ToString();
  return session.ok() ? *std::move(session) : nullptr;
}

std::unique_ptr<Session> Open(const Graph& graph,
                              std::shared_ptr<Communicator> comm,
                              DataParallelOptions parallel) {
  SessionOptions options;
  UseDataParallel(std::move(comm), std::move(parallel), &options);
  return Open(graph, std::move(options));
}

int CountSteps(Session& session, const std::vector<Session::Feed>& feeds,
               const std::string& target, const std::string& op) {
  auto info = session.Explain(feeds, {}, {target});
  EXPECT_TRUE(info.ok()) << info.status().ToString();
  if (!info.ok()) return -1;
  return static_cast<int>(
      std::ranges::count_if(info->steps, [&](const std::string& step) {
        return step.find(op + "(") != std::string::npos;
      }));
}

}  // namespace lockstep
