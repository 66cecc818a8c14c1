// SPDX-License-Identifier: Apache-2.0
#include "runtime/graph/function_gradients.h"

#include "runtime/graph/backward_function.h"
#include "runtime/graph/control_flow.h"

namespace lockstep {
namespace {

std::vector<Output> Joined(std::vector<Output> a,
                           const std::vector<Output>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

}  // namespace

Status CallGradient(GradContext& g) {
  Graph* graph = g.scope().graph();
  LS_ASSIGN_OR_RETURN(auto f,
                      FindFunction(*graph, g.Attr<FunctionRef>("f").name));
  const Dys dys = GradientsOf(g);
  LS_ASSIGN_OR_RETURN(
      Backward back,
      MakeBackward(*f, dys.ys, dys.types,
                   std::vector<DType>(f->args.size(), kInvalidType), graph));
  const std::vector<int> xs = back.xs;
  const std::string name = back.function.name;
  const std::vector<DType> types = TypesOf(back.function.results);
  LS_RETURN_IF_ERROR(AddFunction(graph, std::move(back.function)));
  const std::vector<Output> in = Joined(g.node()->inputs(), dys.values);
  Node* call = g.scope()
                   .Op("PartitionedCall")
                   .In(in)
                   .Attr("Tin", TypesOf(in))
                   .Attr("Tout", types)
                   .Attr("f", FunctionRef{.name = name})
                   .Build();
  for (size_t i = 0; call && i < xs.size(); ++i) {
    LS_RETURN_IF_ERROR(g.SetDx(xs[i], call->output(static_cast<int>(i))));
  }
  return g.scope().status();
}

Status BranchGradient(GradContext& g) {
  Graph* graph = g.scope().graph();
  const Dys dys = GradientsOf(g);
  // What any branch has a gradient for, all have to give.
  std::vector<DType> want(static_cast<size_t>(g.num_inputs()) - 1,
                          kInvalidType);
  const std::vector<std::string> names = FunctionsOf(*g.node());
  for (const std::string& name : names) {
    LS_ASSIGN_OR_RETURN(auto f, FindFunction(*graph, name));
    if (f->args.size() != want.size()) {
      return InvalidArgument("function '", name, "' has ", f->args.size(),
                             " arguments, is given ", want.size());
    }
    LS_ASSIGN_OR_RETURN(Backward back,
                        MakeBackward(*f, dys.ys, dys.types, want, graph));
    for (size_t i = 0; i < back.xs.size(); ++i) {
      want[static_cast<size_t>(back.xs[i])] =
          BaseOf(back.function.results[i].dtype());
    }
  }
  std::vector<FunctionRef> branches;
  std::vector<int> xs;
  std::vector<DType> types;
  for (const std::string& name : names) {
    LS_ASSIGN_OR_RETURN(auto f, FindFunction(*graph, name));
    LS_ASSIGN_OR_RETURN(Backward back,
                        MakeBackward(*f, dys.ys, dys.types, want, graph));
    xs = back.xs;
    types = TypesOf(back.function.results);
    branches.push_back({.name = back.function.name});
    LS_RETURN_IF_ERROR(AddFunction(graph, std::move(back.function)));
  }
  if (xs.empty()) return Ok();
  std::vector<Output> in = g.node()->inputs();
  const Output selector = in[0];
  in.erase(in.begin());
  in = Joined(in, dys.values);
  std::vector<Shape> shapes;  // those of what the gradients are of
  for (int x : xs) shapes.push_back(in[static_cast<size_t>(x)].shape());
  NodeBuilder b = g.scope().Op(g.node()->op());
  b.In(selector)
      .In(in)
      .Attr("Tin", TypesOf(in))
      .Attr("Tout", types)
      .Attr("output_shapes", shapes);
  if (branches.size() == 2 && g.node()->attrs().contains("then_branch")) {
    b.Attr("then_branch", branches[0]).Attr("else_branch", branches[1]);
  } else {
    b.Attr("branches", branches);
  }
  Node* branch = b.Build();
  for (size_t i = 0; branch && i < xs.size(); ++i) {
    LS_RETURN_IF_ERROR(g.SetDx(xs[i] + 1, branch->output(static_cast<int>(i))));
  }
  return g.scope().status();
}

}  // namespace lockstep
