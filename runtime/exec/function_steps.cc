// SPDX-License-Identifier: Apache-2.0
#include "runtime/exec/function_steps.h"

#include <algorithm>

#include "runtime/exec/branch_steps.h"
#include "runtime/graph/control_flow.h"

namespace lockstep {
namespace {

using Library = std::shared_ptr<const FunctionLibrary>;
using Runners = std::vector<std::unique_ptr<FunctionRunner>>;

// A value that may outlive what `from` borrows.
Status Keep(Tensor* from, Tensor* to) {
  if (from->owns_memory()) {
    *to = std::move(*from);
    return Ok();
  }
  return CopyInto(*from, to);
}

// Whether the tensor means "yes": TensorFlow's rule for If.
Result<bool> Truth(const Tensor& t) {
  if (t.shape().rank() > 0) return t.NumElements() > 0;
  if (t.dtype() == kBool) return t.scalar<bool>();
  if (t.dtype() == kString) return !t.scalar<std::string>().empty();
  bool truth = false;
  LS_RETURN_IF_ERROR(VisitDType(t.dtype(), [&]<class T>(std::type_identity<T>) {
    truth = static_cast<double>(t.scalar<T>()) != 0;
    return Ok();
  }));
  return truth;
}

// Runs one of several functions: If, Case.
class BranchStep final : public StepRunner {
 public:
  BranchStep(Runners branches, bool is_if, const RunInfo* run)
      : branches_(std::move(branches)), is_if_(is_if), run_(run) {}

  Status Run(std::span<Tensor* const> inputs,
             std::span<Tensor* const> outputs) override {
    LS_ASSIGN_OR_RETURN(size_t branch, Choose(*inputs[0]));
    std::vector<Tensor> args;
    for (Tensor* t : inputs.subspan(1)) args.push_back(*t);
    results_.resize(outputs.size());
    for (size_t i = 0; i < outputs.size(); ++i) {
      results_[i] = std::move(*outputs[i]);  // to be overwritten
    }
    LS_RETURN_IF_ERROR(branches_[branch]->Run(args, *run_, &results_));
    for (size_t i = 0; i < outputs.size(); ++i) {
      if (!results_[i].defined()) {
        return Unimplemented("result ", i, " is a handle of a variable");
      }
      LS_RETURN_IF_ERROR(Keep(&results_[i], outputs[i]));
    }
    return Ok();
  }

 private:
  Result<size_t> Choose(const Tensor& selector) const {
    if (is_if_) {
      LS_ASSIGN_OR_RETURN(bool truth, Truth(selector));
      return truth ? size_t{0} : size_t{1};
    }
    const int32_t index = selector.scalar<int32_t>();
    const auto count = static_cast<int32_t>(branches_.size());
    return static_cast<size_t>(index < 0 || index >= count ? count - 1 : index);
  }

  Runners branches_;
  bool is_if_;
  const RunInfo* run_;
  std::vector<Tensor> results_;
};

// While and _Loop. Values of one iteration are those of the variables, then
// the invariants, then what the condition hands to the body.
class LoopStep final : public StepRunner {
 public:
  LoopStep(std::unique_ptr<FunctionRunner> cond,
           std::unique_ptr<FunctionRunner> body, size_t vars,
           const RunInfo* run)
      : cond_(std::move(cond)),
        body_(std::move(body)),
        vars_(vars),
        run_(run) {}

  Status Run(std::span<Tensor* const> inputs,
             std::span<Tensor* const> outputs) override {
    std::vector<Tensor> args;
    for (Tensor* t : inputs) args.push_back(*t);
    for (;;) {
      LS_RETURN_IF_ERROR(cond_->Run(args, *run_, &decision_));
      LS_ASSIGN_OR_RETURN(bool again, Truth(decision_[0]));
      if (!again) break;
      args.insert(args.end(), decision_.begin() + 1, decision_.end());
      LS_RETURN_IF_ERROR(body_->Run(args, *run_, &next_));
      args.resize(inputs.size());
      for (size_t i = 0; i < vars_; ++i) {
        // A variable passed on as a handle has no value here.
        if (next_[i].defined()) std::swap(args[i], next_[i]);
      }
    }
    for (size_t i = 0; i < vars_; ++i) {
      // A variable's own tensor, which was handed on: other plans and lanes
      // have its address, and a body may have given a copy of it.
      if (outputs[i] == inputs[i]) continue;
      if (args[i].defined()) LS_RETURN_IF_ERROR(Keep(&args[i], outputs[i]));
    }
    next_.clear();
    return Ok();
  }

