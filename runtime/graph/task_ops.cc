// SPDX-License-Identifier: Apache-2.0
// The two ends of an edge between tasks; runtime/exec/task_cut.h puts them into
// plans. They talk through the session's TaskChannel.
#include "runtime/op/kernel.h"
#include "runtime/op/shape_context.h"
#include "runtime/op/task_channel.h"

namespace lockstep {
namespace {

struct MessageState {
  TaskMessage message;
  bool any = false;  // the shape travels with the value
};

Status PrepareMessage(PrepareContext& p) {
  if (p.resources().Service<TaskChannel>() == nullptr) {
    return FailedPrecondition("the session has no TaskChannel; see UseTasks");
  }
  auto& state = p.MakeState<MessageState>();
  state.message = {.peer = static_cast<int>(p.Attr<int64_t>("task")),
                   .name = p.Attr<std::string>("tensor_name"),
                   .plan = static_cast<int>(p.Attr<int64_t>("plan"))};
  state.any =
      !p.Attr<Shape>("shape").IsFullyKnown() || !IsPod(p.Attr<DType>("T"));
  return Ok();
}

TaskMessage MessageOf(KernelContext& k) {
  TaskMessage message = k.state<MessageState>().message;
  message.deadline_micros = k.run().deadline_micros;
  return message;
}

// _SendToTask: a tensor that leaves this task for `task`.
//   shape: as both tasks know it from the graph
Status SendCpu(KernelContext& k) {
  TaskChannel& channel = *k.resources().Service<TaskChannel>();
  return k.state<MessageState>().any ? channel.SendAny(MessageOf(k), k.input(0))
                                     : channel.Send(MessageOf(k), k.input(0));
}

LOCKSTEP_OP("_SendToTask")
    .Input("tensor: T")
    .Attr("T: type")
    .Attr("shape: shape")
    .Attr("tensor_name: string")
    .Attr("task: int")
    .Attr("plan: int = 0")
    .Shape(NoOutputs)
    .Stateful()
    .NoGradient()
    .Kernel(kCpu, {SendCpu, PrepareMessage});

// _RecvFromTask: the tensor of that name as `task` sent it.
Status RecvCpu(KernelContext& k) {
  TaskChannel& channel = *k.resources().Service<TaskChannel>();
  if (!k.state<MessageState>().any) {
    return channel.Recv(MessageOf(k), &k.output(0));
  }
  const Shape& wanted = *GetIf<Shape>(k.attrs(), "shape");
  LS_ASSIGN_OR_RETURN(
      Tensor value,
      channel.RecvAny(MessageOf(k), *GetIf<DType>(k.attrs(), "T")));
  if (!wanted.IsCompatibleWith(value.shape())) {
    return Internal("a tensor of shape ", value.shape(),
                    " came, the graph has shape ", wanted);
  }
  k.SetOutput(0, std::move(value));
  return Ok();
}

LOCKSTEP_OP("_RecvFromTask")
    .Output("tensor: T")
    .Attr("T: type")
    .Attr("shape: shape")
    .Attr("tensor_name: string")
    .Attr("task: int")
    .Attr("plan: int = 0")
    .Shape(ShapeFromAttr)
    .Stateful()
    .NoGradient()
    .Kernel(kCpu, {RecvCpu, PrepareMessage});

}  // namespace
}  // namespace lockstep
