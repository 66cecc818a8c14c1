// SPDX-License-Identifier: Apache-2.0
// TensorSummary, TensorSummaryV2: a tensor as it is, for TensorBoard's
// plugins; text among them. The older op has no tag: the node's name is told.
//   tag: []   tensor: [...]   serialized_summary_metadata: []   summary: []
#include "ops/summary/emit.h"
#include "ops/summary/summary.h"
#include "runtime/op/shape_context.h"

namespace lockstep {
namespace {

Status TensorCpu(KernelContext& k) {
  Summary summary;
  LS_RETURN_IF_ERROR(summary.AddNodeTensor(k.node_name(), k.input(0)));
  return detail::Emit(k, summary);
}

Status TensorV2Cpu(KernelContext& k) {
  LS_ASSIGN_OR_RETURN(const std::string tag, detail::TagOf(k, 0));
  if (!k.input(2).shape().IsScalar()) {
    return InvalidArgument("serialized_summary_metadata must be scalar, has ",
                           "shape ", k.input(2).shape());
  }
  Summary summary;
  LS_RETURN_IF_ERROR(
      summary.AddTensor(tag, k.input(1), k.input(2).scalar<std::string>()));
  return detail::Emit(k, summary);
}

LOCKSTEP_OP("TensorSummary")
    .Input("tensor: T")
    .Output("summary: string")
    .Attr("T: type")
    .Attr("description: string = ''")
    .Attr("labels: list(string) = []")
    .Attr("display_name: string = ''")
    .Shape(ScalarShape)
    .NoGradient()
    .Kernel(kCpu, {TensorCpu});

LOCKSTEP_OP("TensorSummaryV2")
    .Input("tag: string")
    .Input("tensor: T")
    .Input("serialized_summary_metadata: string")
    .Output("summary: string")
    .Attr("T: type")
    .Shape(ScalarShape)
    .NoGradient()
    .Kernel(kCpu, {TensorV2Cpu});

}  // namespace

Output ops::TensorSummary(const Scope& scope, const Input& tag,
                          const Input& tensor, const Input& metadata) {
  return scope.Op("TensorSummaryV2").In(tag).In(tensor).In(metadata).Out();
}

Output ops::TextSummary(const Scope& scope, const Input& tag,
                        const Input& strings) {
  return TensorSummary(scope, tag, strings, TextSummaryMetadata());
}

}  // namespace lockstep
