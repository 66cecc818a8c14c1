// SPDX-License-Identifier: Apache-2.0
// The README's first program: fits y = 2x + 1 by gradient descent.
//   build/release/examples/first/first
// prints w and b near 2 and 1.
#include <cstdio>

#include "ops/ops.h"
#include "runtime/exec/session.h"

using namespace lockstep;

int main() {
  Graph graph;
  Scope root(&graph);
  Output x = ops::Placeholder(root, kFloat, {-1});
  Output y = ops::Placeholder(root, kFloat, {-1});
  Output w = ops::InitializedVariable(root.WithName("w"), 0.0f);
  Output b = ops::InitializedVariable(root.WithName("b"), 0.0f);
  Output error = ops::Sub(root, ops::Add(root, ops::Mul(root, x, w), b), y);
  Output loss = ops::Mean(root, ops::Square(root, error), {0});
  Node* train =
      ops::GradientDescentOptimizer(0.1f).Minimize(root, loss, {w, b});
  Node* init = ops::VariablesInitializer(root);

  auto session = Session::Create(graph).value();
  ThrowIfError(session->RunTargets({init->name()}));
  auto step = session->MakeCallable({x, y}, {loss, w, b}, {train}).value();
  const Tensor xs = Tensor::Of<float>({4}, {0, 1, 2, 3});
  const Tensor ys = Tensor::Of<float>({4}, {1, 3, 5, 7});
  std::vector<Tensor> out;
  for (int i = 0; i < 500; ++i)
    ThrowIfError(step->Run(std::vector{xs, ys}, &out));
  std::printf("w %.3f  b %.3f\n", out[1].scalar<float>(),
              out[2].scalar<float>());
}
