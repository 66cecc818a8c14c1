// SPDX-License-Identifier: Apache-2.0
// HistogramSummary: how a tensor's values are distributed.
//   tag: []   values: [...]   summary: []
// Error: INVALID_ARGUMENT when a value is NaN or infinite.
#include "ops/summary/emit.h"
#include "ops/summary/summary.h"
#include "runtime/op/shape_context.h"

namespace lockstep {
namespace {

Status HistogramCpu(KernelContext& k) {
  LS_ASSIGN_OR_RETURN(const std::string tag, detail::TagOf(k, 0));
  Summary summary;
  LS_RETURN_IF_ERROR(summary.AddHistogram(tag, k.input(1)));
  return detail::Emit(k, summary);
}

LOCKSTEP_OP("HistogramSummary")
    .Input("tag: string")
    .Input("values: T")
    .Output("summary: string")
    .Attr("T: realnumbertype = float")
    .Shape(ScalarShape)
    .NoGradient()
    .Kernel(kCpu, {HistogramCpu});

}  // namespace

Output ops::HistogramSummary(const Scope& scope, const Input& tag,
                             const Input& values) {
  return scope.Op("HistogramSummary").In(tag).In(values).Out();
}

}  // namespace lockstep
