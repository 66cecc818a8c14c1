// SPDX-License-Identifier: Apache-2.0
// Uses the installed library as a stranger would: a graph of ops, a session,
// an error.

#include <cstdio>

#include "ops/ops.h"
#include "runtime/exec/session.h"

using namespace lockstep;

int main() {
  Graph graph;
  Scope root(&graph);
  Output x = ops::Placeholder(root, kFloat, {-1, 2});
  Output y = ops::Add(root, ops::Mul(root, x, 2.0f), 1.0f);
  auto session = Session::Create(graph).value();
  auto step = session->MakeCallable({x}, {y}, {}).value();

  std::vector<Tensor> out;
  const Tensor good = Tensor::Of<float>({1, 2}, {1, 2});
  ThrowIfError(step->Run(std::vector{good}, &out));
  std::printf("%s\n", out[0].ToString().c_str());
  if (out[0].ToString() != "float [1,2] {3, 5}") return 1;

  const Tensor bad = Tensor::Of<float>({1, 3}, {1, 2, 3});
  const Status refused = step->Run(std::vector{bad}, &out);
  std::printf("%s\n", refused.ToString().c_str());
  return refused.code() == Code::kInvalidArgument ? 0 : 1;
}
