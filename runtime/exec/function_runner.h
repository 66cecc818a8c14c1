// SPDX-License-Identifier: Apache-2.0
#pragma once

// FunctionRunner: a function of the library that a step runs: its body made
// into plans, one for each set of argument shapes, when they are first needed.
// Internal to runtime/exec.
//
// An argument that stands for a variable is not passed at run time: the body
// gets the variable itself, so its plan reads and writes it like any other.

#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "runtime/exec/plan.h"
#include "runtime/exec/plan_builder.h"
#include "runtime/graph/function.h"
#include "runtime/op/kernel.h"

namespace lockstep {

// The variable nodes that a node's inputs stand for (see PassesHandle); null
// for inputs that are values.
std::vector<const Node*> HandlesOf(const Node& n);

class FunctionRunner {
 public:
  // `variables[i]` as HandlesOf gives them, for the function's arguments.
  // `environment` must outlive the runner.
  static Result<std::unique_ptr<FunctionRunner>> Create(
      const PlanEnvironment& environment,
      const std::shared_ptr<const FunctionLibrary>& library,
      std::string_view name, const std::vector<const Node*>& variables);

  // `args` are the values of all arguments (variables' are ignored); results
  // likewise. Tensors in `results` are overwritten where they fit.
  Status Run(std::span<const Tensor> args, const RunInfo& info,
             std::vector<Tensor>* results);

  // What is known of the results' shapes.
  Result<std::vector<Shape>> InferShapes(const std::vector<Shape>& args) const;

  const Function& function() const { return *function_; }

 private:
  FunctionRunner(const PlanEnvironment& environment,
                 std::shared_ptr<const Function> function)
      : environment_(environment), function_(std::move(function)) {}
  Status MakeBody(const std::shared_ptr<const FunctionLibrary>& library,
                  const std::vector<const Node*>& variables);
  Result<Plan*> FindPlan(std::span<const Tensor> args);
  Result<std::unique_ptr<Plan>> MakePlan(const std::vector<FeedSpec>& feeds);
  // For arguments whose shapes keep changing: sizes that differ are unknown.
  std::vector<FeedSpec> Generalize(std::span<const Tensor> args) const;

  PlanEnvironment environment_;
  std::shared_ptr<const Function> function_;
  Graph body_;
  RunSignature signature_;
  std::vector<size_t> fed_;      // arguments that are values
  std::vector<size_t> fetched_;  // results that are values
  std::vector<std::unique_ptr<Plan>> plans_;
  std::vector<Tensor> feeds_;  // of the run at hand
  std::vector<Tensor> fetches_;
};

}  // namespace lockstep
