// SPDX-License-Identifier: Apache-2.0

// _Fused: several element-wise ops in one pass over their elements.
//   inputs: Tin   outputs: Tout, of the shapes that attribute "shapes" says
// _FusedRandom: the same, and one more operand, the program's last input, that
// is made in the pass: what the op of attribute "source" would make as node
// "source_name".
// What it computes is an ElementProgram; see runtime/graph/fusion. Brought in
// by the planner (runtime/graph/passes/fuse_elements.h), which keeps the names
// of the ops in attribute "nodes".

#include <array>

#include "ops/fused/evaluator.h"
#include "ops/fused/program_of.h"
#include "runtime/op/kernel.h"
#include "runtime/op/shape_context.h"

namespace lockstep {
namespace {

Status FusedShape(ShapeContext& c) {
  const auto& shapes = c.Attr<std::vector<Shape>>("shapes");
  if (static_cast<int>(shapes.size()) != c.num_outputs()) {
    return InvalidArgument("there are ", shapes.size(), " shapes for ",
                           c.num_outputs(), " outputs");
  }
  for (size_t i = 0; i < shapes.size(); ++i) {
    LS_RETURN_IF_ERROR(c.SetOutput(static_cast<int>(i), shapes[i]));
  }
  return Ok();
}

struct FusedState {
  ElementEvaluator evaluator;
  ElementSource made;
  std::shared_ptr<const void> source;  // _FusedRandom
};

Status FusedPrepare(PrepareContext& p) {
  LS_ASSIGN_OR_RETURN(const ElementProgram program, ProgramOf(p));
  LS_ASSIGN_OR_RETURN(ElementEvaluator evaluator,
                      ElementEvaluator::Make(program));
  p.MakeState<FusedState>().evaluator = std::move(evaluator);
  return Ok();
}

Status FusedRandomPrepare(PrepareContext& p) {
  const auto& source = p.Attr<FunctionRef>("source");
  const OpDef* op = OpRegistry::Global().Find(source.name);
  const SourceRule* rule =
      op && source.attrs ? FindSourceRule(*op, *source.attrs) : nullptr;
  if (rule == nullptr || op->outputs.size() != 1) {
    return InvalidArgument("'", source.name, "' makes no elements by itself");
  }
  LS_ASSIGN_OR_RETURN(const std::vector<DType> types,
                      ArgTypes(*op, op->outputs, *source.attrs));
  const Shape& shape = p.Attr<Shape>("source_shape");
  const ElementProgram::Input made{types[0], shape, shape};
  LS_ASSIGN_OR_RETURN(const ElementProgram program, ProgramOf(p, false, &made));
  LS_ASSIGN_OR_RETURN(ElementEvaluator evaluator,
                      ElementEvaluator::Make(program, rule));
  auto& s = p.MakeState<FusedState>();
  s.evaluator = std::move(evaluator);
  s.source =
      rule->make(*source.attrs, p.Attr<std::string>("source_name"), shape);
  s.made = {.rule = rule, .source = s.source.get()};
  return Ok();
}

Status FusedCpu(KernelContext& k) {
  FusedState& s = k.state<FusedState>();
  std::array<const void*, kMaxFusedInputs + 1> inputs;
  std::array<void*, kMaxFusedOutputs> outputs;
  size_t ins = static_cast<size_t>(k.num_inputs());
  const size_t outs = static_cast<size_t>(k.num_outputs());
  for (size_t i = 0; i < ins; ++i) {
    inputs[i] = k.input(static_cast<int>(i)).data();
  }
  if (s.made.rule != nullptr) {
    s.made.run = &k.run();
    inputs[ins++] = &s.made;
  }
  for (size_t i = 0; i < outs; ++i) {
    outputs[i] = k.output(static_cast<int>(i)).data();
  }
  s.evaluator.Run({inputs.data(), ins}, {outputs.data(), outs});
  return Ok();
}

OpBuilder FusedOp(const char* name, PrepareFn prepare) {
  OpBuilder b(name);
  b.Input("inputs: Tin")
      .Output("outputs: Tout")
      .Attr("Tin: list(type)")
      .Attr("Tout: list(type)")
      .Attr("shapes: list(shape)") LS_ELEMENT_PROGRAM_ATTRS.Shape(FusedShape)
      .NoGradient()
      .Kernel(kCpu, {FusedCpu, prepare});
  // Wherever the sizes allow it.
  for (int out = 0; out < kMaxFusedOutputs; ++out) {
    for (int in = 0; in < kMaxFusedInputs; ++in) b.InPlace(out, in);
  }
  return b;
}

OpBuilder FusedRandomOp() {
  return FusedOp("_FusedRandom", FusedRandomPrepare)
      .Attr("source: func")
      .Attr("source_name: string")
      .Attr("source_shape: shape")
      .Random();
}

const OpRegistrar kFused = FusedOp("_Fused", FusedPrepare);
const OpRegistrar kFusedRandom = FusedRandomOp();

}  // namespace

Result<ElementProgram> ProgramOf(const PrepareContext& p, bool reduced,
                                 const ElementProgram::Input* made) {
  std::vector<DType> types;
  std::vector<Shape> shapes;
  for (int i = 0; i < p.num_inputs(); ++i) {
    types.push_back(p.input_dtype(i));
    shapes.push_back(p.input_shape(i));
  }
  if (made != nullptr) {
    types.push_back(made->dtype);
    shapes.push_back(made->shape);
  }
  LS_ASSIGN_OR_RETURN(ElementProgram program,
                      ElementProgram::Read(p.attrs(), types, shapes));
  if (p.num_inputs() > kMaxFusedInputs || p.num_outputs() > kMaxFusedOutputs) {
    return InvalidArgument("it has ", p.num_inputs(), " inputs and ",
                           p.num_outputs(), " outputs, at most ",
                           kMaxFusedInputs, " and ", kMaxFusedOutputs);
  }
  if (static_cast<int>(program.results.size()) != p.num_outputs()) {
    return InvalidArgument("the program has ", program.results.size(),
                           " results, the node ", p.num_outputs(), " outputs");
  }
  for (int i = 0; i < p.num_outputs() && !reduced; ++i) {
    const DType made = program.TypeOf(program.results[static_cast<size_t>(i)]);
    if (made != p.output_dtype(i) ||
        p.output_shape(i).NumElements() != program.size) {
      return InvalidArgument("result ", i, " is ", DTypeName(made), " of ",
                             program.size, " elements, the output ",
                             DTypeName(p.output_dtype(i)), " ",
                             p.output_shape(i));
    }
  }
  return program;
}

}  // namespace lockstep
