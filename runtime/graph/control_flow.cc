// SPDX-License-Identifier: Apache-2.0
#include "runtime/graph/control_flow.h"

#include <algorithm>

#include "runtime/graph/function_gradients.h"
#include "runtime/op/shape_context.h"

namespace lockstep {

bool IsSwitch(const Node& n) {
  return n.op() == "Switch" || n.op() == "RefSwitch";
}
bool IsMerge(const Node& n) {
  return n.op() == "Merge" || n.op() == "RefMerge";
}
bool IsEnter(const Node& n) {
  return n.op() == "Enter" || n.op() == "RefEnter";
}
bool IsExit(const Node& n) { return n.op() == "Exit" || n.op() == "RefExit"; }
bool IsNextIteration(const Node& n) {
  return n.op() == "NextIteration" || n.op() == "RefNextIteration";
}
bool IsLoopCond(const Node& n) { return n.op() == "LoopCond"; }
bool IsCall(const Node& n) {
  return n.op() == "PartitionedCall" || n.op() == "StatefulPartitionedCall" ||
         IsGradientCall(n);
}
bool IsGradientCall(const Node& n) { return n.op() == "SymbolicGradient"; }
bool IsBranch(const Node& n) {
  return n.op() == "If" || n.op() == "StatelessIf" || n.op() == "Case" ||
         n.op() == "StatelessCase";
}
bool IsLoop(const Node& n) {
  return n.op() == "While" || n.op() == "StatelessWhile" || n.op() == "_Loop";
}
bool IsArg(const Node& n) { return n.op() == "_Arg" || n.op() == "_RefArg"; }

bool IsControlFlowOp(std::string_view op) {
  static constexpr std::string_view kOps[] = {"Switch",
                                              "RefSwitch",
                                              "Merge",
                                              "RefMerge",
                                              "Enter",
                                              "RefEnter",
                                              "Exit",
                                              "RefExit",
                                              "NextIteration",
                                              "RefNextIteration",
                                              "LoopCond",
                                              "PartitionedCall",
                                              "StatefulPartitionedCall",
                                              "SymbolicGradient",
                                              "If",
                                              "StatelessIf",
                                              "Case",
                                              "StatelessCase",
                                              "While",
                                              "StatelessWhile",
                                              "_Loop",
                                              "_Arg",
                                              "_RefArg",
                                              "_BackEdge"};
  return std::ranges::find(kOps, op) != std::end(kOps);
}

std::vector<std::string> FunctionsOf(const Node& n) {
  std::vector<std::string> names;
  for (const char* attr : {"f", "then_branch", "else_branch", "cond", "body"}) {
    if (!IsCall(n) && !RunsFunctions(n)) break;
    if (auto* f = GetIf<FunctionRef>(n.attrs(), attr)) names.push_back(f->name);
  }
  if (auto* list = GetIf<std::vector<FunctionRef>>(n.attrs(), "branches");
      list && IsBranch(n)) {
    for (const FunctionRef& f : *list) names.push_back(f.name);
  }
  return names;
}

bool PassesHandle(const Node& n, int i) {
  if (!RunsFunctions(n)) return false;
  const DType type = n.input(i).dtype();
  if (type == kResource) return true;
  auto* refs = GetIf<std::vector<int64_t>>(n.attrs(), "ref_inputs");
  return IsRef(type) && refs && std::ranges::find(*refs, i) != refs->end();
}

Shape CommonShape(const Shape& a, const Shape& b) {
  if (!a.HasRank() || !b.HasRank() || a.rank() != b.rank()) {
    return Shape::Unknown();
  }
  Shape common = a;
  for (int i = 0; i < a.rank(); ++i) {
    if (a.dim(i) != b.dim(i)) common.set_dim(i, kUnknownDim);
  }
  return common;
}

namespace {

Status SwitchShape(ShapeContext& c) {
  LS_RETURN_IF_ERROR(c.WithRank(1, 0).status());
  LS_RETURN_IF_ERROR(c.SetOutput(0, c.Input(0)));
  return c.SetOutput(1, c.Input(0));
}

// What all inputs agree on. Sizes that differ are unknown.
Status MergeShape(ShapeContext& c) {
  LS_RETURN_IF_ERROR(c.SetOutput(1, Shape{}));
  Shape common = c.Input(0);
  for (int i = 1; i < c.num_inputs(); ++i) {
    common = CommonShape(common, c.Input(i));
  }
  return c.SetOutput(0, common);
}

Status ArgShape(ShapeContext& c) {
  const Shape* shape = GetIf<Shape>(c.attrs(), "_shape");
  return c.SetOutput(0, shape ? *shape : Shape::Unknown());
}

// Attribute "output_shapes", when it is there, says what is known.
Status DeclaredShapes(ShapeContext& c) {
  auto* shapes = GetIf<std::vector<Shape>>(c.attrs(), "output_shapes");
  for (int i = 0; i < c.num_outputs(); ++i) {
    const bool known = shapes && static_cast<size_t>(i) < shapes->size();
    LS_RETURN_IF_ERROR(c.SetOutput(
        i, known ? (*shapes)[static_cast<size_t>(i)] : Shape::Unknown()));
  }
  return Ok();
}

// As declared; a handle's shape is that of its variable, which stays.
Status WhileShape(ShapeContext& c) {
  LS_RETURN_IF_ERROR(DeclaredShapes(c));
  const auto* types = GetIf<std::vector<DType>>(c.attrs(), "T");
  for (int i = 0; types && i < c.num_outputs(); ++i) {
    if ((*types)[static_cast<size_t>(i)] == kResource) {
      LS_RETURN_IF_ERROR(c.SetOutput(i, c.Input(i)));
    }
  }
  return Ok();
}

// A graph read from TensorFlow brings its gradients along; here only calls, If,
// Case and While have them.
Status FrameGradient(GradContext& g) {
  return Unimplemented("gradients of ", g.node()->op(),
                       " are not made here: use ops::Cond and ops::While");
}

OpBuilder& Forwarding(OpBuilder& b) {
  return b.Input("data: T")
      .Output("output: T")
      .Attr("T: type")
      .Shape(UnchangedShape)
      .Gradient(FrameGradient)
      .Alias(0, 0);
}
OpBuilder& RefForwarding(OpBuilder& b) {
  return b.Input("data: Ref(T)")
      .Output("output: Ref(T)")
      .Attr("T: type")
      .Shape(UnchangedShape)
      .NoGradient()
      .Alias(0, 0);
}
OpBuilder& EnterAttrs(OpBuilder& b) {
  return b.Attr("frame_name: string")
      .Attr("is_constant: bool = false")
      .Attr("parallel_iterations: int = 10");
}

template <class... F>
OpBuilder Made(const char* name, F... make) {
  OpBuilder b(name);
  (make(b), ...);
  return b;
}

const OpRegistrar kEnter = Made("Enter", Forwarding, EnterAttrs);
const OpRegistrar kRefEnter = Made("RefEnter", RefForwarding, EnterAttrs);
const OpRegistrar kExit = Made("Exit", Forwarding);
const OpRegistrar kRefExit = Made("RefExit", RefForwarding);
const OpRegistrar kNext = Made("NextIteration", Forwarding);
const OpRegistrar kRefNext = Made("RefNextIteration", RefForwarding);

LOCKSTEP_OP("RefIdentity")
    .Input("input: Ref(T)")
    .Output("output: Ref(T)")
    .Attr("T: type")
    .Shape(UnchangedShape)
    .NoGradient()
    .Alias(0, 0);

LOCKSTEP_OP("Switch")
    .Input("data: T")
    .Input("pred: bool")
    .Output("output_false: T")
    .Output("output_true: T")
    .Attr("T: type")
    .Shape(SwitchShape)
    .Gradient(FrameGradient)
    .Alias(0, 0);

LOCKSTEP_OP("RefSwitch")
    .Input("data: Ref(T)")
    .Input("pred: bool")
    .Output("output_false: Ref(T)")
    .Output("output_true: Ref(T)")
    .Attr("T: type")
    .Shape(SwitchShape)
    .NoGradient()
    .Alias(0, 0);

LOCKSTEP_OP("Merge")
    .Input("inputs: N * T")
    .Output("output: T")
    .Output("value_index: int32")
    .Attr("T: type")
    .Attr("N: int >= 1")
    .Gradient(FrameGradient)
    .Shape(MergeShape);

LOCKSTEP_OP("RefMerge")
    .Input("inputs: Ref(N * T)")
    .Output("output: Ref(T)")
    .Output("value_index: int32")
    .Attr("T: type")
    .Attr("N: int >= 1")
    .Shape(MergeShape)
    .NoGradient();

LOCKSTEP_OP("LoopCond")
    .Input("input: bool")
    .Output("output: bool")
    .Shape(UnchangedShape)
    .NoGradient()
    .Alias(0, 0);

// _Arg: argument "index" of a function. _RefArg: likewise, of a reference.
LOCKSTEP_OP("_Arg")
    .Output("output: T")
    .Attr("T: type")
    .Attr("index: int >= 0")
    .Shape(ArgShape)
    .Stateful()
    .NoGradient()
    .With([](OpTraits& t) { t.placeholder = true; });
LOCKSTEP_OP("_RefArg")
    .Output("output: Ref(T)")
    .Attr("T: type")
    .Attr("index: int >= 0")
    .Shape(ArgShape)
    .Stateful()
    .NoGradient()
    .With([](OpTraits& t) { t.placeholder = true; });

// Stands for an input that comes later, while a graph with loops is read.
LOCKSTEP_OP("_BackEdge")
    .Output("output: T")
    .Attr("T: type")
    .Shape(UnknownShape)
    .Stateful()
    .NoGradient();

OpBuilder& CallAttrs(OpBuilder& b) {
  return b.Input("args: Tin")
      .Output("output: Tout")
      .Attr("Tin: list(type)")
      .Attr("Tout: list(type)")
      .Attr("f: func")
      .Attr("config: string = ''")
      .Attr("config_proto: string = ''")
      .Attr("executor_type: string = ''")
      .Shape(UnknownShape)
      .Gradient(CallGradient)
      .Stateful();
}
const OpRegistrar kCall = Made("PartitionedCall", CallAttrs);
const OpRegistrar kStatefulCall = Made("StatefulPartitionedCall", CallAttrs);

// SymbolicGradient: the gradients of function f, as graphs of TensorFlow 1 have
// them for what it called Defun.
//   input: f's arguments, then a gradient for each of its results
//   output: a gradient for each argument; zeros for what plays no part
LOCKSTEP_OP("SymbolicGradient")
    .Input("input: Tin")
    .Output("output: Tout")
    .Attr("Tin: list(type)")
    .Attr("Tout: list(type)")
    .Attr("f: func")
    .Shape(UnknownShape)
    .Stateful()
    .NoGradient();

OpBuilder& IfAttrs(OpBuilder& b) {
  return b.Input("cond: Tcond")
      .Input("input: Tin")
      .Output("output: Tout")
      .Attr("Tcond: type")
      .Attr("Tin: list(type)")
      .Attr("Tout: list(type)")
      .Attr("then_branch: func")
      .Attr("else_branch: func")
      .Attr("output_shapes: list(shape) = []")
      .Shape(DeclaredShapes)
      .Gradient(BranchGradient)
      .Stateful();
}
const OpRegistrar kIf = Made("If", IfAttrs);
const OpRegistrar kStatelessIf = Made("StatelessIf", IfAttrs);

OpBuilder& CaseAttrs(OpBuilder& b) {
  return b.Input("branch_index: int32")
      .Input("input: Tin")
      .Output("output: Tout")
      .Attr("Tin: list(type)")
      .Attr("Tout: list(type)")
      .Attr("branches: list(func)")
      .Attr("output_shapes: list(shape) = []")
      .Shape(DeclaredShapes)
      .Gradient(BranchGradient)
      .Stateful();
}
const OpRegistrar kCase = Made("Case", CaseAttrs);
const OpRegistrar kStatelessCase = Made("StatelessCase", CaseAttrs);

OpBuilder& WhileAttrs(OpBuilder& b) {
  return b.Input("input: T")
      .Output("output: T")
      .Attr("T: list(type)")
      .Attr("cond: func")
      .Attr("body: func")
      .Attr("output_shapes: list(shape) = []")
      .Attr("parallel_iterations: int = 10")
      .Shape(WhileShape)
      .Gradient(WhileGradient)
      .Stateful();
}
const OpRegistrar kWhile = Made("While", WhileAttrs);
const OpRegistrar kStatelessWhile = Made("StatelessWhile", WhileAttrs);

// _Loop: what a frame of TensorFlow 1 becomes.
//   vars: the loop variables' first values -> output: their last
//   invariants: the same in every iteration
//   cond(vars, invariants) -> bool, and `shared` values for
//   body(vars, invariants, shared) -> the next vars
//   ref_inputs: numbers of inputs that are references to variables
LOCKSTEP_OP("_Loop")
    .Input("vars: T")
    .Input("invariants: I")
    .Output("output: T")
    .Attr("T: list(type)")
    .Attr("I: list(type)")
    .Attr("cond: func")
    .Attr("body: func")
    .Attr("shared: int = 0")
    .Attr("ref_inputs: list(int) = []")
    .Shape(UnknownShape)
    .Stateful()
    .NoGradient();

}  // namespace
}  // namespace lockstep
