// SPDX-License-Identifier: Apache-2.0
#include "ops/training/apply.h"

#include <string_view>

#include "ops/state/variable_input.h"

namespace lockstep::detail {
namespace {

bool IsGradient(std::string_view name) {
  return name == "grad" || name == "delta";
}
bool IsVariable(const ArgDef& arg) {
  return arg.is_ref || arg.type == kResource;
}

ApplyInputs ApplyInputsOf(const OpDef& def) {
  ApplyInputs in;
  for (size_t i = 0; i < def.inputs.size(); ++i) {
    const int at = static_cast<int>(i);
    if (IsVariable(def.inputs[i])) continue;
    if (IsGradient(def.inputs[i].name)) {
      in.grad = at;
    } else if (def.inputs[i].name == "indices") {
      in.indices = at;
    } else {
      in.hyper[static_cast<size_t>(in.num_hyper++)] = at;
    }
  }
  return in;
}

// The gradient's shape for a variable's, by one index a row.
Shape SparseGradientShape(const Shape& var, const Shape& indices) {
  if (!var.HasRank() || var.rank() < 1) return Shape::Unknown();
  Shape rows = var;
  rows.set_dim(0, indices.HasRank() ? indices.dim(0) : kUnknownDim);
  return rows;
}

// Variable and slots have one shape, the gradient has it too or is rows of it,
// all other inputs are scalars; the output, if any, is the variable.
Status ApplyShape(ShapeContext& c) {
  const ApplyInputs in = ApplyInputsOf(c.def());
  Shape var = c.Input(0);
  const auto is_scalar = [&](int i) {
    if (c.Input(i).IsCompatibleWith(Shape{})) return Ok();
    return InvalidArgument(c.def().inputs[static_cast<size_t>(i)].name,
                           " is not a scalar: has shape ", c.Input(i));
  };
  for (int i = 1; i < c.num_inputs(); ++i) {
    const ArgDef& arg = c.def().inputs[static_cast<size_t>(i)];
    if (i == in.indices) {
      LS_RETURN_IF_ERROR(c.WithRank(i, 1).status());
    } else if (IsVariable(arg) || (i == in.grad && in.indices < 0)) {
      auto merged = Shape::Merge(var, c.Input(i));
      if (!merged.ok()) {
        return InvalidArgument("var and ", arg.name,
                               " do not have the same shape: ", var, " and ",
                               c.Input(i));
      }
      var = *merged;
    } else if (i != in.grad) {
      LS_RETURN_IF_ERROR(is_scalar(i));
    }
  }
  if (in.indices >= 0) {
    if (var.IsScalar()) return InvalidArgument("var must be at least a vector");
    const Shape rows = SparseGradientShape(var, c.Input(in.indices));
    if (!rows.IsCompatibleWith(c.Input(in.grad))) {
      return InvalidArgument("grad has shape ", c.Input(in.grad), "; for var ",
                             var, " and indices ", c.Input(in.indices),
                             " it must have ", rows);
    }
  }
  return c.num_outputs() > 0 ? c.SetOutput(0, var) : Ok();
}

Status CheckRows(const Tensor& indices, int64_t rows) {
  for (int64_t i = 0; i < indices.NumElements(); ++i) {
    const int64_t row = IntAt(indices, i);
    if (row >= 0 && row < rows) continue;
    return InvalidArgument("indices[", i, "] = ", row,
                           " is out of range: var has ", rows, " rows");
  }
  return Ok();
}

}  // namespace

OpBuilder ApplyBuilder(const ApplySpec& spec, bool resource, bool sparse) {
  OpBuilder b(StrCat(resource ? "Resource" : "", sparse ? "Sparse" : "",
                     "Apply", spec.name));
  const char* variable = resource ? ": resource" : ": Ref(T)";
  b.Input(StrCat("var", variable));
  for (const char* slot : spec.slots) b.Input(StrCat(slot, variable));
  int number = static_cast<int>(spec.slots.size()) + 1, gradient = 0;
  for (const std::string_view input : spec.inputs) {
    if (IsGradient(input)) gradient = number;
    if (sparse && IsGradient(input)) {
      b.Input("grad: T").Input("indices: Tindices");
    } else {
      b.Input(input.find(':') == input.npos ? StrCat(input, ": T")
                                            : std::string(input));
    }
    ++number;
  }
  if (!resource) b.Output("out: Ref(T)");
  b.Attr("T: floattype").Attr("use_locking: bool = false");
  if (sparse) b.Attr("Tindices: {int32, int64}");
  for (const char* attr : spec.attrs) b.Attr(attr);
  b.Shape(ApplyShape).NoGradient().Stateful();
  b.With([&](OpTraits& t) { t.applies_gradient = gradient; });
  return b;
}

Status ApplyPrepare(PrepareContext& p) {
  for (int i = 0; i < p.num_inputs(); ++i) {
    if (!IsVariable(p.def().inputs[static_cast<size_t>(i)])) break;
    LS_RETURN_IF_ERROR(RequireVariable(p, i));
  }
  ApplyInputs& in = p.MakeState<ApplyInputs>(ApplyInputsOf(p.def()));
  in.flags.use_nesterov = GetOr(p.attrs(), "use_nesterov", false);
  in.flags.update_slots = GetOr(p.attrs(), "update_slots", false);
  in.flags.multiply_linear_by_lr =
      GetOr(p.attrs(), "multiply_linear_by_lr", false);
  return Ok();
}

Status CheckVariables(KernelContext& k, int slots, DType dtype) {
  const Shape& var = k.variable(0).value().shape();
  for (int i = 0; i <= slots; ++i) {
    Variable& v = k.variable(i);
    if (v.dtype() != dtype) {
      return InvalidArgument("variable '", v.name(), "' is ",
                             DTypeName(v.dtype()), ", the update is for ",
                             DTypeName(dtype));
    }
    if (v.value().shape() != var) {
      return InvalidArgument("var and its slot do not have the same shape: ",
                             var, " and ", v.value().shape());
    }
  }
  return Ok();
}

Status CheckGradient(KernelContext& k, const ApplyInputs& in) {
  const Shape& var = k.variable(0).value().shape();
  const Shape& grad = k.input(in.grad).shape();
  if (in.indices < 0) {
    if (grad == var) [[likely]]
      return Ok();
    return InvalidArgument("var and gradient do not have the same shape: ", var,
                           " and ", grad);
  }
  const Tensor& indices = k.input(in.indices);
  if (var.rank() < 1 || indices.shape().rank() != 1 ||
      grad != SparseGradientShape(var, indices.shape())) {
    return InvalidArgument("grad has shape ", grad, " with indices ",
                           indices.shape(), ", var has ", var);
  }
  return CheckRows(indices, var.dim(0));
}

}  // namespace lockstep::detail
