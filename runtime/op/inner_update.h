// SPDX-License-Identifier: Apache-2.0
#pragma once

// InnerUpdate: an update of a variable (an Apply* op) as a part of another
// node's kernel, which makes the gradient piece by piece and has each piece
// applied while it is in the cache.
//
// The outer node has the update's inputs among its own, one after the other,
// with any tensor in the gradient's place, and the update's name and
// attributes as a FunctionRef. Not thread-safe but for Apply.
//
//   LS_ASSIGN_OR_RETURN(InnerUpdate u, InnerUpdate::Find(ref, /*first=*/0));
//   LS_RETURN_IF_ERROR(u.Prepare(p));                     // in prepare
//   ...
//   KernelContext inner = u.Context(k);                   // in run
//   LS_RETURN_IF_ERROR(u.Apply(inner, begin, count, gradient));

#include <memory>

#include "runtime/op/kernel.h"

namespace lockstep {

class InnerUpdate {
 public:
  // Whether `node_def` with these attributes updates element by element on the
  // CPU, so that it can be an InnerUpdate.
  static bool Fits(const OpDef& node_def, const AttrMap& attrs);
  // INVALID_ARGUMENT when it does not fit, NOT_FOUND when there is no such op.
  static Result<InnerUpdate> Find(const FunctionRef& ref, int first);

  // Prepares the update's kernel as a part of `outer`'s.
  Status Prepare(PrepareContext& outer);
  // What Apply works on, bound to this run's operands.
  KernelContext Context(const KernelContext& outer) const {
    return outer.Inner(first_, count_, attrs_, state_.get());
  }
  // Updates elements [begin, begin + count) by their gradient. Several threads
  // may call it at once for different elements.
  Status Apply(KernelContext& inner, int64_t begin, int64_t count,
               const void* gradient) const {
    return kernel_->update(inner, begin, count, gradient);
  }

  const OpDef& def() const { return *def_; }
  int first() const { return first_; }  // input of the outer node
  int count() const { return count_; }  // of inputs
  int gradient() const { return first_ + def_->traits.applies_gradient; }
  // Whether input i of the outer node is the variable or one of its slots.
  bool IsVariable(int i) const;

 private:
  class Part;

  const OpDef* def_ = nullptr;
  AttrMap attrs_;
  int first_ = 0, count_ = 0;
  const KernelDef* kernel_ = nullptr;
  std::shared_ptr<void> state_;
};

}  // namespace lockstep
