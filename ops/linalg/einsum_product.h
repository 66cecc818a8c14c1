// SPDX-License-Identifier: Apache-2.0
#pragma once

// EinsumProduct: the product of an equation's two operands of floats by oneDNN.
// What lies as matrices already is read and written where it is; the rest is
// brought together by its caller, as the plan says. For einsum.cc.
//
//   if (EinsumProduct::Pays(plan)) LS_RETURN_IF_ERROR(product.Prepare(plan));
//   ...
//   if (!product.in_place(0)) ...      // a is a copy: [batch, m, k]
//   product.Run(a, b, c, scratch);

#include "ops/linalg/einsum_plan.h"

namespace lockstep {

class EinsumProduct {
 public:
  // Too large for loops of our own.
  static bool Pays(const EinsumPlan& plan);
  Status Prepare(const EinsumPlan& plan);
  bool prepared() const { return prepared_; }
  // Operands 0 and 1 are given as the op has them, the result (2) is written as
  // the op gives it.
  bool in_place(size_t i) const { return in_place_[i]; }
  size_t scratch_bytes() const { return program_.scratch_bytes(); }
  Status Run(const float* a, const float* b, float* c, void* scratch) {
    return program_.Run(scratch, {a, b, c});
  }

 private:
  bool prepared_ = false;
  std::array<bool, 3> in_place_{};
  detail::DnnlProgram program_;
};

}  // namespace lockstep
