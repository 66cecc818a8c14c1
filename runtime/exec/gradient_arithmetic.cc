// SPDX-License-Identifier: Apache-2.0
#include "runtime/exec/gradient_arithmetic.h"

#include <algorithm>
#include <iterator>
#include <string_view>

namespace lockstep {
namespace {

// Which inputs an op's output is affine in: all together, each of them while
// the others are constant, or only the one of that number.
constexpr int kTogether = -1, kEach = -2;
struct AffineOp {
  std::string_view op;
  int input;
};
constexpr AffineOp kAffine[] = {{"AccumulateNV2", kTogether},
                                {"Add", kTogether},
                                {"AddN", kTogether},
                                {"AddV2", kTogether},
                                {"Concat", kTogether},
                                {"ConcatV2", kTogether},
                                {"Identity", kTogether},
                                {"Neg", kTogether},
                                {"Pack", kTogether},
                                {"Sub", kTogether},
                                {"BatchMatMul", kEach},
                                {"BatchMatMulV2", kEach},
                                {"MatMul", kEach},
                                {"Mul", kEach},
                                {"BroadcastTo", 0},
                                {"Cast", 0},
                                {"Div", 0},
                                {"DivNoNan", 0},
                                {"ExpandDims", 0},
                                {"Mean", 0},
                                {"Pad", 0},
                                {"PreventGradient", 0},
                                {"RealDiv", 0},
                                {"Reshape", 0},
                                {"Slice", 0},
                                {"Squeeze", 0},
                                {"StopGradient", 0},
                                {"StridedSlice", 0},
                                {"StridedSliceGrad", 4},
                                {"Sum", 0},
                                {"Tile", 0},
                                {"Transpose", 0},
                                {"ReluGrad", 0},
                                {"Relu6Grad", 0},
                                {"EluGrad", 0},
                                {"SoftplusGrad", 0},
                                {"ReciprocalGrad", 1},
                                {"RsqrtGrad", 1},
                                {"SigmoidGrad", 1},
                                {"SqrtGrad", 1},
                                {"TanhGrad", 1}};

template <class F>
bool IsAffineIn(const Node& n, F depends) {
  const auto* const known = std::ranges::find(kAffine, n.op(), &AffineOp::op);
  if (known == std::end(kAffine)) return false;
  for (int i = 0; i < n.num_outputs(); ++i) {
    if (!IsFloating(BaseOf(n.output_type(i)))) return false;
  }
  int depending = 0;
  for (int i = 0; i < n.num_inputs(); ++i) {
    if (!depends(n.input(i))) continue;
    ++depending;
    if (known->input >= 0 && i != known->input) return false;
  }
  return known->input == kTogether || depending <= 1;
}

}  // namespace

GradientArithmetic::GradientArithmetic(
    const std::unordered_set<const Node*>& nodes,
    const std::vector<Output>& gradients) {
  for (const Node* n : nodes) {
    for (const Output& in : n->inputs()) {
      std::vector<const Node*>& users = users_[in];
      if (std::ranges::find(users, n) == users.end()) users.push_back(n);
    }
  }
  std::vector<Output> stack;
  for (const Output& g : gradients) {
    if (of_gradient_.insert(g).second) stack.push_back(g);
  }
  while (!stack.empty()) {
    const Output o = stack.back();
    stack.pop_back();
    for (const Node* user : UsersOf(o)) {
      for (int i = 0; i < user->num_outputs(); ++i) {
        const Output made{const_cast<Node*>(user), i};
        if (of_gradient_.insert(made).second) stack.push_back(made);
      }
    }
  }
}

bool GradientArithmetic::IsAffine(const Node& n) const {
  return IsAffineIn(n, [&](Output in) { return IsOfGradient(in); });
}

const std::vector<const Node*>& GradientArithmetic::UsersOf(Output o) const {
  static const std::vector<const Node*> kNone;
  const auto found = users_.find(o);
  return found == users_.end() ? kNone : found->second;
}

ElementPath ElementPathTo(Output value, const SampleFlow& samples) {
  ElementPath path;
  std::unordered_set<Output, OutputHash> seen = {value};
  std::vector<Output> stack = {value};
  while (!stack.empty()) {
    const Output o = stack.back();
    stack.pop_back();
    const Node& n = *o.node;
    if (samples.IsFed(o)) {
      path.is_fed = true;
      continue;
    }
    bool by_element = false;
    for (const Output& in : n.inputs()) {
      if (!samples.Depends(in) || in.shape() != o.shape()) continue;
      by_element = true;
      if (seen.insert(in).second) stack.push_back(in);
    }
    const bool affine = !by_element || IsAffineIn(n, [&](Output in) {
      return samples.Depends(in);
    });
    path.affine = path.affine && affine;
  }
  return path;
}

}  // namespace lockstep
