// SPDX-License-Identifier: Apache-2.0
#pragma once

// ApplyNode: makes the form of an update op that its operands call for. For
// the builder functions of this family.
//
//   return ApplyNode(scope, "Momentum", {var, accum}, grad)
//       .In(lr).Grad().In(momentum).Attr("use_nesterov", true).Build();

#include "runtime/graph/builder.h"
#include "runtime/graph/gradient_value.h"

namespace lockstep::detail {

class ApplyNode {
 public:
  ApplyNode(const Scope& scope, std::string_view name,
            const std::vector<Output>& variables, const GradientValue& grad)
      : scope_(scope),
        grad_(grad),
        node_(scope.Op(StrCat(IsResource(variables) ? "Resource" : "",
                              grad.sparse() ? "Sparse" : "", "Apply", name))) {
    for (const Output& v : variables) node_.In(v);
  }
  ApplyNode& In(const Input& hyper) {
    node_.In(hyper.Resolve(
        scope_, grad_.defined() ? BaseOf(grad_.values.dtype()) : kInvalidType));
    return *this;
  }
  ApplyNode& Grad() {
    node_.In(grad_.values);
    if (grad_.sparse()) node_.In(grad_.indices);
    return *this;
  }
  ApplyNode& Attr(std::string_view name, AttrValue value) {
    node_.Attr(name, std::move(value));
    return *this;
  }
  Node* Build() { return node_.Build(); }

 private:
  static bool IsResource(const std::vector<Output>& variables) {
    const Output& var = variables.front();
    return var.defined() && var.dtype() == kResource;
  }
  Scope scope_;
  GradientValue grad_;
  NodeBuilder node_;
};

}  // namespace lockstep::detail
