// SPDX-License-Identifier: Apache-2.0
#include "runtime/graph/placer.h"

#include "runtime/core/logging.h"
#include "runtime/graph/control_flow.h"

namespace lockstep {
namespace {

bool Supports(const Device& device, const Node& n) {
  const DeviceKind kind = device.name.type == "GPU" ? kGpu : kCpu;
  return !NeedsKernel(n.def()) || n.def().FindKernel(kind, n.attrs());
}

Status PlaceNode(const DeviceSet& devices, const PlacerOptions& options,
                 Node* n) {
  Result<DeviceName> parsed = DeviceName::Parse(n->requested_device());
  if (!parsed.ok()) {
    return parsed.status().WithContext(StrCat("node '", n->name(), "'"));
  }
  DeviceName request = *parsed;
  // Jobs and replicas of graphs written elsewhere mean this job.
  request.job.reset();
  request.replica.reset();
  if (!request.task) request.task = options.task;
  const Device* covered = nullptr;
  for (const Device& d : devices.all()) {
    if (!request.Covers(d.name)) continue;
    if (!covered) covered = &d;
    if (!Supports(d, *n)) continue;
    n->set_assigned_device(d.name.ToString());
    return Ok();
  }
  // A node without any kernel is refused when a run needs it, not before:
  // the rest of the graph works.
  const bool kernel_missing = covered && covered->name.type == "CPU";
  if (kernel_missing || options.allow_soft_placement) {
    n->set_assigned_device(devices.all()[0].name.ToString());
    return Ok();
  }
  return InvalidArgument(
      "Cannot assign a device for operation '", n->name(), "' (", n->op(),
      "): it asks for '", n->requested_device(), "', ",
      covered ? "which has no kernel for it; " : "the devices are ",
      devices.ToString(), ". Soft placement would run it on /cpu:0");
}

}  // namespace

bool NeedsKernel(const OpDef& op) {
  const OpTraits& t = op.traits;
  return !(t.constant || t.placeholder || t.variable || t.alias.first >= 0 ||
           op.name == "_Feed" || op.name == "_Recv" ||
           IsControlFlowOp(op.name));
}

Status PlaceGraph(const DeviceSet& devices, const PlacerOptions& options,
                  Graph* graph) {
  for (Node* n : graph->nodes()) {
    if (!n->assigned_device().empty()) continue;
    LS_RETURN_IF_ERROR(PlaceNode(devices, options, n));
    if (options.log_device_placement) {
      LogInfo(n->name(), ": (", n->op(), "): ", n->assigned_device());
    }
  }
  return Ok();
}

}  // namespace lockstep
