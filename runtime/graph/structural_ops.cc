// SPDX-License-Identifier: Apache-2.0
// The nodes that the planner itself puts into graphs.
#include "runtime/op/gpu_kernel.h"
#include "runtime/op/shape_context.h"

namespace lockstep {
namespace {

// _Feed: a tensor that the caller of Run hands in. No step is run.
LOCKSTEP_OP("_Feed")
    .Output("value: dtype")
    .Attr("dtype: type")
    .Attr("shape: shape")
    .Shape(ShapeFromAttr)
    .Stateful()
    .NoGradient();

// _Send: a tensor that leaves its device. Between devices that share memory it
// is only a name for it.
LOCKSTEP_OP("_Send")
    .Input("tensor: T")
    .Output("sent: T")
    .Attr("T: type")
    .Attr("tensor_name: string")
    .Attr("send_device: string")
    .Attr("recv_device: string")
    .Shape(UnchangedShape)
    .Stateful()
    .NoGradient()
    .Alias(0, 0);

// _Recv: the tensor as it arrived, in memory of its own. The planner makes the
// copy on a queue of one of the devices.
LOCKSTEP_OP("_Recv")
    .Input("sent: T")
    .Output("tensor: T")
    .Attr("T: type")
    .Attr("tensor_name: string")
    .Attr("send_device: string")
    .Attr("recv_device: string")
    .Shape(UnchangedShape)
    .Stateful()
    .NoGradient();

// On a GPU for every type that can be there: a value is copied into the
// receiver's memory by its queue, no kernel is run. A switch is, as its outputs
// are its input; control flow that becomes a function is the host's.
const GpuKernels kFeed =
    GpuKernels({"_Feed"}).Types("dtype", kGpuTypes).Types("dtype", {kInt32});
const GpuKernels kEdge =
    GpuKernels({"_Recv", "_Send"}).Types("T", kGpuTypes).Types("T", {kInt32});
const GpuKernels kSwitch = GpuKernels({"RefSwitch", "Switch"})
                               .HostMemory({"pred"})
                               .Types("T", kGpuTypes)
                               .OnHost("T", {kInt32});

}  // namespace
}  // namespace lockstep
