// SPDX-License-Identifier: Apache-2.0

// StackV2, StackPushV2, StackPopV2, StackCloseV2: tensors kept last in, first
// out, as the gradients of TensorFlow 1's loops keep what the forward loop
// computed.
//   max_size: int32 []; negative: no limit   handle: the stack
//   elem: a value of any shape               output: the same value
// _StackPush: StackPushV2 without its output, where nothing reads that.

#include "ops/control/object.h"
#include "runtime/graph/passes/rewrite.h"
#include "runtime/op/shape_context.h"

namespace lockstep {
namespace {

class Stack final : public Object {
 public:
  Stack(std::string name, DType dtype, int64_t max_size)
      : name_(std::move(name)), dtype_(dtype), max_size_(max_size) {}
  std::string DebugString() const override {
    return StrCat("stack '", name_, "' of ", elements_.size());
  }

  Status Push(const Tensor& value) {
    if (value.dtype() != dtype_) {
      return InvalidArgument("stack '", name_, "' holds ", DTypeName(dtype_),
                             ", the value is ", DTypeName(value.dtype()));
    }
    if (max_size_ >= 0 && static_cast<int64_t>(elements_.size()) >= max_size_) {
      return InvalidArgument("Stack[", name_, "] overflowed its max_size (",
                             max_size_, ")");
    }
    // Loops push what stays the same, as weights, in every iteration: it is
    // kept once, and hot in the cache when it is popped.
    const bool again =
        !elements_.empty() && BitwiseEqual(value, elements_.back());
    elements_.push_back(again ? elements_.back() : value.Clone());
    return Ok();
  }
  Result<Tensor> Pop(DType dtype) {
    if (dtype != dtype_) {
      return InvalidArgument("stack '", name_, "' holds ", DTypeName(dtype_),
                             ", ", DTypeName(dtype), " is wanted");
    }
    if (elements_.empty()) {
      return InvalidArgument("Stack[", name_, "] is empty when calling Pop().");
    }
    Tensor last = std::move(elements_.back());
    elements_.pop_back();
    return last;
  }
  void Clear() { elements_.clear(); }

 private:
  std::string name_;
  DType dtype_;
  int64_t max_size_;
  std::vector<Tensor> elements_;
};

Status NewStack(KernelContext& k) {
  const Tensor& size = k.input(0);
  if (size.NumElements() != 1) {
    return InvalidArgument("max_size must be a scalar, has shape ",
                           size.shape());
  }
  const auto& name = *GetIf<std::string>(k.attrs(), "stack_name");
  SetObject(k, 0, kResource,
            std::make_shared<Stack>(
                name.empty() ? std::string(k.node_name()) : name,
                *GetIf<DType>(k.attrs(), "elem_type"), size.scalar<int32_t>()));
  return Ok();
}

Status Push(KernelContext& k) {
  LS_ASSIGN_OR_RETURN(Stack * stack, ObjectOf<Stack>(k, 0, "stack"));
  return stack->Push(k.input(1));
}

Status PushAndPass(KernelContext& k) {
  LS_RETURN_IF_ERROR(Push(k));
  return CopyToOutput(k, 0, k.input(1));
}

Status Pop(KernelContext& k) {
  LS_ASSIGN_OR_RETURN(Stack * stack, ObjectOf<Stack>(k, 0, "stack"));
  LS_ASSIGN_OR_RETURN(Tensor value,
                      stack->Pop(*GetIf<DType>(k.attrs(), "elem_type")));
  k.SetOutput(0, std::move(value));
  return Ok();
}

Status Close(KernelContext& k) {
  LS_ASSIGN_OR_RETURN(Stack * stack, ObjectOf<Stack>(k, 0, "stack"));
  stack->Clear();
  return Ok();
}

Status PushShape(ShapeContext& c) { return c.SetOutput(0, c.Input(1)); }

LOCKSTEP_OP("StackV2")
    .Input("max_size: int32")
    .Output("handle: resource")
    .Attr("elem_type: type")
    .Attr("stack_name: string = ''")
    .Shape(ScalarShape)
    .Stateful()
    .NoGradient()
    .Kernel(kCpu, {NewStack});

LOCKSTEP_OP("StackPushV2")
    .Input("handle: resource")
    .Input("elem: T")
    .Output("output: T")
    .Attr("T: type")
    .Attr("swap_memory: bool = false")
    .Shape(PushShape)
    .Stateful()
    .NoGradient()
    .Kernel(kCpu, {PushAndPass});

LOCKSTEP_OP("_StackPush")
    .Input("handle: resource")
    .Input("elem: T")
    .Attr("T: type")
    .Shape(NoOutputs)
    .Stateful()
    .NoGradient()
    .Kernel(kCpu, {Push});

// Loops' gradients only wait for what was pushed.
Result<bool> DropPushed(RewriteContext& c) {
  Node* push = c.node();
  const Output pushed = push->output(0);
  if (!c.consumers().Of(pushed).empty() || c.IsFetched(pushed) ||
      c.IsFed(push)) {
    return false;
  }
  LS_ASSIGN_OR_RETURN(Node * alone,
                      c.Add(push->name() + "/unread", "_StackPush",
                            push->inputs(), {{"T", push->Attr<DType>("T")}}));
  c.ReplaceNode(push, alone);
  return true;
}
LOCKSTEP_LATE_REWRITE("StackPushV2", DropPushed);

LOCKSTEP_OP("StackPopV2")
    .Input("handle: resource")
    .Output("elem: elem_type")
    .Attr("elem_type: type")
    .Shape(UnknownShape)
    .Stateful()
    .NoGradient()
    .Kernel(kCpu, {Pop});

LOCKSTEP_OP("StackCloseV2")
    .Input("handle: resource")
    .Shape(NoOutputs)
    .Stateful()
    .NoGradient()
    .Kernel(kCpu, {Close});

}  // namespace
}  // namespace lockstep
