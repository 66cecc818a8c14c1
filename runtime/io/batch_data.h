// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a BatchPipeline is given, checked. INVALID_ARGUMENT says what is wrong.
// Internal to runtime/io.
//
//   LS_RETURN_IF_ERROR(CheckBatchOptions(options));
//   LS_RETURN_IF_ERROR(CheckBatchData(features, labels));
//   LS_ASSIGN_OR_RETURN(auto numbers, LabelsAsInt64(labels, options.classes));

#include <cstdint>
#include <vector>

#include "runtime/core/status.h"
#include "runtime/core/tensor.h"
#include "runtime/io/batch_pipeline.h"

namespace lockstep {

Status CheckBatchOptions(const BatchPipelineOptions& options);
// As many labels, [N], as features, [N, ...].
Status CheckBatchData(const Tensor& features, const Tensor& labels);
// Labels of uint8, int32 or int64; each below `classes` unless that is 0.
Result<std::vector<int64_t>> LabelsAsInt64(const Tensor& labels,
                                           int64_t classes);

}  // namespace lockstep
