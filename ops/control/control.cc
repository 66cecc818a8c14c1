// SPDX-License-Identifier: Apache-2.0
#include "ops/control/control.h"

#include <algorithm>

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
std::vector<lockstep::Shape> CommonShapes(
    const Scope& scope, const std::vector<std::string>& branches) {
  std::vector<lockstep::Shape> shapes;
  if (!scope.ok()) return shapes;
  const std::vector<Output> first = ResultsOf(scope, branches[0]);
  for (const Output& o : first) shapes.push_back(o.shape());
  for (const std::string& name : branches) {
    const std::vector<Output> results = ResultsOf(scope, name);
    if (TypesOf(results) != TypesOf(first)) {
      scope.graph()->UpdateStatus(
          InvalidArgument("branches '", branches[0], "' and '", name,
                          "' give results of different numbers or dtypes"));
      return {};
    }
    for (size_t i = 0; i < results.size(); ++i) {
      shapes[i] = CommonShape(shapes[i], results[i].shape());
    }
  }
  return shapes;
}

struct Made {
  std::string name;    // empty after an error
  size_t results = 0;  // also then, so that callers may index what they get
};

Made DefineWithShapes(const Scope& scope, const std::string& name,
                      const std::vector<DType>& types,
                      const std::vector<lockstep::Shape>& shapes,
                      const FunctionBody& body) {
  Graph* graph = scope.graph();
  auto library = std::make_shared<FunctionLibrary>(graph->functions());
  Function f{.name = name};
  // Functions that the body defines go to the same library.
  f.body.set_functions(library);
  f.body.UpdateStatus(graph->status());
  Scope s(&f.body);
  std::vector<Output> args;
  for (size_t i = 0; i < types.size(); ++i) {
    args.push_back(s.WithName(StrCat("arg", i))
                       .Op("_Arg")
                       .Attr("T", types[i])
                       .Attr("index", static_cast<int64_t>(i))
                       .Attr("_shape", shapes[i])
                       .Out());
    if (args.back().defined()) f.args.push_back(args.back().node);
  }
  f.results = body(s, args);
  Made made{.results = f.results.size()};
  for (const Output& o : f.results) {
    if (!o.defined()) {
      f.body.UpdateStatus(InvalidArgument("a result is undefined"));
    }
  }
  if (!f.body.status().ok()) {
    graph->UpdateStatus(
        f.body.status().WithContext(StrCat("function '", f.name, "'")));
    return made;
  }
  auto whole = std::make_shared<FunctionLibrary>(f.body.functions());
  f.body.set_functions(nullptr);
  made.name = f.name = whole->UniqueName(name);
  graph->UpdateStatus(whole->Add(std::move(f)));
  graph->set_functions(std::move(whole));
  return made;
}

// Arguments like these outputs; undefined ones come from an error that the
// graph already has.
Made DefineLike(const Scope& scope, const std::string& name,
                const std::vector<Output>& like, const FunctionBody& body) {
  std::vector<DType> types;
  std::vector<lockstep::Shape> shapes;
  for (const Output& o : like) {
    if (!o.defined()) {
      scope.graph()->UpdateStatus(InvalidArgument("an input is undefined"));
    }
    types.push_back(o.defined() ? BaseOf(o.dtype()) : kFloat);
    shapes.push_back(o.defined() ? o.shape() : lockstep::Shape::Unknown());
  }
  return DefineWithShapes(scope, name, types, shapes, body);
}

}  // namespace

std::string DefineFunction(const Scope& scope, const std::string& name,
                           const std::vector<Output>& like,
                           const FunctionBody& body) {
  return DefineLike(scope, name, like, body).name;
}

std::vector<Output> Call(const Scope& scope, const std::string& function,
                         const std::vector<Output>& args) {
  const std::vector<Output> results = ResultsOf(scope, function);
  if (!scope.ok())
    return std::vector<Output>(std::max<size_t>(results.size(), 1));
  return scope.Op("StatefulPartitionedCall")
      .In(args)
      .Attr("Tin", TypesOf(args))
      .Attr("Tout", TypesOf(results))
      .Attr("f", FunctionRef{.name = function})
      .Outs();
}

