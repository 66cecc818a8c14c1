// SPDX-License-Identifier: Apache-2.0
#include "runtime/graph/backward_function.h"

#include "runtime/graph/control_flow.h"
#include "runtime/graph/copy_nodes.h"
#include "runtime/graph/passes/prune.h"

namespace lockstep {
namespace {

// The functions of a graph and more.
std::shared_ptr<FunctionLibrary> Extended(const Graph& graph) {
  return std::make_shared<FunctionLibrary>(graph.functions());
}

Status RefuseEffects(const Function& f, const std::string& name) {
  for (const Node* n : f.body.nodes()) {
    if (!HasEffect(*n) || RunsFunctions(*n) || IsCall(*n)) continue;
    return Unimplemented("function '", name, "' has no gradient: node '",
                         n->name(), "' (", n->op(),
                         ") changes something outside it");
  }
  return Ok();
}

}  // namespace

Output AddArg(Function* f, const std::string& name, DType type,
              const Shape& shape) {
  Result<Node*> arg = f->body.AddNode(
      {.name = f->body.UniqueName(name),
       .op = "_Arg",
       .attrs = {{"T", BaseOf(type)},
                 {"index", static_cast<int64_t>(f->args.size())},
                 {"_shape", shape}}});
  if (!arg.ok()) {
    f->body.UpdateStatus(arg.status());
    return {};
  }
  f->args.push_back(*arg);
  return {*arg, 0};
}

Result<std::shared_ptr<const Function>> FindFunction(const Graph& graph,
                                                     std::string_view name) {
  if (!graph.functions()) return NotFound("there is no function '", name, "'");
  return graph.functions()->Get(name);
}

Output ZerosFor(const Scope& s, Output x, DType dtype) {
  if (x.dtype() == kResource) {
    x = s.Op("ReadVariableOp").In(x).Attr("dtype", dtype).Out();
  }
  return s.Op("ZerosLike").In(x).Out();
}

Result<Backward> MakeBackward(const Function& f, const std::vector<int>& ys,
                              const std::vector<DType>& dy_types,
                              const std::vector<DType>& want, Graph* graph) {
  Backward b;
  Function& back = b.function;
  back.body.set_functions(graph->functions());
  Scope s(&back.body);
  NodeCopier copier(&back.body, {});
  std::vector<Output> xs, y, dy, dx;
  for (const Node* arg : f.args) {
    const Output old{const_cast<Node*>(arg), 0};
    xs.push_back(AddArg(&back, arg->name(), old.dtype(), old.shape()));
    copier.Map(old, xs.back());
    copier.MapControl(arg, xs.back().node);
  }
  LS_RETURN_IF_ERROR(copier.Copy(f.body.nodes()));
  for (size_t i = 0; i < ys.size(); ++i) {
    y.push_back(copier.Now(f.results[static_cast<size_t>(ys[i])]));
    dy.push_back(AddArg(&back, StrCat("dy", ys[i]), dy_types[i]));
  }
  LS_RETURN_IF_ERROR(AddGradients(s, y, xs, &dx, dy));
  for (size_t i = 0; i < dx.size(); ++i) {
    if (!dx[i].defined() && want[i] != kInvalidType) {
      dx[i] = ZerosFor(s, xs[i], want[i]);
    }
    if (!dx[i].defined()) continue;
    back.results.push_back(dx[i]);
    b.xs.push_back(static_cast<int>(i));
  }
  LS_RETURN_IF_ERROR(back.body.status());
  std::vector<Output> args;
  for (Node* arg : back.args) args.push_back(arg->output(0));
  RemoveDeadNodes(&back.body, args, back.results, {});
  LS_RETURN_IF_ERROR(RefuseEffects(back, f.name));
  // Functions of gradients within it.
  graph->set_functions(back.body.functions());
  back.body.set_functions(nullptr);
  back.name = graph->functions()->UniqueName(f.name + "_grad");
  return b;
}

Status AddFunction(Graph* graph, Function f) {
  auto library = Extended(*graph);
  LS_RETURN_IF_ERROR(library->Add(std::move(f)));
  graph->set_functions(std::move(library));
  return Ok();
}

Result<std::string> GradientFunction(const std::string& name, Graph* graph) {
  LS_ASSIGN_OR_RETURN(const auto f, FindFunction(*graph, name));
  std::string given = graph->functions()->GradientOf(name);
  if (!given.empty()) return given;
  std::vector<int> ys;
  std::vector<DType> want;
  for (size_t i = 0; i < f->results.size(); ++i) {
    ys.push_back(static_cast<int>(i));
  }
  for (size_t i = 0; i < f->args.size(); ++i) {
    want.push_back(BaseOf(f->arg_type(i)));
  }
  LS_ASSIGN_OR_RETURN(Backward back,
                      MakeBackward(*f, ys, TypesOf(f->results), want, graph));
  std::string made = back.function.name;
  LS_RETURN_IF_ERROR(AddFunction(graph, std::move(back.function)));
  return made;
}

std::vector<DType> TypesOf(const std::vector<Output>& outputs) {
  std::vector<DType> types;
  for (const Output& o : outputs) types.push_back(BaseOf(o.dtype()));
  return types;
}

Dys GradientsOf(GradContext& g) {
  Dys dys;
  for (int i = 0; i < g.num_outputs(); ++i) {
    if (!g.has_dy(i)) continue;
    dys.ys.push_back(i);
    dys.values.push_back(g.dy(i));
    dys.types.push_back(BaseOf(dys.values.back().dtype()));
  }
  return dys;
}

std::vector<Shape> ShapesOf(const std::vector<Output>& outputs) {
  std::vector<Shape> shapes;
  for (const Output& o : outputs) shapes.push_back(o.shape());
  return shapes;
}

}  // namespace lockstep
