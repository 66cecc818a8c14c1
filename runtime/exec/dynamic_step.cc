// SPDX-License-Identifier: Apache-2.0
#include "runtime/exec/dynamic_step.h"

#include <algorithm>
#include <cctype>

#include "runtime/device/device_set.h"

namespace lockstep {

DynamicStep::DynamicStep(const Node& node, StepHome home,
                         std::vector<Variable*> variables, RunInfo* run,
                         SessionResources* resources, bool copy_alias)
    : node_(node),
      home_(std::move(home)),
      run_(run),
      resources_(resources),
      copy_alias_(copy_alias) {
  operands_.variables = std::move(variables);
  operands_.variables.resize(static_cast<size_t>(node.num_inputs()), nullptr);
}

bool DynamicStep::PreparedFor(std::span<Tensor* const> inputs) const {
  if (!prepared_) return false;
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (!(inputs[i]->shape() == operands_.input_shapes[i])) return false;
  }
  const std::vector<int>& deciding = node_.traits().needs_value;
  for (size_t d = 0; d < deciding.size(); ++d) {
    const size_t i = static_cast<size_t>(
        OpTraits::InputNumber(deciding[d], node_.num_inputs()));
    if (!BitwiseEqual(*inputs[i], decided_by_[d])) return false;
  }
  return true;
}

Status DynamicStep::Prepare(std::span<Tensor* const> inputs) {
  prepared_ = false;
  operands_.input_shapes.clear();
  operands_.input_values.clear();
  for (Tensor* in : inputs) {
    operands_.input_shapes.push_back(in->shape());
    operands_.input_values.push_back(in);
  }
  decided_by_.clear();
  for (int i : node_.traits().needs_value) {
    const int number = OpTraits::InputNumber(i, node_.num_inputs());
    decided_by_.push_back(inputs[static_cast<size_t>(number)]->Clone());
  }
  ShapeContext shapes(node_.def(), node_.attrs(), operands_.input_shapes,
                      operands_.input_values, node_.num_outputs());
  if (node_.def().shape) LS_RETURN_IF_ERROR(node_.def().shape(shapes));
  operands_.output_shapes = shapes.outputs();
  if (home_.kernel && home_.kernel->prepare) {
    StepPrepare context(node_, operands_, *resources_, *home_.device);
    LS_RETURN_IF_ERROR(home_.kernel->prepare(context));
    state_ = context.TakeState();
    LS_ASSIGN_OR_RETURN(
        scratch_,
        Tensor::Make(kUint8,
                     Shape{static_cast<int64_t>(context.scratch_bytes())},
                     home_.scratch));
  }
  prepared_ = true;
  return Ok();
}

Status DynamicStep::AllocateOutputs(std::span<Tensor* const> outputs) {
  for (size_t i = 0; i < outputs.size(); ++i) {
    // A reference: the variable's own tensor, which the kernel looks after.
    if (IsRef(node_.output_type(static_cast<int>(i)))) continue;
    const DType dtype = BaseOf(node_.output_type(static_cast<int>(i)));
    const Shape& shape = operands_.output_shapes[i];
    if (!shape.IsFullyKnown()) {
      // The kernel calls AllocateOutput, which needs the dtype.
      *outputs[i] = Tensor::Borrow(dtype, Shape{0}, nullptr);
    } else if (!(outputs[i]->unique() && outputs[i]->dtype() == dtype &&
                 outputs[i]->shape() == shape)) {
      LS_ASSIGN_OR_RETURN(*outputs[i],
                          Tensor::Make(dtype, shape, AllocatorOf(i)));
    }
  }
  return Ok();
}

// Makes the output own a copy of what it shares.
Status DynamicStep::CopyAlias(size_t i, Tensor* output) {
  if (AllocatorOf(i) == nullptr) {
    *output = output->Clone();
    return Ok();
  }
  LS_ASSIGN_OR_RETURN(
      Tensor copy,
      Tensor::Make(output->dtype(), output->shape(), AllocatorOf(i)));
  LS_RETURN_IF_ERROR(home_.device->memory->hardware().Copy(
      copy.data(), output->data(), output->bytes()));
  *output = std::move(copy);
  return Ok();
}

Status DynamicStep::Run(std::span<Tensor* const> inputs,
                        std::span<Tensor* const> outputs) {
  if (!PreparedFor(inputs)) LS_RETURN_IF_ERROR(Prepare(inputs));
  if (const int alias = node_.traits().alias.second; alias >= 0) {
    const Tensor& from = *inputs[static_cast<size_t>(alias)];
    for (size_t i = 0; i < outputs.size(); ++i) {
      LS_ASSIGN_OR_RETURN(*outputs[i],
                          from.Reshaped(operands_.output_shapes[i]));
      if (copy_alias_) LS_RETURN_IF_ERROR(CopyAlias(i, outputs[i]));
    }
    return Ok();
  }
  LS_RETURN_IF_ERROR(AllocateOutputs(outputs));
  KernelContext k = KernelBinder::Bind({.inputs = inputs,
                                        .outputs = outputs,
                                        .variables = operands_.variables,
                                        .scratch = scratch_.data(),
                                        .state = state_.get(),
                                        .stream = home_.stream,
                                        .allocator = AllocatorOf(0),
                                        .run = run_,
                                        .resources = resources_,
                                        .node = &node_});
  return home_.kernel->run(k);
}

std::string WhereIs(const Node& node, int task, int tasks, int input) {
  const std::string& device = node.assigned_device();
  const size_t at = device.find("/device:");
  std::string where = tasks > 1 ? StrCat("[rank ", task, "] ") : std::string();
  if (at != std::string::npos) {
    const std::string_view kind_index = std::string_view(device).substr(at + 8);
    std::string small(kind_index);
    std::ranges::transform(small, small.begin(), [](unsigned char c) {
      return static_cast<char>(std::tolower(c));
    });
    where += StrCat("/", small, " ");
  }
  const auto readers =
      GetOr<std::vector<std::string>>(node.attrs(), "readers", {});
  if (input >= 0 && static_cast<size_t>(input) < readers.size()) {
    return where + StrCat("node ", readers[static_cast<size_t>(input)],
                          ", fused into '", node.name(), "'");
  }
  return where + StrCat("node '", node.name(), "' (", node.op(), ")");
}

}  // namespace lockstep
