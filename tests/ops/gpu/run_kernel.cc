// SPDX-License-Identifier: Apache-2.0
#include "tests/ops/gpu/run_kernel.h"

#include "runtime/device/device_set.h"
#include "runtime/exec/binder.h"
#include "runtime/op/gpu_loops.h"
#include "tests/testing/graph_run.h"

namespace lockstep {

// At once, whatever the stream.
Status gpu::RunLoops(void*, const void*, size_t, std::function<void()> loops) {
  loops();
  return Ok();
}

namespace testing {
namespace {

// Every value is known; sizes and axes are constants.
Output MakeOperand(const Scope& s, const OpDef& def, size_t i,
                   const Operand& operand) {
  if (!operand.is_variable) return Input(operand.value).Resolve(s);
  const bool resource = def.inputs[i].type == kResource;
  return s.Op(resource ? "VarHandleOp" : "VariableV2")
      .Attr("dtype", operand.value.dtype())
      .Attr("shape", operand.value.shape())
      .Out();
}

}  // namespace

Result<Node*> KernelCase::Build(Graph* graph) const {
  const OpDef* def = OpRegistry::Global().Find(op_);
  if (def == nullptr) return NotFound(op_);
  const Scope s(graph);
  NodeBuilder node = s.Op(op_);
  for (size_t i = 0; i < operands_.size(); ++i) {
    if (sequence_size_ > 0 && i == sequence_) {
      std::vector<Output> parts;
      for (size_t j = 0; j < sequence_size_; ++j) {
        parts.push_back(MakeOperand(s, *def, i, operands_[i + j]));
      }
      node.In(parts);
      i += sequence_size_ - 1;
    } else {
      node.In(MakeOperand(s, *def, i, operands_[i]));
    }
  }
  for (const auto& [name, value] : attrs_) node.Attr(name, value);
  Node* made = node.Build();
  LS_RETURN_IF_ERROR(graph->status());
  return made;
}

Result<const KernelDef*> KernelCase::CpuKernel() const {
  Graph graph;
  LS_ASSIGN_OR_RETURN(const Node* node, Build(&graph));
  const KernelDef* cpu = node->def().FindKernel(kCpu, node->attrs());
  if (cpu == nullptr) return NotFound("a CPU kernel of ", op_);
  return cpu;
}

// What a step reads, as a plan would hand it over.
struct KernelCase::Inputs {
  StepOperands operands;
  std::vector<Tensor> values;
  std::vector<std::unique_ptr<Variable>> variables;  // null: a value
};

Status KernelCase::MakeInputs(Inputs* in) const {
  for (const Operand& o : operands_) {
    const auto same = std::ranges::find_if(operands_, [&](const Operand& p) {
      return p.value.data() == o.value.data();
    });
    const auto at = static_cast<size_t>(same - operands_.begin());
    in->values.push_back(o.is_variable            ? Tensor()
                         : at < in->values.size() ? in->values[at]
                                                  : o.value.Clone());
    in->operands.input_shapes.push_back(o.value.shape());
    std::unique_ptr<Variable> variable;
    if (o.is_variable) {
      variable = std::make_unique<Variable>("v", o.value.dtype(),
                                            o.value.shape(), nullptr);
      LS_RETURN_IF_ERROR(variable->Assign(o.value));
      in->values.back() = variable->value();
    }
    in->operands.variables.push_back(variable.get());
    in->variables.push_back(std::move(variable));
  }
  for (const Tensor& t : in->values) in->operands.input_values.push_back(&t);
  return Ok();
}

Result<std::vector<Tensor>> KernelCase::Run(RunFn run, PrepareFn prepare,
                                            void* stream) const {
  Graph graph;
  LS_ASSIGN_OR_RETURN(const Node* node, Build(&graph));
  Inputs given;
  LS_RETURN_IF_ERROR(MakeInputs(&given));
  auto& [operands, inputs, variables] = given;
  std::vector<Tensor> outputs;
  for (int i = 0; i < node->num_outputs(); ++i) {
    const bool is_ref = IsRef(node->output_type(i));
    operands.output_shapes.push_back(is_ref ? inputs[0].shape()
                                            : node->output_shape(i));
    outputs.push_back(
        is_ref || (in_place_ && i == 0)
            ? inputs[0]
            : Tensor(node->output_type(i), node->output_shape(i)));
  }
  SessionResources resources;
  const Device device;
  StepPrepare context(*node, operands, resources, device);
  if (prepare != nullptr) LS_RETURN_IF_ERROR(prepare(context));
  std::vector<std::max_align_t> scratch(
      context.scratch_bytes() / sizeof(std::max_align_t) + 1);
  const std::shared_ptr<void> state = context.TakeState();
  std::vector<Tensor*> in, out;
  for (Tensor& t : inputs) in.push_back(&t);
  for (Tensor& t : outputs) out.push_back(&t);
  RunInfo info;
  info.random_step = 3;
  KernelContext k = KernelBinder::Bind({.inputs = in,
                                        .outputs = out,
                                        .variables = operands.variables,
                                        .scratch = scratch.data(),
                                        .state = state.get(),
                                        .stream = stream,
                                        .run = &info,
                                        .resources = &resources,
                                        .node = node});
  LS_RETURN_IF_ERROR(run(k));
  for (const auto& v : variables) {
    if (v) outputs.push_back(v->value());
  }
  return outputs;
}

void KernelCase::Compare(const Result<std::vector<Tensor>>& got,
                         const Result<std::vector<Tensor>>& want,
                         double tolerance) const {
  SCOPED_TRACE(op_);
  ASSERT_TRUE(want.ok()) << want.status().ToString();
  ASSERT_TRUE(got.ok()) << got.status().ToString();
  ASSERT_EQ(got->size(), want->size());
  for (size_t i = 0; i < want->size(); ++i) {
    SCOPED_TRACE(StrCat("result ", i, " of ", operands_[0].value.shape()));
    ExpectClose((*got)[i], (*want)[i], tolerance);
  }
}

void KernelCase::ExpectLikeCpu(GpuFunctions gpu, double tolerance) const {
  const auto cpu = CpuKernel();
  ASSERT_TRUE(cpu.ok()) << cpu.status().ToString();
  const auto want = Run((*cpu)->run, (*cpu)->prepare, nullptr);
  Compare(Run(gpu.run, gpu.prepare, nullptr), want, tolerance);
}

void KernelCase::ExpectSameOnStream() const {
  const auto cpu = CpuKernel();
  ASSERT_TRUE(cpu.ok()) << cpu.status().ToString();
  const auto want = Run((*cpu)->run, (*cpu)->prepare, nullptr);
  // Loops do not look at the stream.
  static int stream = 0;
  Compare(Run((*cpu)->run, (*cpu)->prepare, &stream), want, 0);
}

}  // namespace testing
}  // namespace lockstep
