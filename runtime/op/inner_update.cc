// SPDX-License-Identifier: Apache-2.0
#include "runtime/op/inner_update.h"

namespace lockstep {

// What the update sees while it is prepared.
class InnerUpdate::Part final : public PrepareContext {
 public:
  Part(PrepareContext& outer, InnerUpdate* update)
      : outer_(outer), update_(*update) {}
  std::string_view node_name() const override { return outer_.node_name(); }
  const OpDef& def() const override { return *update_.def_; }
  const AttrMap& attrs() const override { return update_.attrs_; }
  int num_inputs() const override { return update_.count_; }
  int num_outputs() const override { return 0; }
  DType input_dtype(int i) const override {
    return outer_.input_dtype(update_.first_ + i);
  }
  DType output_dtype(int) const override { return kInvalidType; }
  const Shape& input_shape(int i) const override {
    return outer_.input_shape(update_.first_ + i);
  }
  const Shape& output_shape(int) const override {
    return outer_.input_shape(update_.first_);
  }
  const Tensor* input_value(int i) const override {
    return outer_.input_value(update_.first_ + i);
  }
  Variable* variable(int i) override {
    return outer_.variable(update_.first_ + i);
  }
  SessionResources& resources() override { return outer_.resources(); }
  const Device& device() const override { return outer_.device(); }
  void RequestScratch(size_t bytes) override { outer_.RequestScratch(bytes); }

 protected:
  void SetState(std::shared_ptr<void> state) override {
    update_.state_ = std::move(state);
  }

 private:
  PrepareContext& outer_;
  InnerUpdate& update_;
};

bool InnerUpdate::Fits(const OpDef& def, const AttrMap& attrs) {
  if (def.traits.applies_gradient < 0) return false;
  const KernelDef* kernel = def.FindKernel(kCpu, attrs);
  return kernel != nullptr && kernel->update != nullptr;
}

Result<InnerUpdate> InnerUpdate::Find(const FunctionRef& ref, int first) {
  InnerUpdate update;
  update.def_ = OpRegistry::Global().Find(ref.name);
  if (update.def_ == nullptr) return NotFound("no op ", ref.name);
  if (ref.attrs != nullptr) update.attrs_ = *ref.attrs;
  if (!Fits(*update.def_, update.attrs_)) {
    return InvalidArgument(ref.name, " does not update element by element");
  }
  update.first_ = first;
  update.count_ = static_cast<int>(update.def_->inputs.size());
  update.kernel_ = update.def_->FindKernel(kCpu, update.attrs_);
  return update;
}

bool InnerUpdate::IsVariable(int i) const {
  const ArgDef& arg = def_->inputs[static_cast<size_t>(i - first_)];
  return arg.is_ref || arg.type == kResource;
}

Status InnerUpdate::Prepare(PrepareContext& outer) {
  if (first_ + count_ > outer.num_inputs()) {
    return InvalidArgument("the updates have more than ", outer.num_inputs(),
                           " inputs");
  }
  for (int i = first_; i < first_ + count_; ++i) {
    if (IsVariable(i) && outer.variable(i) == nullptr) {
      return InvalidArgument("input ", i - first_, " is no variable");
    }
  }
  Part part(outer, this);
  return kernel_->prepare != nullptr ? kernel_->prepare(part) : Ok();
}

}  // namespace lockstep
