// SPDX-License-Identifier: Apache-2.0

// A rule: a power by a constant exponent is a cheaper op, as TensorFlow's own
// optimiser has it: x^1 is x, x^2 Square, x^3 x x^2, x^-1 Reciprocal, x^0.5
// Sqrt and x^-0.5 Rsqrt (the last three of floats; roots of minus infinity are
// NaN then). So are the powers in gradients of squares and cubes.

#include <optional>

#include "runtime/graph/passes/rewrite.h"

namespace lockstep {
namespace {

template <class T>
std::optional<double> SameEverywhere(const Tensor& t) {
  const auto all = t.flat<T>();
  if (all.empty()) return std::nullopt;
  for (const T& x : all) {
    if (!(x == all[0])) return std::nullopt;
  }
  return static_cast<double>(all[0]);
}

// Of real types only.
std::optional<double> Exponent(const RewriteContext& c, Output y) {
  if (!y.node->traits().constant || c.IsFed(y.node)) return std::nullopt;
  const Tensor* value = GetIf<Tensor>(y.node->attrs(), "value");
  if (value == nullptr) return std::nullopt;
  switch (value->dtype()) {
    case kFloat: return SameEverywhere<float>(*value);
    case kDouble: return SameEverywhere<double>(*value);
    case kInt32: return SameEverywhere<int32_t>(*value);
    case kInt64: return SameEverywhere<int64_t>(*value);
    default: return std::nullopt;
  }
}

// The op of x alone; null for none.
const char* OpFor(double exponent, DType t) {
  if (exponent == 1) return "Identity";
  if (exponent == 2) return "Square";
  if (!IsFloating(t)) return nullptr;
  if (exponent == -1) return "Reciprocal";
  if (exponent == 0.5) return "Sqrt";
  return exponent == -0.5 ? "Rsqrt" : nullptr;
}

Result<bool> SimplerPower(RewriteContext& c) {
  Node* n = c.node();
  const Output x = n->input(0);
  const Shape& shape = n->output_shape(0);
  if (c.IsFed(n) || !shape.IsFullyKnown() || x.shape() != shape) return false;
  const std::optional<double> exponent = Exponent(c, n->input(1));
  if (!exponent) return false;
  const bool cube = *exponent == 3;
  const char* op = cube ? "Square" : OpFor(*exponent, n->output_type(0));
  if (op == nullptr) return false;
  LS_ASSIGN_OR_RETURN(Node * power, c.Add(n->name() + "/power", op, {x}));
  if (cube) {
    LS_ASSIGN_OR_RETURN(
        power, c.Add(n->name() + "/cube", "Mul", {x, power->output(0)}));
  }
  c.Replace(n->output(0), power->output(0));
  return true;
}
LOCKSTEP_REWRITE("Pow", SimplerPower);

}  // namespace
}  // namespace lockstep
