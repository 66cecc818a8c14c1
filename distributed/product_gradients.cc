// SPDX-License-Identifier: Apache-2.0
#include "distributed/product_gradients.h"

#include <algorithm>

#include "runtime/exec/schedule.h"
#include "runtime/op/product_rule.h"

namespace lockstep {
namespace {

// Below, a gradient stays in the second-level cache until it is exchanged; with
// longer rows or more ranks, the blocks in which all ranks' products are made
// do not.
constexpr int64_t kMinElements = 1 << 20, kMaxColumns = 1 << 13;
constexpr int kMaxRanks = 8;
// Of more samples the product takes the time, wherever it is written. So many
// are added up in one go: rows have the bits that they have in the whole
// product. The right factor is read for each block of rows.
constexpr int64_t kMaxInner = 256, kMaxRight = 1 << 18;

const ProductRule* RuleOf(const Node& node) {
  const ProductRule* rule = FindProductRule(node.def(), node.attrs());
  return rule != nullptr && rule->fits(node.attrs()) ? rule : nullptr;
}

// What makes the gradient in the graph as it was built; null when the update is
// not in it.
const Node* OriginalMaker(const Gradient& gradient,
                          const OriginalOrder& order) {
  const auto& [update, input] = gradient.uses[0];
  const Node* found = order.Find(update);
  if (found == nullptr || input >= found->num_inputs()) return nullptr;
  const Node* maker = found->input(input).node;
  while (maker->op() == "Identity") maker = maker->input(0).node;
  return maker;
}

// Factors are read while variables change: none of them may be one.
bool IsFactor(Output o) {
  return o.dtype() == kFloat && o.shape().IsFullyKnown() &&
         !VariableBehind(o).defined();
}

bool HasFactors(const Gradient& gradient, const PassContext& context,
                const Consumers& consumers) {
  const Output product = gradient.output;
  const Node& maker = *product.node;
  const ProductRule* rule = RuleOf(maker);
  if (rule == nullptr || !IsFactor(maker.input(0)) ||
      !IsFactor(maker.input(1))) {
    return false;
  }
  const ProductDims dims =
      rule->dims(maker.attrs(), maker.input(0).shape(), maker.input(1).shape());
  return dims.k <= kMaxInner && dims.k * dims.n <= kMaxRight &&
         consumers.Of(product).size() == 1 &&
         consumers.ControlledBy(&maker).empty() &&
         std::ranges::find(context.fetches, product) == context.fetches.end();
}

}  // namespace

bool IsLargeProduct(const Gradient& gradient, const OriginalOrder& order,
                    int ranks) {
  const Node* maker = OriginalMaker(gradient, order);
  if (maker == nullptr || RuleOf(*maker) == nullptr || ranks > kMaxRanks) {
    return false;
  }
  // The variable's, whatever the batch is.
  const Shape& shape = gradient.output.shape();
  return shape.IsFullyKnown() && shape.NumElements() > kMinElements &&
         shape.dim(1) <= kMaxColumns;
}

Node* UseFactors(const Gradient& gradient, const OriginalOrder& order,
                 const PassContext& context, const Consumers& consumers,
                 bool weighted, NodeSpec* update) {
  const Node* node = gradient.uses[0].first;
  Node* const made =
      HasFactors(gradient, context, consumers) ? gradient.output.node : nullptr;
  const Node* maker = made != nullptr ? made : OriginalMaker(gradient, order);
  if (made != nullptr) {
    const auto input = static_cast<size_t>(gradient.uses[0].second);
    update->inputs[input] = made->input(1);
    update->inputs.push_back(made->input(0));
    for (Node* before : made->control_inputs()) {
      if (std::ranges::find(update->control_inputs, before) ==
          update->control_inputs.end()) {
        update->control_inputs.push_back(before);
      }
    }
  }
  const bool watched =
      std::get<std::vector<bool>>(update->attrs.at("watched"))[0];
  std::vector<DType> types;
  for (const Output& in : update->inputs) types.push_back(in.dtype());
  update->name = StrCat("_product_update/", gradient.first_use);
  update->op = "_ProductUpdate";
  update->attrs = {
      {"Tin", std::move(types)},
      {"update",
       FunctionRef{node->op(), std::make_shared<AttrMap>(node->attrs())}},
      {"product",
       FunctionRef{maker->op(), std::make_shared<AttrMap>(maker->attrs())}},
      {"watched", watched},
      {"whole", made == nullptr},
      {"weighted", weighted}};
  return made;
}

}  // namespace lockstep
