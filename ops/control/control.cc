// SPDX-License-Identifier: Apache-2.0
#include "ops/control/control.h"

#include "runtime/graph/control_flow.h"
#include "runtime/graph/function.h"

namespace lockstep::ops {
namespace {

std::vector<DType> TypesOf(const std::vector<Output>& outputs) {
  std::vector<DType> types;
  for (const Output& o : outputs) types.push_back(BaseOf(o.dtype()));
  return types;
}

// The function's results; empty after an error.
std::vector<Output> ResultsOf(const Scope& scope, const std::string& name) {
  const auto& functions = scope.graph()->functions();
  const auto f = functions ? functions->Find(name) : nullptr;
  return f ? f->results : std::vector<Output>();
}

// Fails unless the branches give the same dtypes; what is known of their
// results' shapes.
std::vector<lockstep::Shape> CommonShapes(const Scope& scope,
                                const std::vector<std::string>& branches) {
  std::vector<lockstep::Shape> shapes;
  const std::vector<Output> first = ResultsOf(scope, branches[0]);
  for (const Output& o : first) shapes.push_back(o.shape());
  for (const std::string& name : branches) {
    const std::vector<Output> results = ResultsOf(scope, name);
    if (TypesOf(results) != TypesOf(first)) {
      scope.graph()->UpdateStatus(InvalidArgument(
          "branches '", branches[0], "' and '", name,
          "' give results of different numbers or dtypes"));
      return {};
    }
    for (size_t i = 0; i < results.size(); ++i) {
      shapes[i] = CommonShape(shapes[i], results[i].shape());
    }
  }
  return shapes;
}

std::string DefineWithShapes(const Scope& scope, const std::string& name,
                             const std::vector<DType>& types,
                             const std::vector<lockstep::Shape>& shapes,
                             const FunctionBody& body) {
  Graph* graph = scope.graph();
  if (!graph->status().ok()) return "";
  auto library = std::make_shared<FunctionLibrary>(graph->functions());
  Function f{.name = library->UniqueName(name)};
  // Functions that the body defines go to the same library.
  f.body.set_functions(library);
  Scope s(&f.body);
  std::vector<Output> args;
  for (size_t i = 0; i < types.size(); ++i) {
    args.push_back(s.WithName(StrCat("arg", i)).Op("_Arg")
                       .Attr("T", types[i])
                       .Attr("index", static_cast<int64_t>(i))
                       .Attr("_shape", shapes[i]).Out());
    if (args.back().defined()) f.args.push_back(args.back().node);
  }
  f.results = body(s, args);
  for (const Output& o : f.results) {
    if (!o.defined()) {
      f.body.UpdateStatus(InvalidArgument("a result is undefined"));
    }
  }
  if (!f.body.status().ok()) {
    graph->UpdateStatus(
        f.body.status().WithContext(StrCat("function '", f.name, "'")));
    return "";
  }
  auto whole = std::make_shared<FunctionLibrary>(f.body.functions());
  f.body.set_functions(nullptr);
  const std::string made = f.name;
  graph->UpdateStatus(whole->Add(std::move(f)));
  graph->set_functions(std::move(whole));
  return made;
}

std::vector<lockstep::Shape> ShapesOf(const std::vector<Output>& outputs) {
  std::vector<lockstep::Shape> shapes;
  for (const Output& o : outputs) shapes.push_back(o.shape());
  return shapes;
}

// Undefined outputs come from an error that the graph already has.
bool AllDefined(const Scope& scope, const std::vector<Output>& outputs) {
  for (const Output& o : outputs) {
    if (o.defined()) continue;
    scope.graph()->UpdateStatus(InvalidArgument("an input is undefined"));
    return false;
  }
  return scope.ok();
}

}  // namespace

std::string DefineFunction(const Scope& scope, const std::string& name,
                           const std::vector<Output>& like,
                           const FunctionBody& body) {
  if (!AllDefined(scope, like)) return "";
  return DefineWithShapes(scope, name, TypesOf(like), ShapesOf(like), body);
}

std::vector<Output> Call(const Scope& scope, const std::string& function,
                         const std::vector<Output>& args) {
  if (!AllDefined(scope, args)) return {};
  return scope.Op("StatefulPartitionedCall")
      .In(args)
      .Attr("Tin", TypesOf(args))
      .Attr("Tout", TypesOf(ResultsOf(scope, function)))
      .Attr("f", FunctionRef{.name = function})
      .Outs();
}

std::vector<Output> Cond(const Scope& scope, const Input& pred,
                         const std::vector<Output>& inputs,
                         const FunctionBody& then,
                         const FunctionBody& otherwise) {
  const std::string yes = DefineFunction(scope, "cond_true", inputs, then);
  const std::string no = DefineFunction(scope, "cond_false", inputs, otherwise);
  const std::vector<lockstep::Shape> shapes = CommonShapes(scope, {yes, no});
  if (!scope.ok()) return {};
  return scope.Op("If")
      .In(pred)
      .In(inputs)
      .Attr("Tin", TypesOf(inputs))
      .Attr("Tout", TypesOf(ResultsOf(scope, yes)))
      .Attr("then_branch", FunctionRef{.name = yes})
      .Attr("else_branch", FunctionRef{.name = no})
      .Attr("output_shapes", shapes)
      .Outs();
}

std::vector<Output> Case(const Scope& scope, const Input& index,
                         const std::vector<Output>& inputs,
                         const std::vector<FunctionBody>& branches) {
  std::vector<std::string> names;
  std::vector<FunctionRef> functions;
  for (const FunctionBody& branch : branches) {
    names.push_back(DefineFunction(scope, "case", inputs, branch));
    functions.push_back({.name = names.back()});
  }
  if (branches.empty()) {
    scope.graph()->UpdateStatus(InvalidArgument("Case needs a branch"));
    return {};
  }
  const std::vector<lockstep::Shape> shapes = CommonShapes(scope, names);
  if (!scope.ok()) return {};
  return scope.Op("Case")
      .In(index)
      .In(inputs)
      .Attr("Tin", TypesOf(inputs))
      .Attr("Tout", TypesOf(ResultsOf(scope, names[0])))
      .Attr("branches", functions)
      .Attr("output_shapes", shapes)
      .Outs();
}

std::vector<Output> While(const Scope& scope, const std::vector<Output>& vars,
                          const FunctionBody& cond, const FunctionBody& body,
                          const std::vector<lockstep::Shape>& shapes) {
  if (!AllDefined(scope, vars)) return {};
  if (!shapes.empty() && shapes.size() != vars.size()) {
    scope.graph()->UpdateStatus(
        InvalidArgument("While of ", vars.size(), " variables is given ",
                        shapes.size(), " shapes"));
    return {};
  }
  const std::vector<DType> types = TypesOf(vars);
  const std::vector<lockstep::Shape> fixed = shapes.empty() ? ShapesOf(vars) : shapes;
  const std::string again =
      DefineWithShapes(scope, "while_cond", types, fixed, cond);
  const std::string next =
      DefineWithShapes(scope, "while_body", types, fixed, body);
  if (!scope.ok()) return {};
  if (TypesOf(ResultsOf(scope, next)) != types) {
    scope.graph()->UpdateStatus(InvalidArgument(
        "the body of a While must give its variables' next values, of their "
        "dtypes"));
    return {};
  }
  for (size_t i = 0; i < fixed.size(); ++i) {
    const Output result = ResultsOf(scope, next)[i];
    if (types[i] == kResource || fixed[i].IsCompatibleWith(result.shape())) {
      continue;
    }
    scope.graph()->UpdateStatus(InvalidArgument(
        "variable ", i, " of a While has shape ", fixed[i], ", its next value ",
        result.shape(), "; give the shapes if sizes change"));
    return {};
  }
  return scope.Op("While")
      .In(vars)
      .Attr("T", types)
      .Attr("cond", FunctionRef{.name = again})
      .Attr("body", FunctionRef{.name = next})
      .Attr("output_shapes", fixed)
      .Outs();
}

}  // namespace lockstep::ops