 private:
  std::unique_ptr<FunctionRunner> cond_;
  std::unique_ptr<FunctionRunner> body_;
  size_t vars_;
  const RunInfo* run_;
  std::vector<Tensor> decision_;
  std::vector<Tensor> next_;
};

// The functions of the node, with the variables of its inputs.
Result<Runners> MakeRunners(const Node& node,
                            const PlanEnvironment& environment,
                            const Library& library) {
  std::vector<const Node*> variables = HandlesOf(node);
  if (IsBranch(node)) variables.erase(variables.begin());
  const auto shared = GetOr<int64_t>(node.attrs(), "shared", 0);
  if (shared < 0 || shared > (1 << 20)) {
    return InvalidArgument("attribute 'shared' is ", shared);
  }
  Runners runners;
  for (const std::string& name : FunctionsOf(node)) {
    if (IsLoop(node) && runners.size() == 1) {  // the body
      variables.resize(variables.size() + static_cast<size_t>(shared));
    }
    LS_ASSIGN_OR_RETURN(
        std::unique_ptr<FunctionRunner> runner,
        FunctionRunner::Create(environment, library, name, variables));
    runners.push_back(std::move(runner));
  }
  return runners;
}

Status CheckResults(const Node& node, const FunctionRunner& runner) {
  const std::vector<Output>& results = runner.function().results;
  if (static_cast<int>(results.size()) != node.num_outputs()) {
    return InvalidArgument("function '", runner.function().name, "' gives ",
                           results.size(), " results, ", node.num_outputs(),
                           " are wanted");
  }
  for (int i = 0; i < node.num_outputs(); ++i) {
    const DType got = BaseOf(results[static_cast<size_t>(i)].dtype());
    if (got == node.output_type(i)) continue;
    return InvalidArgument("result ", i, " of function '",
                           runner.function().name, "' is ", DTypeName(got),
                           ", ", DTypeName(node.output_type(i)), " is wanted");
  }
  return Ok();
}

Status CheckFunctions(const Node& node, const Runners& runners) {
  for (size_t i = 0; i < runners.size(); ++i) {
    if (IsLoop(node) && i == 0) {
      const Function& cond = runners[0]->function();
      const auto shared = GetOr<int64_t>(node.attrs(), "shared", 0);
      if (static_cast<int64_t>(cond.results.size()) != 1 + shared) {
        return InvalidArgument("condition '", cond.name, "' gives ",
                               cond.results.size(), " results");
      }
      continue;
    }
    LS_RETURN_IF_ERROR(CheckResults(node, *runners[i]));
  }
  return Ok();
}

std::vector<Shape> InputShapes(const Node& node) {
  std::vector<Shape> shapes;
  for (const Output& in : node.inputs()) shapes.push_back(in.shape());
  return shapes;
}

Result<std::vector<Shape>> BranchShapes(const Node& node,
                                        const Runners& branches) {
  std::vector<Shape> args = InputShapes(node);
  args.erase(args.begin());
  std::vector<Shape> common;
  for (const auto& branch : branches) {
    const Result<std::vector<Shape>> shapes = branch->InferShapes(args);
    // A branch that does not fit its arguments fails when it is taken.
    if (!shapes.ok()) continue;
    if (common.empty()) common = *shapes;
    for (size_t i = 0; i < shapes->size(); ++i) {
      common[i] = CommonShape(common[i], (*shapes)[i]);
    }
  }
  common.resize(static_cast<size_t>(node.num_outputs()), Shape::Unknown());
  return common;
}

// The shapes that the variables have in every iteration.
Result<std::vector<Shape>> LoopShapes(const Node& node,
                                      const Runners& runners) {
  std::vector<Shape> args = InputShapes(node);
  const auto vars = static_cast<size_t>(node.num_outputs());
  const FunctionRunner& body = *runners[1];
  const size_t wanted = body.function().args.size();
  // Each round makes at least one size of one variable unknown.
  for (bool changed = true; changed;) {
    changed = false;
    std::vector<Shape> all = args;
    all.resize(wanted, Shape::Unknown());
    const Result<std::vector<Shape>> next = body.InferShapes(all);
    for (size_t i = 0; i < vars; ++i) {
      if (node.output_type(static_cast<int>(i)) == kResource) continue;
      // A body that does not fit fails if there is an iteration.
      const Shape common =
          next.ok() ? CommonShape(args[i], (*next)[i]) : Shape::Unknown();
      changed = changed || !(common == args[i]);
      args[i] = common;
    }
  }
  args.resize(vars);
  return args;
}

}  // namespace

Result<std::unique_ptr<StepRunner>> MakeFunctionStep(
    const Node& node, const PlanEnvironment& environment,
    const Library& library, const RunInfo* run) {
  LS_ASSIGN_OR_RETURN(Runners runners, MakeRunners(node, environment, library));
  LS_RETURN_IF_ERROR(CheckFunctions(node, runners));
  if (IsLoop(node)) {
    return std::unique_ptr<StepRunner>(std::make_unique<LoopStep>(
        std::move(runners[0]), std::move(runners[1]),
        static_cast<size_t>(node.num_outputs()), run));
  }
  const bool is_if = node.op() == "If" || node.op() == "StatelessIf";
  if (runners.empty()) return InvalidArgument("there are no branches");
  return std::unique_ptr<StepRunner>(
      std::make_unique<BranchStep>(std::move(runners), is_if, run));
}

Status InferFunctionNode(Node* node, const PlanEnvironment& environment,
                         const Library& library) {
  LS_ASSIGN_OR_RETURN(Runners runners,
                      MakeRunners(*node, environment, library));
  LS_RETURN_IF_ERROR(CheckFunctions(*node, runners));
  LS_ASSIGN_OR_RETURN(std::vector<Shape> shapes,
                      IsLoop(*node) ? LoopShapes(*node, runners)
                                    : BranchShapes(*node, runners));
  for (int i = 0; i < node->num_outputs(); ++i) {
    node->set_output_shape(i, shapes[static_cast<size_t>(i)]);
  }
  return Ok();
}

}  // namespace lockstep
