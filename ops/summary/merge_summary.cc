// SPDX-License-Identifier: Apache-2.0
// MergeSummary: the values of several summaries in one.
//   inputs: N strings of any shapes   summary: []
// Error: INVALID_ARGUMENT for what is no summary, or a tag that comes twice.
#include <algorithm>

#include "ops/summary/emit.h"
#include "ops/summary/summary.h"
#include "runtime/op/shape_context.h"

namespace lockstep {
namespace {

constexpr std::string_view kSummaryOps[] = {
    "AudioSummary", "AudioSummaryV2", "HistogramSummary", "ImageSummary",
    "MergeSummary", "ScalarSummary",  "TensorSummary",    "TensorSummaryV2"};

Status MergeCpu(KernelContext& k) {
  Summary merged;
  for (int i = 0; i < k.num_inputs(); ++i) {
    for (const std::string& one : k.input(i).flat<std::string>()) {
      LS_RETURN_IF_ERROR(merged.Merge(one));
    }
  }
  return detail::Emit(k, merged);
}

LOCKSTEP_OP("MergeSummary")
    .Input("inputs: N * string")
    .Output("summary: string")
    .Attr("N: int >= 1")
    .Shape(ScalarShape)
    .NoGradient()
    .Kernel(kCpu, {MergeCpu});

}  // namespace

Output ops::MergeSummary(const Scope& scope,
                         const std::vector<Output>& inputs) {
  return scope.Op("MergeSummary").In(inputs).Out();
}

Output ops::MergeAllSummaries(const Scope& scope) {
  if (!scope.ok()) return {};
  const Consumers consumers(*scope.graph());
  std::vector<Output> summaries;
  for (Node* node : scope.graph()->nodes()) {
    if (std::ranges::find(kSummaryOps, node->op()) == std::end(kSummaryOps)) {
      continue;
    }
    const auto& readers = consumers.Of(node->output(0));
    const bool merged = std::ranges::any_of(readers, [](const auto& reader) {
      return reader.first->op() == "MergeSummary";
    });
    if (!merged) summaries.push_back(node->output(0));
  }
  return summaries.empty() ? Output{} : MergeSummary(scope, summaries);
}

}  // namespace lockstep