std::vector<Output> Cond(const Scope& scope, const Input& pred,
                         const std::vector<Output>& inputs,
                         const FunctionBody& then,
                         const FunctionBody& otherwise) {
  const Made yes = DefineLike(scope, "cond_true", inputs, then);
  const Made no = DefineLike(scope, "cond_false", inputs, otherwise);
  const auto shapes = CommonShapes(scope, {yes.name, no.name});
  if (!scope.ok()) return std::vector<Output>(yes.results);
  return scope.Op("If")
      .In(pred)
      .In(inputs)
      .Attr("Tin", TypesOf(inputs))
      .Attr("Tout", TypesOf(ResultsOf(scope, yes.name)))
      .Attr("then_branch", FunctionRef{.name = yes.name})
      .Attr("else_branch", FunctionRef{.name = no.name})
      .Attr("output_shapes", shapes)
      .Outs();
}

std::vector<Output> Case(const Scope& scope, const Input& index,
                         const std::vector<Output>& inputs,
                         const std::vector<FunctionBody>& branches) {
  if (branches.empty()) {
    scope.graph()->UpdateStatus(InvalidArgument("Case needs a branch"));
    return {};
  }
  std::vector<std::string> names;
  std::vector<FunctionRef> functions;
  size_t results = 0;
  for (const FunctionBody& branch : branches) {
    const Made made = DefineLike(scope, "case", inputs, branch);
    names.push_back(made.name);
    functions.push_back({.name = made.name});
    results = made.results;
  }
  const auto shapes = CommonShapes(scope, names);
  if (!scope.ok()) return std::vector<Output>(results);
  return scope.Op("Case")
      .In(index)
      .In(inputs)
      .Attr("Tin", TypesOf(inputs))
      .Attr("Tout", TypesOf(ResultsOf(scope, names[0])))
      .Attr("branches", functions)
      .Attr("output_shapes", shapes)
      .Outs();
}

namespace {

// What a While's body gives fits its variables.
Status CheckNext(const std::vector<Output>& vars,
                 const std::vector<Output>& next,
                 const std::vector<lockstep::Shape>& shapes) {
  if (TypesOf(next) != TypesOf(vars)) {
    return InvalidArgument(
        "the body of a While must give its variables' next "
        "values, of their dtypes");
  }
  for (size_t i = 0; i < next.size(); ++i) {
    if (next[i].dtype() == kResource ||
        shapes[i].IsCompatibleWith(next[i].shape())) {
      continue;
    }
    return InvalidArgument("variable ", i, " of a While has shape ", shapes[i],
                           ", its next value ", next[i].shape(),
                           "; give the shapes if sizes change");
  }
  return Ok();
}

}  // namespace

std::vector<Output> While(const Scope& scope, const std::vector<Output>& vars,
                          const FunctionBody& cond, const FunctionBody& body,
                          const std::vector<lockstep::Shape>& shapes) {
  if (!shapes.empty() && shapes.size() != vars.size()) {
    scope.graph()->UpdateStatus(InvalidArgument("While of ", vars.size(),
                                                " variables is given ",
                                                shapes.size(), " shapes"));
  }
  std::vector<lockstep::Shape> fixed;
  for (const Output& o : vars) {
    if (!o.defined()) {
      scope.graph()->UpdateStatus(InvalidArgument("a variable is undefined"));
    }
    if (scope.ok()) {
      fixed.push_back(shapes.empty() ? o.shape() : shapes[fixed.size()]);
    }
  }
  if (!scope.ok()) return std::vector<Output>(vars.size());
  const std::vector<DType> types = TypesOf(vars);
  const Made again = DefineWithShapes(scope, "while_cond", types, fixed, cond);
  const Made next = DefineWithShapes(scope, "while_body", types, fixed, body);
  if (scope.ok()) {
    scope.graph()->UpdateStatus(
        CheckNext(vars, ResultsOf(scope, next.name), fixed));
  }
  if (!scope.ok()) return std::vector<Output>(vars.size());
  return scope.Op("While")
      .In(vars)
      .Attr("T", types)
      .Attr("cond", FunctionRef{.name = again.name})
      .Attr("body", FunctionRef{.name = next.name})
      .Attr("output_shapes", fixed)
      .Outs();
}

}  // namespace lockstep::ops
