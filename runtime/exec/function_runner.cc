// SPDX-License-Identifier: Apache-2.0
#include "runtime/exec/function_runner.h"

#include "runtime/exec/schedule.h"
#include "runtime/graph/control_flow.h"

namespace lockstep {
namespace {

constexpr int kMaxDepth = 200;
// Functions within functions whose shapes are inferred; further ones are
// unknown (a function may call itself).
constexpr int kMaxInferenceDepth = 6;
// Plans for fixed shapes, after which one for changing shapes is made.
constexpr size_t kMaxShapes = 4;

}  // namespace

std::vector<const Node*> HandlesOf(const Node& n) {
  std::vector<const Node*> variables;
  for (int i = 0; i < n.num_inputs(); ++i) {
    const Output behind =
        PassesHandle(n, i) ? VariableBehind(n.input(i)) : Output{};
    variables.push_back(behind.node);
  }
  return variables;
}

Result<std::unique_ptr<FunctionRunner>> FunctionRunner::Create(
    const PlanEnvironment& environment,
    const std::shared_ptr<const FunctionLibrary>& library,
    std::string_view name, const std::vector<const Node*>& variables) {
  if (environment.depth >= kMaxDepth) {
    return InvalidArgument("functions nest deeper than ", kMaxDepth,
                           ", at function '", name, "'");
  }
  if (!library) {
    return NotFound("function '", name, "' is not in the graph's library");
  }
  LS_ASSIGN_OR_RETURN(std::shared_ptr<const Function> function,
                      library->Get(name));
  if (function->args.size() != variables.size()) {
    return InvalidArgument("function '", name, "' has ", function->args.size(),
                           " arguments, is given ", variables.size());
  }
  std::unique_ptr<FunctionRunner> runner(
      new FunctionRunner(environment, std::move(function)));
  ++runner->environment_.depth;
  runner->environment_.keeps_results = false;
  LS_RETURN_IF_ERROR(runner->MakeBody(library, variables));
  return runner;
}

Status FunctionRunner::MakeBody(
    const std::shared_ptr<const FunctionLibrary>& library,
    const std::vector<const Node*>& variables) {
  std::unordered_map<const Node*, Node*> copy;
  body_ = function_->body.Clone(&copy);
  body_.set_functions(library);
  for (size_t i = 0; i < variables.size(); ++i) {
    Node* arg = copy.at(function_->args[i]);
    const Node* variable = variables[i];
    if (!variable) {
      fed_.push_back(i);
      signature_.feeds.push_back(arg->output(0));
      continue;
    }
    LS_ASSIGN_OR_RETURN(
        Node * here, body_.AddNode({.name = body_.UniqueName(variable->name()),
                                    .op = variable->op(),
                                    .attrs = variable->attrs()}));
    here->mutable_attrs()["shared_name"] = VariableName(*variable);
    body_.ReplaceUses(arg->output(0), here->output(0));
    copy[function_->args[i]] = here;
  }
  for (size_t i = 0; i < function_->results.size(); ++i) {
    const Output& r = function_->results[i];
    const Output result{copy.at(r.node), r.index};
    if (IsHandle(result.dtype()) && VariableBehind(result).defined()) continue;
    fetched_.push_back(i);
    signature_.fetches.push_back(result);
  }
  for (const Node* n : function_->Effects()) {
    signature_.targets.push_back(copy.at(n));
  }
  return Ok();
}

Result<std::unique_ptr<Plan>> FunctionRunner::MakePlan(
    const std::vector<FeedSpec>& feeds) {
  Result<std::unique_ptr<Plan>> plan = BuildPlan({.graph = body_,
                                                  .signature = signature_,
                                                  .feeds = feeds,
                                                  .environment = environment_});
  if (!plan.ok()) {
    return plan.status().WithContext(
        StrCat("function '", function_->name, "'"));
  }
  return plan;
}

std::vector<FeedSpec> FunctionRunner::Generalize(
    std::span<const Tensor> args) const {
  std::vector<FeedSpec> specs;
  for (const Tensor& t : args) specs.push_back({t.dtype(), t.shape()});
  for (const auto& plan : plans_) {
    const std::vector<FeedSpec> made_for = plan->FeedSpecs();
    for (size_t i = 0; i < specs.size(); ++i) {
      specs[i].shape = CommonShape(specs[i].shape, made_for[i].shape);
    }
  }
  return specs;
}

Result<Plan*> FunctionRunner::FindPlan(std::span<const Tensor> args) {
  for (size_t i = 0; i < plans_.size(); ++i) {
    if (!plans_[i]->Fits(args)) continue;
    if (i > 0) std::swap(plans_[0], plans_[i]);
    return plans_[0].get();
  }
  std::vector<FeedSpec> specs;
  if (plans_.size() < kMaxShapes) {
    for (const Tensor& t : args) specs.push_back({t.dtype(), t.shape()});
  } else {
    specs = Generalize(args);
    plans_.pop_back();
  }
  LS_ASSIGN_OR_RETURN(std::unique_ptr<Plan> plan, MakePlan(specs));
  plans_.insert(plans_.begin(), std::move(plan));
  return plans_[0].get();
}

Status FunctionRunner::Run(std::span<const Tensor> args, const RunInfo& info,
                           std::vector<Tensor>* results) {
  feeds_.clear();
  for (size_t i : fed_) feeds_.push_back(args[i]);
  fetches_.clear();
  results->resize(function_->results.size());
  for (size_t i : fetched_) fetches_.push_back(std::move((*results)[i]));
  LS_ASSIGN_OR_RETURN(Plan * plan, FindPlan(feeds_));
  LS_RETURN_IF_ERROR(plan->Run(feeds_, &fetches_, &info));
  for (size_t i = 0; i < fetched_.size(); ++i) {
    (*results)[fetched_[i]] = std::move(fetches_[i]);
  }
  feeds_.clear();  // the caller may want to reuse their memory
  return Ok();
}

Result<std::vector<Shape>> FunctionRunner::InferShapes(
    const std::vector<Shape>& args) const {
  std::vector<Shape> shapes(function_->results.size(), Shape::Unknown());
  if (environment_.inference_depth >= kMaxInferenceDepth) return shapes;
  PlanEnvironment environment = environment_;
  ++environment.inference_depth;
  std::vector<FeedSpec> feeds;
  for (size_t i = 0; i < fed_.size(); ++i) {
    feeds.push_back({BaseOf(signature_.feeds[i].dtype()), args[fed_[i]]});
  }
  Result<PlanGraph> plan = SpecializedGraph({.graph = body_,
                                             .signature = signature_,
                                             .feeds = feeds,
                                             .environment = environment});
  if (!plan.ok()) {
    return plan.status().WithContext(
        StrCat("function '", function_->name, "'"));
  }
  for (size_t i = 0; i < fetched_.size(); ++i) {
    shapes[fetched_[i]] = plan->fetches[i].shape();
  }
  return shapes;
}

}  // namespace lockstep
