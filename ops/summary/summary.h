// SPDX-License-Identifier: Apache-2.0
#pragma once

// Builder functions of summaries: what TensorBoard shows, as serialized
// Summary strings. Fetch the merged one and give it to an EventWriter.
//
//   ops::ScalarSummary(root, "loss", loss);
//   ops::HistogramSummary(root, "weights", w);
//   Output all = ops::MergeAllSummaries(root);
//   ...
//   LS_RETURN_IF_ERROR(events->AddSummary(out[0].scalar<std::string>(), step));
//
// `tag` is the name shown; values are cut off from gradients.

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/graph/builder.h"

namespace lockstep::ops {

// `values` may have any shape; `tags` has the same.
Output ScalarSummary(const Scope& scope, const Input& tags,
                     const Input& values);
// Values must be finite when the node runs.
Output HistogramSummary(const Scope& scope, const Input& tag,
                        const Input& values);

struct ImageSummaryAttrs {
  int64_t max_images = 3;
  std::vector<uint8_t> bad_color = {255, 0, 0, 255};
};
// [n,height,width,1|3|4] of uint8 or a floating type.
Output ImageSummary(const Scope& scope, const Input& tag, const Input& tensor,
                    const ImageSummaryAttrs& attrs = {});
// float [n,frames] or [n,frames,channels] in [-1, 1]; AudioSummaryV2.
Output AudioSummary(const Scope& scope, const Input& tag, const Input& tensor,
                    const Input& sample_rate, int64_t max_outputs = 3);
// Strings of any shape, shown as Markdown.
Output TextSummary(const Scope& scope, const Input& tag, const Input& strings);
// For a plugin; `metadata` is a serialized SummaryMetadata. TensorSummaryV2.
Output TensorSummary(const Scope& scope, const Input& tag, const Input& tensor,
                     const Input& metadata = "");

// Tags must differ.
Output MergeSummary(const Scope& scope, const std::vector<Output>& inputs);
// Of every summary that the graph has so far and that no MergeSummary takes.
// Undefined, without an error, when there is none.
Output MergeAllSummaries(const Scope& scope);

}  // namespace lockstep::ops
