// SPDX-License-Identifier: Apache-2.0

// _Fused: several element-wise ops in one pass over their elements.
//   inputs: Tin   outputs: Tout, of the shapes that attribute "shapes" says
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

Status FusedPrepare(PrepareContext& p) {
  LS_ASSIGN_OR_RETURN(const ElementProgram program, ProgramOf(p));
  LS_ASSIGN_OR_RETURN(ElementEvaluator evaluator,
                      ElementEvaluator::Make(program));
  p.MakeState<ElementEvaluator>(std::move(evaluator));
  return Ok();
}

Status FusedCpu(KernelContext& k) {
  std::array<const void*, kMaxFusedInputs> inputs;
  std::array<void*, kMaxFusedOutputs> outputs;
  const size_t ins = static_cast<size_t>(k.num_inputs());
  const size_t outs = static_cast<size_t>(k.num_outputs());
  for (size_t i = 0; i < ins; ++i) {
    inputs[i] = k.input(static_cast<int>(i)).data();
  }
  for (size_t i = 0; i < outs; ++i) {
    outputs[i] = k.output(static_cast<int>(i)).data();
  }
  k.state<ElementEvaluator>().Run({inputs.data(), ins}, {outputs.data(), outs});
  return Ok();
}

OpBuilder FusedOp() {
  OpBuilder b("_Fused");
  b.Input("inputs: Tin")
      .Output("outputs: Tout")
      .Attr("Tin: list(type)")
      .Attr("Tout: list(type)")
      .Attr("shapes: list(shape)") LS_ELEMENT_PROGRAM_ATTRS.Shape(FusedShape)
      .NoGradient()
      .Kernel(kCpu, {FusedCpu, FusedPrepare});
  // Wherever the sizes allow it.
  for (int out = 0; out < kMaxFusedOutputs; ++out) {
    for (int in = 0; in < kMaxFusedInputs; ++in) b.InPlace(out, in);
  }
  return b;
}

const OpRegistrar kFused = FusedOp();

}  // namespace

Result<ElementProgram> ProgramOf(const PrepareContext& p, bool reduced) {
  std::vector<DType> types;
  std::vector<Shape> shapes;
  for (int i = 0; i < p.num_inputs(); ++i) {
    types.push_back(p.input_dtype(i));
    shapes.push_back(p.input_shape(i));
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
